"""Files are called what A1111 calls them under the same settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.core.settings import Settings
from modules.imaging.save import save_grid
from modules.pipeline.file_naming import grid_stem, subfolder
from modules.pipeline.output import deliver, save_unfinished
from modules.pipeline.prompts import PromptPair
from tests.imaging.recordings import recorded
from tests.imaging.test_file_names import facts_of
from tests.pipeline.test_output import REQUEST, RunningJob

CASES = recorded("file_names")["saved"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_files_are_named_as_recorded(case: dict[str, Any], tmp_path: Path) -> None:
    job = RunningJob(tmp_path, samples_format=case["format"], **case["settings"])
    facts = replace(facts_of({"prompt": "a cat, sitting"}), seed=case["seed"])
    folder = tmp_path / "outputs" / "txt2img-images"
    if case["grid"]:
        settings = Settings(grid_extended_filename=True, **case["settings"])
        save_grid(b"", folder / subfolder(facts, settings, wanted=True), stem=grid_stem(facts, settings))
    elif case["what"]:
        save_unfinished(job.context, REQUEST, facts, "a cat", stage=case["what"])
    else:
        prompts = PromptPair(positive="a cat", negative="")
        deliver(job.context, REQUEST, facts, infotext="a cat", prompts=prompts, seed=5, subseed=0)
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")] == [case["file"]]
