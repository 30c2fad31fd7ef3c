import pytest

from modules.core.errors import ModelFileError
from modules.families.base import ModelTraits
from modules.families.registry import FAMILIES, find_family

CLIP, OPENCLIP = frozenset({"clip"}), frozenset({"openclip"})


@pytest.mark.parametrize(
    ("traits", "name"),
    [
        (ModelTraits(in_channels=4, text_encoders=CLIP), "SD 1.x"),
        (ModelTraits(in_channels=9, text_encoders=CLIP), "SD 1.x"),
        (ModelTraits(in_channels=8, text_encoders=CLIP), "SD 1.x"),
        (ModelTraits(in_channels=4, text_encoders=OPENCLIP), "SD 2.x"),
        (ModelTraits(in_channels=9, text_encoders=OPENCLIP), "SD 2.x"),
        (ModelTraits(in_channels=4, text_encoders=CLIP | OPENCLIP, vector="size"), "SDXL"),
        (ModelTraits(in_channels=9, text_encoders=CLIP | OPENCLIP, vector="size"), "SDXL"),
        (ModelTraits(in_channels=4, text_encoders=OPENCLIP, vector="size"), "SDXL refiner"),
    ],
)
def test_each_kind_of_checkpoint_belongs_to_one_family(traits: ModelTraits, name: str) -> None:
    assert find_family(traits, source="x").name == name
    assert [family.name for family in FAMILIES if family.recognises(traits)] == [name]


@pytest.mark.parametrize(
    ("traits", "kind"),
    [
        (ModelTraits(in_channels=4, text_encoders=OPENCLIP, vector="picture"), "unCLIP"),
        (ModelTraits(in_channels=5, text_encoders=OPENCLIP), "depth-to-image"),
        (ModelTraits(in_channels=7, text_encoders=OPENCLIP), "upscaling"),
        (ModelTraits(in_channels=16, text_encoders=CLIP), "network of another kind"),
        (ModelTraits(in_channels=0, text_encoders=frozenset(), unet=False), "SD 3 or Flux"),
        (ModelTraits(in_channels=4, text_encoders=frozenset()), "unknown kind"),
        (ModelTraits(in_channels=4, text_encoders=CLIP | OPENCLIP), "unknown kind"),
    ],
)
def test_what_cannot_be_used_yet_is_named(traits: ModelTraits, kind: str) -> None:
    with pytest.raises(ModelFileError, match=f"“file.ckpt” is .*{kind}.* not supported yet") as caught:
        find_family(traits, source="file.ckpt")
    assert "SD 1.x, SD 2.x, SDXL, SDXL refiner" in str(caught.value)
