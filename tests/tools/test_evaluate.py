import sys
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from tests.tiny_checkpoint import write_tiny_sd1
from tools.demo_model import evaluate
from tools.demo_model.classifier import QUESTIONS, Answers, Classifier, answers_of, new_network
from tools.demo_model.draw import draw
from tools.demo_model.evaluate import read_colours, said, score, tasks
from tools.demo_model.world import BASICS, random_scene

SCENE: Answers = {"colour": "red", "background": "blue", "shape": "circle", "place": "center", "size": "large"}


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("a huge red disc in the centre on a blue background", {"colour", "background", "shape", "place", "size"}),
        ("Blue background, red circle", {"colour", "background", "shape"}),
        ("a circle, centered, on blue, 8k", {"background", "shape", "place"}),
        ("red", {"colour"}),
        ("masterpiece, encircled, largely, bluegreen, redder", set[str]()),
    ],
)
def test_only_what_the_prompt_says_is_asked(prompt: str, asked: set[str]) -> None:
    assert said(prompt, SCENE) == {question: SCENE[question] for question in asked}


def test_tasks_name_colours_and_shape_and_repeat_with_the_seed() -> None:
    wanted = tasks(1, 40)
    assert wanted == tasks(1, 40)
    assert wanted[0] != tasks(2, 1)[0]
    assert all({"colour", "background", "shape"} <= set(task.asked) for task in wanted)
    assert {"place", "size"} <= {question for task in wanted for question in task.asked}
    assert all(task.asked["colour"] in task.prompt.lower() for task in wanted)
    assert len({task.seed for task in wanted}) == 40


def drawn(count: int) -> list[Answers]:
    random = Random("score")
    return [answers_of(random_scene(random, BASICS)) for _ in range(count)]


def test_pictures_as_asked_score_all_and_shuffled_prompts_score_chance() -> None:
    asked = drawn(400)
    scores = score(asked, asked, asked)
    assert {share.share for share in scores.right.values()} == {1}
    assert scores.all_right.share == 1
    assert {share.share for share in scores.pixels.values()} == {1}
    for question, answers in QUESTIONS.items():
        assert scores.shuffled[question] == pytest.approx(1 / len(answers), abs=0.02)


def test_pictures_of_other_prompts_score_chance() -> None:
    asked = drawn(400)
    scores = score(asked, asked[1:] + asked[:1], asked)
    for question, answers in QUESTIONS.items():
        assert scores.right[question].share == pytest.approx(1 / len(answers), abs=0.06)


def test_what_was_not_asked_does_not_count() -> None:
    asked = [SCENE, {"colour": "red", "background": "blue", "shape": "star"}]
    seen = [SCENE | {"place": "left", "colour": "pink"}, SCENE]
    scores = score(asked, seen, asked)
    assert (scores.right["place"].hits, scores.right["place"].count) == (0, 1)
    assert (scores.right["size"].hits, scores.right["size"].count) == (1, 1)
    assert (scores.right["colour"].hits, scores.right["shape"].hits) == (1, 1)
    assert scores.all_right.hits == 0
    assert (scores.by_colour["red"][0].hits, scores.by_colour["red"][0].count) == (1, 2)
    assert (scores.by_shape["star"].hits, scores.by_shape["star"].count) == (0, 1)


def test_colours_are_read_from_pixels() -> None:
    random = Random("pixels")
    scene = random_scene(random, BASICS)
    true = answers_of(scene)
    assert read_colours(draw(scene, 64, 64)) == {"colour": true["colour"], "background": true["background"]}
    assert read_colours(Image.new("RGB", (64, 64), (40, 86, 204))) == {"colour": "", "background": "blue"}


def test_the_report_and_the_sheet_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "trained_classifier", lambda: Classifier(new_network()))
    monkeypatch.setattr(evaluate, "HELD_OUT_PICTURES", 4)
    report, sheet = tmp_path / "docs" / "report.md", tmp_path / "docs" / "sheet.png"
    checkpoint = write_tiny_sd1(tmp_path)
    options = f"--seed 1 --count 6 --steps 1 --size 64 --checkpoint {checkpoint} --report {report} --sheet {sheet}"
    monkeypatch.setattr(sys, "argv", ["evaluate", *options.split()])
    sheet.parent.mkdir()
    evaluate.main()
    text = report.read_text(encoding="utf-8")
    assert "| colour of the shape | 6 |" in text
    assert "(sheet.png)" in text
    assert "<!-- end evaluation -->" in text
    assert Image.open(sheet).width > 6 * 160
