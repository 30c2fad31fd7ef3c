import io

import pytest
from PIL import Image

from modules.imaging.foreign_texts import foreign_texts


def file(form: str, **more: object) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (8, 8)).save(packed, form, **more)
    return packed.getvalue()


def test_comfyuis_texts_in_exif() -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F], exif[0x010E] = 'prompt:{"1": 2}', "workflow:{}", "a holiday: prompt: no"
    assert foreign_texts(file("WEBP", exif=exif)) == {"prompt": '{"1": 2}', "workflow": "{}"}
    exif = Image.Exif()
    exif[0x010E], exif[0x010F] = "Workflow: {}", "Prompt: {}"
    assert foreign_texts(file("JPEG", exif=exif)) == {"prompt": "{}", "workflow": "{}"}


def test_xmp_packets() -> None:
    assert foreign_texts(file("JPEG", xmp=b"<x>\xff</x>")) == {"xmp": "<x>\ufffd</x>"}
    assert foreign_texts(file("JPEG", xmp=b" " * 60_000)) == {"xmp": " " * 60_000}


@pytest.mark.parametrize("data", [b"", b"no picture", file("JPEG")[:40], file("WEBP")[:20]])
def test_damaged_files_say_nothing(data: bytes) -> None:
    assert foreign_texts(data) == {}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF
def test_damaged_exif_says_nothing() -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + "x" * 100
    data = file("JPEG", exif=exif)
    begin = data.index(b"Exif\0\0")
    for place in range(begin + 6, begin + 40):
        foreign_texts(data[:place] + b"\xff" + data[place + 1 :])
