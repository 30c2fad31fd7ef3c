import pytest

from modules.core.parameters import Txt2Img
from modules.core.settings import Settings, with_changes
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.describe import effective_eta, infotext_fields, schedule_label


@pytest.fixture
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> CheckpointFile:
    path = tmp_path_factory.mktemp("models") / "cat.safetensors"
    return CheckpointFile(
        path=path, name="cat.safetensors", model_name="cat", sha256="0123456789abcdef" * 4, config=None
    )


def written(request: Txt2Img, settings: Settings, checkpoint: CheckpointFile) -> dict[str, object]:
    fields = infotext_fields(request, settings, checkpoint, seed=7)
    return {name: value for name, value in fields.items() if value is not None}


def test_fields_come_in_the_order_of_a1111(checkpoint: CheckpointFile) -> None:
    settings = Settings(CLIP_stop_at_last_layers=2, eta_noise_seed_delta=31337, randn_source="CPU")
    fields = written(Txt2Img(sampler="Euler a", eta=0.5), settings, checkpoint)
    assert list(fields) == [
        *("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model"),
        *("Clip skip", "ENSD", "RNG", "Eta", "Version"),
    ]
    assert fields["Model hash"] == "0123456789"
    assert fields["Size"] == "512x512"


def test_what_is_as_usual_is_not_written(checkpoint: CheckpointFile) -> None:
    fields = written(Txt2Img(), Settings(), checkpoint)
    assert not fields.keys() & {"Clip skip", "ENSD", "RNG", "Eta"}


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("add_model_name_to_info", "Model"),
        ("add_model_hash_to_info", "Model hash"),
        ("add_version_to_infotext", "Version"),
    ],
)
def test_settings_leave_fields_out(checkpoint: CheckpointFile, setting: str, field: str) -> None:
    assert field in written(Txt2Img(), Settings(), checkpoint)
    assert field not in written(Txt2Img(), with_changes(Settings(), {setting: False}), checkpoint)


def test_seed_delta_is_written_only_where_it_acts(checkpoint: CheckpointFile) -> None:
    settings = Settings(eta_noise_seed_delta=5)
    assert written(Txt2Img(sampler="Euler a"), settings, checkpoint)["ENSD"] == 5
    assert "ENSD" not in written(Txt2Img(sampler="Euler"), settings, checkpoint)
    assert "ENSD" not in written(Txt2Img(sampler="Euler a", eta=0), settings, checkpoint)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "label"),
    [
        ("DPM++ 2M", "Automatic", "Karras"),
        ("Euler", "Automatic", "Automatic"),
        ("Euler", "Karras", "Karras"),
        ("DPM++ 2M", "Uniform", "Uniform"),
    ],
)
def test_schedule_type_says_what_automatic_meant(sampler: str, scheduler: str, label: str) -> None:
    assert schedule_label(Txt2Img(sampler=sampler, scheduler=scheduler)) == label


def test_eta_of_the_request_wins() -> None:
    settings = Settings(eta_ancestral=0.25)
    assert effective_eta(Txt2Img(), settings) == 0.25
    assert effective_eta(Txt2Img(eta=0), settings) == 0
