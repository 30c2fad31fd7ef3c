"""The EXIF UserComment, in which JPEG, WebP and AVIF files carry an infotext."""

import struct

HEADER = b"Exif\0\0"
_UNICODE = b"UNICODE\0"

# The first 8 bytes of a UserComment name its encoding (EXIF 2.32, table 10). Text of an unnamed one is UTF-8 mostly.
_ENCODINGS = {
    _UNICODE: "utf-16-be",
    b"ASCII\0\0\0": "ascii",
    b"JIS\0\0\0\0\0": "shift_jis",
    b"\0\0\0\0\0\0\0\0": "utf-8",
}

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_LONG, _UNDEFINED = 4, 7
_IFD_OFFSET = 8
_EXIF_IFD_OFFSET = _IFD_OFFSET + 2 + 12 + 4  # number of entries, one entry, offset of the next main IFD
_COMMENT_OFFSET = _EXIF_IFD_OFFSET + 2 + 12


def user_comment_exif(text: str) -> bytes:
    """Return an EXIF block (TIFF 6.0, big-endian) that holds `text` as its UserComment and nothing else.

    It is byte by byte what A1111 writes: the text is UTF-16, big-endian as the block. Halves of surrogate pairs become
    question marks.
    """
    comment = _UNICODE + text.encode("utf-16-be", "replace")
    head = struct.pack(">2sHI", b"MM", 42, _IFD_OFFSET)
    main_ifd = struct.pack(">HHHIII", 1, _EXIF_IFD, _LONG, 1, _EXIF_IFD_OFFSET, 0)
    exif_ifd = struct.pack(">HHHII", 1, _USER_COMMENT, _UNDEFINED, len(comment), _COMMENT_OFFSET)
    return HEADER + head + main_ifd + exif_ifd + comment


def decode_user_comment(comment: bytes) -> str:
    """Return the text of a UserComment; bytes that do not fit its encoding are left out.

    A comment that names no encoding is taken for UTF-8.
    """
    encoding = _ENCODINGS.get(comment[:8])
    if encoding is None:
        return comment.decode("utf-8", "ignore")
    text = comment[8:]
    if encoding == "utf-16-be" and _is_little_endian(text):
        encoding = "utf-16-le"
    return text.decode(encoding, "ignore")


def _is_little_endian(text: bytes) -> bool:
    """Whether UTF-16 text has its low bytes first: programs differ in whether the block's byte order holds for it.

    Every infotext has ": " in it, and read in the wrong order it has none. For other texts the zeros are counted that
    are the high bytes of ASCII characters.
    """
    little, big = (": " in text.decode(encoding, "ignore") for encoding in ("utf-16-le", "utf-16-be"))
    return little if little != big else text[1::2].count(0) > text[::2].count(0)
