import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import Paths, resolve_paths
from modules.storage.localizations import choose_pack, find_packs, language_tag, read_pack

NAMES = ("zh_CN", "de_DE", "Klingon (mine)", "fa_IR")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return resolve_paths(Flags(data_dir=tmp_path))


@pytest.fixture
def write(paths: Paths) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = paths.data / "localizations" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_our_own_pack_and_the_persons_are_found(paths: Paths, write: Callable[[str, str], Path]) -> None:
    own = write("Klingon (mine).json", "{}")
    write("notes.txt", "{}")
    packs = find_packs(paths)
    assert packs["Klingon (mine)"] == (own,)
    assert set(packs) == {"zh_CN", "Klingon (mine)"}


def test_a_persons_words_go_before_ours(paths: Paths, write: Callable[[str, str], Path]) -> None:
    write("zh_CN.json", json.dumps({"Generate": "画!"}))
    pack = read_pack(find_packs(paths)["zh_CN"])
    assert pack["Generate"] == "画!"
    assert pack["Prompt"] == "提示词"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", b'{"Seed": "\xff"}', "[" * 100_000, '{"a":' * 100_000],
    ids=["no JSON", "a list", "no UTF-8", "endless list", "endless object"],
)
def test_a_damaged_file_is_left_out_and_said(
    write: Callable[[str, str | bytes], Path], content: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = write("a.json", '{"Seed": "x"}'), write("b.json", content)
    with caplog.at_level(logging.WARNING):
        assert read_pack([bad, good]) == {"Seed": "x"}
    assert str(bad) in caplog.text


def test_only_texts_and_the_direction_are_taken(write: Callable[[str, str | bytes], Path]) -> None:
    content = {"Seed": "بذر", "Steps": "", "a": 1, "b": None, "c": ["x"], "d": {"e": "f"}, "g": True, "rtl": True}
    assert read_pack([write("fa.json", b"\xef\xbb\xbf" + json.dumps(content).encode())]) == {"Seed": "بذر", "rtl": True}
    assert read_pack([write("no.json", '{"rtl": "yes", "x": "y"}')]) == {"rtl": "yes", "x": "y"}


@pytest.mark.parametrize(
    ("setting", "wishes", "chosen"),
    [
        ("None", "zh-CN", None),
        ("zh_CN", "en", "zh_CN"),
        ("Klingon (mine)", "", "Klingon (mine)"),
        ("../../config", "zh-CN", None),
        ("gone", "zh-CN", None),
        ("Automatic", "", None),
        ("Automatic", "zh-CN,zh;q=0.9,en;q=0.8", "zh_CN"),
        ("Automatic", "zh-Hans-SG", "zh_CN"),
        ("Automatic", "ZH", "zh_CN"),
        ("Automatic", "en-GB,en;q=0.9,zh-CN;q=0.8", None),
        ("Automatic", "en;q=0.2, de;q=0.7, zh;q=0.3", "de_DE"),
        ("Automatic", "fr, de-AT;q=0.5", "de_DE"),
        ("Automatic", "zh;q=0, fr", None),
        ("Automatic", "*, ;;;, zh;q=nonsense, fa", "fa_IR"),
    ],
)
def test_the_pack_is_the_one_that_is_wanted(setting: str, wishes: str, chosen: str | None) -> None:
    assert choose_pack(setting, wishes, NAMES) == chosen


def test_names_tell_the_language() -> None:
    assert language_tag("zh_CN") == "zh-CN"
    assert language_tag("de") == "de"
    assert language_tag("Klingon (mine)") is None
    assert language_tag("None") is None
