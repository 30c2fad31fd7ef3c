import pytest

from modules.imaging.infotext import read_infotext
from modules.imaging.infotext_civitai import read_any_infotext

HEAD = "a cat\nNegative prompt: bad\nSteps: 30, Sampler: Euler a, Seed: 5"
PLAIN = {"Prompt": "a cat", "Negative prompt": "bad", "Steps": "30", "Sampler": "Euler a", "Seed": "5"}


def test_hashes_stay_whole_and_tell_the_checkpoint() -> None:
    hashes = '{"model": "45dee52b", "lora:foo": "abc"}'
    assert read_any_infotext(f"{HEAD}, Hashes: {hashes}") == PLAIN | {"Model hash": "45dee52b", "Hashes": hashes}
    assert read_any_infotext(f"{HEAD}, Model hash: abc, Hashes: {hashes}")["Model hash"] == "abc"


def test_what_civitai_makes_itself() -> None:
    resources = '[{"type":"checkpoint","modelVersionId":2442439,"modelName":"Z, Image: x"}]'
    text = (
        f"{HEAD}, Created Date: 2025-11-28T09:18:43.52Z, Civitai resources: {resources}, Civitai metadata: {{}}, Eta: 1"
    )
    assert read_any_infotext(text) == PLAIN | {
        "Created Date": "2025-11-28T09:18:43.52Z",
        "Civitai resources": resources,
        "Civitai metadata": "{}",
        "Eta": "1",
    }


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        f'{HEAD}, Hires prompt: "x, foo: [1], y", Model: z',
        f"{HEAD}, Foo: [a], Bar: 2",
        f"{HEAD}, Foo: [1] x, Bar: 2",
        f"{HEAD}, Foo: {{1, Bar: 2",
        "a cat, foo: [1], {x}",
        "one: [1]",
        "",
    ],
)
def test_all_other_infotexts_are_read_as_ever(text: str) -> None:
    assert read_any_infotext(text) == read_infotext(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", [', aa: ["', ", aa: [", ', aa: {"x":', "[", ", aa: [[[[[[[[[[", ', aa: "\\', ', a: ["x","']
)
def test_long_hostile_texts_end_soon(unit: str) -> None:
    read_any_infotext("p\n" + unit * (200_000 // len(unit)))


def test_hashes_of_another_form_are_no_hash() -> None:
    assert "Model hash" not in read_any_infotext(f"{HEAD}, Hashes: [1]")
    assert "Model hash" not in read_any_infotext(f'{HEAD}, Hashes: {{"model": 5}}')
