import json
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import UnknownName
from modules.core.samplers import (
    AUTOMATIC,
    SAMPLERS,
    SCHEDULERS,
    SamplerInfo,
    find_sampler,
    find_scheduler,
    pasted_names,
    split_combined_name,
)

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "sampling" / "tables_names.json").read_text(encoding="utf-8")
)
OPTIONS = ("second_order", "uses_ensd", "brownian_noise", "discard_next_to_last_sigma", "solver_type")


def options_of(info: SamplerInfo) -> dict[str, Any]:
    """What A1111's table says of a sampler."""
    schedule = {} if info.automatic_schedule == "Uniform" else {"scheduler": info.automatic_schedule.casefold()}
    return schedule | {name: getattr(info, name) for name in OPTIONS if getattr(info, name)}


def test_the_samplers_begin_with_those_of_a1111_in_its_order() -> None:
    ours = [{"label": info.name, "aliases": list(info.aliases), "options": options_of(info)} for info in SAMPLERS[:15]]
    assert ours == RECORDED["samplers_1.10"]
    rest = [info.name for info in SAMPLERS[15:]]
    assert rest[:5] == ["DDIM", "DDIM CFG++", "PLMS", "UniPC", "LCM"]
    assert set(rest[5:]) == {"HeunPP2", "IPNDM", "IPNDM_V", "DEIS", "Res Multistep", "ER SDE", "SA Solver", "TCD"}


def test_the_schedule_types_are_those_of_a1111() -> None:
    ours = [
        {
            "name": info.name,
            "label": info.label,
            "default_rho": info.default_rho,
            "need_inner_model": info.needs_model,
            "aliases": list(info.aliases) or None,
        }
        for info in SCHEDULERS
    ]
    assert ours == RECORDED["schedulers_1.10"]


@pytest.mark.parametrize(
    ("name", "label"),
    [("Euler a", "Euler a"), ("k_euler_a", "Euler a"), (" euler A ", "Euler a"), ("K_DPMPP_2M", "DPM++ 2M")],
)
def test_samplers_are_found_by_label_and_alias_in_any_case(name: str, label: str) -> None:
    assert find_sampler(name).name == label


def test_every_name_of_the_tables_means_one_row() -> None:
    names = [name for info in SAMPLERS for name in {alias.casefold() for alias in (info.name, *info.aliases)}]
    assert len(set(names)) == len(names)
    for info in SAMPLERS:
        assert all(find_sampler(name) is info for name in (info.name, *info.aliases))
        assert find_scheduler(info.automatic_schedule).label != AUTOMATIC
    for scheduler in SCHEDULERS:
        known = (scheduler.label, scheduler.name, *scheduler.aliases)
        assert all(find_scheduler(name) is scheduler for name in known)


@pytest.mark.parametrize("name", ["", "nonsense", "a" * 1000])
def test_unknown_names_are_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownName, match=r"Known samplers: DPM.*, TCD\."):
        find_sampler(name)
    with pytest.raises(UnknownName, match=r"Known samplers: DPM.*, TCD\."):
        split_combined_name(name)
    with pytest.raises(UnknownName, match=r"Known schedule types: Automatic.*, Beta\."):
        find_scheduler(name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("DPM++ SKE Karras", "DPM++ SDE Karras"),
        ("DPM++ 2M Karas", "DPM++ 2M Karras"),
        ("dpm++2m karras", "DPM++ 2M Karras"),
        ("Eulr", "Euler"),
        ("euler_ancestral", "Euler a"),
        ("dpmpp_2m", "DPM++ 2M"),
    ],
)
def test_a_typo_is_answered_with_the_name_meant(typed: str, meant: str) -> None:
    with pytest.raises(UnknownName) as error:
        split_combined_name(typed)
    assert str(error.value) == f"Sampler not found: “{typed}”. Did you mean “{meant}”?"


def test_typos_of_one_name_are_answered_with_one_name() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean “Euler”\?"):
        find_sampler("Eulerr")
    with pytest.raises(UnknownName, match=r"Schedule type not found: “Karas”. Did you mean “Karras”\?"):
        split_combined_name("Euler", "Karas")


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
        ("k_euler_ancestral_ka", None, ("Euler a", "Karras")),
        ("Euler a uniform", None, ("Euler a", "Uniform")),
        ("Euler a SGM Uniform", None, ("Euler a", "SGM Uniform")),
        ("Euler SGMUniform", None, ("Euler", "SGM Uniform")),
        ("Euler DDIM", None, ("Euler", "DDIM")),
        ("DDIM", None, ("DDIM", "Automatic")),
        ("Heun", "Uniform", ("Heun", "Uniform")),
    ],
)
def test_combined_names(sampler: str, scheduler: str | None, resolved: tuple[str, str]) -> None:
    assert split_combined_name(sampler, scheduler) == resolved


@pytest.mark.parametrize("row", RECORDED["samplers_1.8"], ids=lambda row: row["label"])
def test_names_of_a1111_before_1_9(row: Any) -> None:
    sampler, scheduler = split_combined_name(row["label"])
    named = {"karras": "Karras", "exponential": "Exponential"}.get(row["options"].get("scheduler"), AUTOMATIC)
    assert f"{sampler} {scheduler}".removesuffix(f" {AUTOMATIC}") == row["label"]
    assert scheduler == named or sampler == "Restart"  # whose name never said its schedule
    if row["label"] != "DPM++ 2M SDE":  # which had the alias of DPM++ 2M SDE Karras by mistake
        assert all(split_combined_name(alias) == (sampler, scheduler) for alias in row["aliases"])


@pytest.mark.parametrize(
    ("sampler", "scheduler", "unknown"),
    [("Bogus", None, "Bogus"), ("Bogus Karras", None, "Bogus Karras"), ("Euler", "Bogus", "Bogus")],
)
def test_unknown_parts_of_combined_names(sampler: str, scheduler: str | None, unknown: str) -> None:
    with pytest.raises(UnknownName, match=f"“{unknown}”"):
        split_combined_name(sampler, scheduler)


@pytest.mark.parametrize("case", RECORDED["pasted"], ids=lambda case: f"{case[0]}-{case[1]}")
def test_names_of_infotexts_are_read_as_recorded(case: list[str | None]) -> None:
    assert pasted_names(case[0], case[1]) == (case[2], case[3])


@pytest.mark.parametrize(
    ("sampler", "scheduler", "read"),
    [
        (" euler A ", "Karras", ("Euler a", "Karras")),
        ("TCD", "sgm_uniform", ("TCD", "SGM Uniform")),
        ("Euler", "Uniform", ("Euler", "Uniform")),
    ],
)
def test_names_of_infotexts(sampler: str, scheduler: str, read: tuple[str, str]) -> None:
    assert pasted_names(sampler, scheduler) == read
