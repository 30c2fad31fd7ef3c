import json
from pathlib import Path

from modules.library.file_metadata import read_metadata
from tests.safetensors_headers import write_header


def test_texts_that_are_objects_are_given_as_such(tmp_path: Path) -> None:
    texts = {"a": "text", "b": '{"x": {"y": 1}}', "c": "{broken", "d": "[1]", "e": "{" + '"a":{' * 100_000, "f": 5}
    path = write_header(tmp_path / "x.safetensors", texts)
    del texts["f"]
    assert read_metadata(path) == {**texts, "b": {"x": {"y": 1}}}
    assert read_metadata(tmp_path / "gone") == {}


def test_all_of_it_can_be_sent(tmp_path: Path) -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    path = write_header(tmp_path / "x.safetensors", {"a": "half \ud800", "b": deep, "c": '{"x": "\\ud800"}'})
    found = read_metadata(path)
    assert found == {"a": "half ?", "b": deep, "c": '{"x": "\\ud800"}'}
    json.dumps(found, allow_nan=False).encode()
