import pytest

from modules.core.errors import ModelFileError
from modules.families.base import ModelTraits
from modules.families.registry import find_family

CLIP, OPENCLIP = frozenset({"clip"}), frozenset({"openclip"})


def test_sd1() -> None:
    assert find_family(ModelTraits(in_channels=4, text_encoders=CLIP), source="x").name == "SD 1.x"


@pytest.mark.parametrize(
    ("traits", "kind"),
    [
        (ModelTraits(in_channels=4, text_encoders=OPENCLIP), "SD 2.x"),
        (ModelTraits(in_channels=4, text_encoders=CLIP | OPENCLIP), "SDXL"),
        (ModelTraits(in_channels=9, text_encoders=CLIP), "inpainting"),
        (ModelTraits(in_channels=8, text_encoders=CLIP), "InstructPix2Pix"),
        (ModelTraits(in_channels=0, text_encoders=frozenset(), unet=False), "SD 3 or Flux"),
        (ModelTraits(in_channels=4, text_encoders=frozenset()), "unknown kind"),
    ],
)
def test_what_cannot_be_used_yet_is_named(traits: ModelTraits, kind: str) -> None:
    with pytest.raises(ModelFileError, match=f"“file.ckpt” is .*{kind}.* not supported yet") as caught:
        find_family(traits, source="file.ckpt")
    assert "SD 1.x" in str(caught.value)
