from pathlib import Path

from modules.library.file_metadata import read_metadata
from tests.safetensors_headers import write_header


def test_texts_that_are_objects_are_given_as_such(tmp_path: Path) -> None:
    texts = {"a": "text", "b": '{"x": {"y": 1}}', "c": "{broken", "d": "[1]", "e": "{" + '"a":{' * 100_000, "f": 5}
    path = write_header(tmp_path / "x.safetensors", texts)
    del texts["f"]
    assert read_metadata(path) == {**texts, "b": {"x": {"y": 1}}}
    assert read_metadata(tmp_path / "gone") == {}
