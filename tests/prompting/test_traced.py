import re

from modules.prompting.traced import TracedText


def test_a_whole_prompt_is_where_it_is() -> None:
    text = TracedText.of("abc")
    assert text.place(range(1, 3)) == range(1, 3)
    assert text.place(range(3, 3)) == range(3, 3)


def test_replaced_and_picked_text_knows_its_origin() -> None:
    text = TracedText.of("a #x\nb <t> c")
    shorter = text.replaced([range(*match.span()) for match in re.finditer("#x\n|<t>", text.text)], "-")
    assert shorter.text == "a -b - c"
    assert shorter.place(range(3, 4)) == range(5, 6)
    assert shorter.place(range(2, 8)) == range(2, 12)
    picked = shorter.picked([range(3, 5), range(6, 8)])
    assert picked.text == "b  c"
    assert picked.place(range(3, 4)) == range(11, 12)
    assert picked.place(range(4, 4)) == range(12, 12)


def test_nothing_can_be_picked() -> None:
    assert TracedText.of("abc").picked([]).text == ""
