import json
import shutil
from pathlib import Path

import pytest

from modules.core.errors import ModelFileError
from modules.core.paths import CONFIGS
from modules.prompting.tokenizer import OPEN_CLIP, ClipTokenizer, shipped_open_clip_tokenizer, shipped_tokenizer

CLIP = CONFIGS / "clip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer folder that may be damaged."""
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(CLIP / name, tmp_path)
    return tmp_path


def test_special_ids() -> None:
    tokenizer = shipped_tokenizer()
    assert (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id, tokenizer.comma_id) == (49406, 49407, 49407, 267)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        (" \n\t ", []),
        ("a photo of a cat, best quality", [320, 1125, 539, 320, 2368, 267, 949, 3027]),
        ("A  PHOTO\nof a CAT", [320, 1125, 539, 320, 2368]),
        ("<|startoftext|>x<|endoftext|>", [49406, 343, 49407]),
    ],
)
def test_encodes_as_clip_does(text: str, ids: list[int]) -> None:
    assert shipped_tokenizer().encode(text) == ids


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("SuperCaliFragilisticExpialidocious", "supercalifragilisticexpialidocious"),
        ("&amp; &lt;b&gt;", "& <b>"),
        ("voilÃ\xa0", "voilà"),  # UTF-8 read as Latin-1
        ("ｆｕｌｌ", "full"),
        ("“it’s”", '"it\'s"'),
        ("a\u2028b", "a b"),
    ],
)
def test_cleans_text_as_clip_does(text: str, meant: str) -> None:
    ids = shipped_tokenizer().encode(text)
    assert ids
    assert ids == shipped_tokenizer().encode(meant)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a<start_of_text>1<end_of_text>", [320, 49406, 272, 49407]),
        ("<END_OF_TEXT><end_of_text>", [49407, 49407]),
        ("!<end_of_text>", [0, 283, 806, 318, 539, 318, 4160, 285]),
        ("_<end_of_text>", [62, 283, 806, 318, 539, 318, 4160, 285]),
        ("<|endoftext|>", [27, 347, 40786, 4160, 91, 285]),
        ("&amp;lt;<b>", [16482, 321, 285]),
        ("a  Photo\nof voilÃ\xa0", [320, 1125, 539, 947, 543, 21259]),
    ],
)
def test_encodes_as_open_clip_does(text: str, ids: list[int]) -> None:
    assert shipped_open_clip_tokenizer().encode(text) == ids


def test_a_folder_can_be_read_for_open_clip() -> None:
    assert ClipTokenizer.from_folder(CLIP, OPEN_CLIP).encode("<end_of_text>") == [49407]


def test_signs_swallow_special_tokens_in_capitals() -> None:
    assert shipped_tokenizer().encode("<|ENDOFTEXT|>") == [49407]
    assert shipped_tokenizer().encode("!<|endoftext|>") == [256, 49407]
    assert 49407 not in shipped_tokenizer().encode("!<|ENDOFTEXT|>")


def test_pieces_are_what_tokens_stand_for() -> None:
    tokenizer = shipped_tokenizer()
    assert [tokenizer.piece(token) for token in tokenizer.encode("A cat, “日” don't")] == [
        *["a", "cat", ",", '"', "日", '"', "don", "'t"]
    ]
    assert tokenizer.piece(tokenizer.encode("本")[0]) == "�"
    assert tokenizer.piece(999_999) == ""


def test_each_digit_is_a_token_of_its_own() -> None:
    digits = shipped_tokenizer().encode("2024")
    assert digits == [token for digit in "2024" for token in shipped_tokenizer().encode(digit)]


def test_a_lone_surrogate_is_no_error() -> None:
    assert shipped_tokenizer().encode("a \ud83d") == [320, *shipped_tokenizer().encode("\ufffd")]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["a", "😀", "é", "日", "Ã©", "&amp;", "'s", "a ", "\u200d", "<|endoftext|>", "<end_of_text>", "!"]
)
def test_long_prompts_end_soon(unit: str) -> None:
    assert shipped_tokenizer().encode(unit * (100_000 // len(unit)))
    assert shipped_open_clip_tokenizer().encode(unit * (100_000 // len(unit)))


def test_reads_a_folder_as_transformers_writes_it(folder: Path) -> None:
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")  # escaped, with blanks
    merges = (folder / "merges.txt").read_bytes().replace(b"\n", b"\r\n")
    (folder / "merges.txt").write_bytes(merges)
    text = "a “big” CAT's 日本語, 😀"
    assert ClipTokenizer.from_folder(folder).encode(text) == shipped_tokenizer().encode(text)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.json", None),
        ("vocab.json", "[1, 2]"),
        ("vocab.json", '{"a": "b"}'),
        ("vocab.json", '{"a": 1}'),
        ("vocab.json", "not json"),
        ("merges.txt", None),
        ("merges.txt", "no_merge_here"),
        ("merges.txt", "cat dogdogdog"),
    ],
)
def test_a_damaged_folder_is_named(folder: Path, name: str, content: str | None) -> None:
    file = folder / name
    file.unlink() if content is None else file.write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError, match=str(folder)):
        ClipTokenizer.from_folder(folder)
