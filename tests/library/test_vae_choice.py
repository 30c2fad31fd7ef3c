from pathlib import Path
from typing import Any

import pytest

from modules.library.model_folder import ModelFile
from modules.library.vae_choice import VaeChoice, choose_vae

CHECKPOINT = Path("/models/tiny-sd1.safetensors")


def vae(name: str) -> ModelFile:
    return ModelFile(path=Path("/vaes") / name, name=name, relative=name)


FREE, OTHER, NEAR, SECOND = map(
    vae, ["kl-f8.ckpt", "other.pt", "tiny-sd1b.vae.safetensors", "tiny-sd1c.vae.safetensors"]
)
ALL = (FREE, OTHER, NEAR, SECOND)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, NEAR),
        ({"setting": "auto"}, NEAR),
        ({"setting": ""}, NEAR),
        ({"setting": "None"}, None),
        ({"setting": "other.pt"}, OTHER),
        ({"preferred": "kl-f8.ckpt"}, FREE),
        ({"preferred": "Automatic"}, NEAR),
        ({"preferred": ""}, NEAR),
        ({"preferred": "None"}, None),
        ({"preferred": "kl-f8.ckpt", "setting": "other.pt"}, OTHER),
        ({"preferred": "kl-f8.ckpt", "setting": "None"}, None),
        ({"preferred": "kl-f8.ckpt", "setting": "other.pt", "setting_wins": False}, FREE),
        ({"preferred": "None", "setting": "other.pt", "setting_wins": False}, None),
        ({"setting": "other.pt", "setting_wins": False}, NEAR),
        ({"setting": "None", "setting_wins": False}, NEAR),
    ],
)
def test_the_order_of_wishes(options: dict[str, Any], chosen: ModelFile | None) -> None:
    assert choose_vae(CHECKPOINT, ALL, **options) == VaeChoice(file=chosen)


def test_without_one_of_its_name_automatic_is_the_checkpoints_own() -> None:
    assert choose_vae(CHECKPOINT, (FREE, OTHER)) == VaeChoice()
    found = choose_vae(CHECKPOINT, (FREE, OTHER), setting="other.pt", setting_wins=False)
    assert found == VaeChoice(file=OTHER)
    assert choose_vae(CHECKPOINT, (FREE,), setting="None", setting_wins=False) == VaeChoice()


@pytest.mark.parametrize("checkpoint", ["tiny-sd1.ckpt", "tiny-sd1", "tiny-sd1b.vae.safetensors"])
def test_near_is_what_begins_with_the_name_of_the_checkpoint(checkpoint: str) -> None:
    assert choose_vae(Path(checkpoint), ALL).file == NEAR


def test_near_goes_by_the_name_of_the_file_not_of_its_folder() -> None:
    file = ModelFile(path=Path("/vaes/tiny-sd1/x.pt"), name="x.pt", relative="tiny-sd1/x.pt")
    assert choose_vae(CHECKPOINT, (file,)) == VaeChoice()


def test_names_that_no_vae_has_are_said() -> None:
    assert choose_vae(CHECKPOINT, ALL, setting="gone.pt") == VaeChoice(missing=("gone.pt",))
    assert choose_vae(CHECKPOINT, ALL, preferred="gone.pt") == VaeChoice(file=NEAR, missing=("gone.pt",))
    both = choose_vae(CHECKPOINT, (OTHER,), preferred="gone.pt", setting="too.pt", setting_wins=False)
    assert both == VaeChoice(missing=("gone.pt", "too.pt"))
