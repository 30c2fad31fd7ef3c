import pytest

from modules.core.errors import UnknownName
from modules.core.samplers import AUTOMATIC, SAMPLERS, SCHEDULERS, find_sampler, find_scheduler, split_combined_name


@pytest.mark.parametrize(
    ("name", "label"),
    [("Euler a", "Euler a"), ("k_euler_a", "Euler a"), (" euler A ", "Euler a"), ("K_DPMPP_2M", "DPM++ 2M")],
)
def test_samplers_are_found_by_label_and_alias_in_any_case(name: str, label: str) -> None:
    assert find_sampler(name).name == label


def test_every_name_of_the_tables_means_one_row() -> None:
    names = [name.casefold() for info in SAMPLERS for name in (info.name, *info.aliases)]
    assert len(set(names)) == len(names)
    for info in SAMPLERS:
        assert all(find_sampler(name) is info for name in (info.name, *info.aliases))
        assert find_scheduler(info.automatic_schedule).label != AUTOMATIC
    for info in SCHEDULERS:
        assert find_scheduler(info.label) is find_scheduler(info.name) is info


@pytest.mark.parametrize("name", ["", "nonsense", "Euler Karras", "a" * 1000])
def test_unknown_names_are_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownName, match="Known samplers: DPM"):
        find_sampler(name)
    with pytest.raises(UnknownName, match="Known schedule types: Automatic"):
        find_scheduler(name)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "resolved"),
    [
        ("DPM++ 2M", None, ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Exponential", ("DPM++ 2M", "Exponential")),
        ("DPM++ 2M Exponential", "Karras", ("DPM++ 2M", "Karras")),
        ("dpm++ 2m karras", "automatic", ("DPM++ 2M", "Karras")),
        ("k_euler_a", "karras", ("Euler a", "Karras")),
        ("Euler a uniform", None, ("Euler a", "Uniform")),
        ("Heun", "Uniform", ("Heun", "Uniform")),
    ],
)
def test_old_combined_names(sampler: str, scheduler: str | None, resolved: tuple[str, str]) -> None:
    assert split_combined_name(sampler, scheduler) == resolved


@pytest.mark.parametrize(
    ("sampler", "scheduler"), [("Bogus", None), ("Bogus Karras", None), ("Euler", "Bogus"), ("Karras", None)]
)
def test_unknown_parts_of_combined_names(sampler: str, scheduler: str | None) -> None:
    with pytest.raises(UnknownName, match=r"“(Bogus|Karras)”"):
        split_combined_name(sampler, scheduler)
