import base64
import io

import pytest
from PIL import ExifTags, Image

from modules.imaging.exif import HEADER, decode_user_comment, user_comment_exif
from tests.imaging.recordings import recorded

CASES = recorded("png_info")["cases"]
WRITTEN = [case for case in CASES if case["name"].startswith(("jpg: ", "webp: ")) and case["parameters"]]


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: case["name"])
def test_the_block_is_byte_by_byte_what_a1111_writes(case: dict[str, str]) -> None:
    with Image.open(io.BytesIO(base64.b64decode(case["file"]))) as image:
        written = image.info["exif"].removeprefix(HEADER)  # which Pillow keeps for JPEG only
    assert HEADER + written == user_comment_exif(case["parameters"])


@pytest.mark.parametrize("text", ["", "a", "日本 😀 é\nSteps: 20"])
def test_others_can_read_the_block(text: str) -> None:
    exif = Image.Exif()
    exif.load(user_comment_exif(text))
    comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert decode_user_comment(comment) == text


def test_half_a_surrogate_pair_does_not_stop_the_writing() -> None:
    assert user_comment_exif("a \ud83d b").endswith("a ? b".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        (b"UNICODE\0" + "a 日".encode("utf-16-be"), "a 日"),
        (b"UNICODE\0" + "a 日".encode("utf-16-le"), "a 日"),  # as programs write it into little-endian blocks
        (b"UNICODE\0" + "日本".encode("utf-16-be"), "日本"),
        (b"UNICODE\0\0a\0", "a"),  # half a character at the end
        (b"ASCII\0\0\0abc\xff", "abc"),
        (b"JIS\0\0\0\0\0" + "日本".encode("shift_jis"), "日本"),
        (b"\0\0\0\0\0\0\0\0a \xe6\x97\xa5", "a 日"),
        (b"raw text", "raw text"),
        (b"\xff\xfeabc", "abc"),
        (b"", ""),
    ],
)
def test_encodings_of_comments(comment: bytes, text: str) -> None:
    assert decode_user_comment(comment) == text
