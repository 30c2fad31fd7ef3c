import pytest

from modules.core.samplers import SAMPLERS, SCHEDULERS, pasted_names
from modules.imaging.infotext_sampler import sampler_names


@pytest.mark.parametrize(
    ("sampler", "schedule", "meant"),
    [
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M", None, ("DPM++ 2M", "Uniform")),
        ("DPM++ 2M SDE Exponential", None, ("DPM++ 2M SDE", "Automatic")),
        ("DPM++ 2M SDE Karras", None, ("DPM++ 2M SDE", "Karras")),
        ("DPM++ 2M SGM Uniform", None, ("DPM++ 2M", "SGM Uniform")),
        ("Euler a", None, ("Euler a", "Automatic")),  # whose own schedule is the uniform one
        ("k_euler_a", None, ("Euler a", "Automatic")),
        ("Restart", None, ("Restart", "Automatic")),  # it always had the one of Karras et al.
        ("DPM++ 2M", "karras", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Karras", "exponential", ("DPM++ 2M", "Exponential")),
        ("Euler", "polyexponential", ("Euler", "Polyexponential")),
        ("DDIM", None, ("DDIM", "Automatic")),
    ],
)
@pytest.mark.parametrize("version", ["v1.8.0", "v1.3.1", "f0.0.17v1.8.0rc-latest-276-g29be1da7"])
def test_names_before_1_9(sampler: str, schedule: str | None, meant: tuple[str, str], version: str) -> None:
    said = {"Sampler": sampler, "Version": version} | ({} if schedule is None else {"Schedule type": schedule})
    names = sampler_names(said)
    assert (names.sampler, names.scheduler) == meant
    assert (names.hires_sampler, names.hires_scheduler, names.unknown) == (None, None, {})


def test_names_without_a_version_are_old_unless_they_name_a_schedule_type() -> None:
    assert sampler_names({"Sampler": "DPM++ 2M"}).scheduler == "Uniform"
    assert sampler_names({"Sampler": "DPM++ 2M", "Schedule type": "Automatic"}).scheduler == "Automatic"


@pytest.mark.parametrize("sampler", [info.name for info in SAMPLERS])
def test_names_since_1_9_are_read_as_1_10_reads_them(sampler: str) -> None:
    for schedule in SCHEDULERS:
        for said in (
            {"Sampler": sampler, "Schedule type": schedule.label},
            {"Sampler": sampler, "Schedule type": schedule.name, "Version": "v1.9.0"},
        ):
            names = sampler_names(said)
            assert (names.sampler, names.scheduler) == pasted_names(sampler, schedule.label)
    names = sampler_names({"Sampler": sampler, "Version": "v1.10.1"})
    assert (names.sampler, names.scheduler) == (sampler, "Automatic")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            {"Sampler": "DPM++ 2M", "Schedule type": "Karras", "Hires sampler": "DPM++ SDE Karras"},
            ("DPM++ SDE", "Automatic"),
        ),
        ({"Sampler": "Euler a", "Schedule type": "Automatic", "Hires sampler": "Euler a"}, (None, None)),
        (
            {"Sampler": "Euler", "Schedule type": "Beta", "Hires sampler": "DPM++ 2M", "Hires schedule type": "Karras"},
            ("DPM++ 2M", "Automatic"),
        ),
        ({"Sampler": "Euler", "Schedule type": "Beta", "Hires schedule type": "Karras"}, (None, "Karras")),
    ],
)
def test_second_pass_since_1_9(said: dict[str, str], meant: tuple[str | None, str | None]) -> None:
    names = sampler_names(said | {"Version": "v1.10.1"})
    assert (names.hires_sampler, names.hires_scheduler) == meant


@pytest.mark.parametrize(
    ("hires", "meant"),
    [
        ("DPM++ 2M", ("DPM++ 2M", "Uniform")),
        ("DPM++ 2M Karras", ("DPM++ 2M", "Automatic")),
        ("Euler Karras", (None, "Karras")),
        ("Euler", (None, None)),
        ("Use same sampler", (None, None)),
    ],
)
def test_second_pass_before_1_9(hires: str, meant: tuple[str | None, str | None]) -> None:
    names = sampler_names({"Sampler": "Euler", "Hires sampler": hires, "Version": "v1.7.0"})
    assert (names.hires_sampler, names.hires_scheduler) == meant


def test_unknown_names_are_reported_and_left_out() -> None:
    names = sampler_names(
        {
            "Sampler": "DPM++ SKE Karras",
            "Schedule type": "Laplace",
            "Hires sampler": "Bogus",
            "Hires schedule type": "",
            "Version": "v1.10.1",
        }
    )
    assert (names.sampler, names.scheduler, names.hires_sampler, names.hires_scheduler) == (None, None, None, None)
    assert names.unknown == {
        "Sampler": "DPM++ SKE Karras",
        "Schedule type": "Laplace",
        "Hires sampler": "Bogus",
        "Hires schedule type": "",
    }
    assert sampler_names({"Schedule type": "Karras"}).scheduler == "Karras"
