from modules.sampling.timeline import Timeline


def test_a_value_holds_up_to_its_end_and_the_first_one_after_the_last_end() -> None:
    timeline = Timeline(ends=(1, 4), values=("a", "b"))
    assert [timeline.at(call) for call in range(7)] == ["a", "a", "b", "b", "b", "a", "a"]
