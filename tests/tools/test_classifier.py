from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tools.demo_model import classifier
from tools.demo_model.classifier import QUESTIONS, Answers, Classifier, answers_of, as_input, new_network, varied
from tools.demo_model.draw import draw
from tools.demo_model.world import BASICS, Figure, LandscapeScene, ShapeScene, random_scene


def always(answers: Answers) -> Classifier:
    """A classifier whose network gives these answers the highest logits, whatever it sees."""
    logits = torch.cat([torch.tensor([float(each == answers[q]) for each in all_]) for q, all_ in QUESTIONS.items()])

    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return logits.expand(len(images), -1)

    return Classifier(Fixed())


def test_answers_are_named_in_their_order() -> None:
    for place in range(8):
        wanted = {question: answers[place % len(answers)] for question, answers in QUESTIONS.items()}
        pictures = [Image.new("RGB", (40, 20)), Image.new("RGBA", (300, 300))]
        assert always(wanted).read(pictures) == [wanted, wanted]


def test_every_picture_gets_an_answer_in_its_place() -> None:
    reader, random = Classifier(new_network()), Random(0)
    pictures = [draw(random_scene(random, BASICS), 32, 32) for _ in range(70)]  # more than a batch
    together = reader.read(pictures)
    assert together == [reader.read([picture])[0] for picture in pictures]
    assert len({str(answers) for answers in together}) > 1


def test_true_answers_come_from_the_scene() -> None:
    figure = Figure(shape="moon", colour="pink", place="left", size="small")
    assert answers_of(ShapeScene(figures=(figure,), background="brown")) == {
        "colour": "pink",
        "background": "brown",
        "shape": "moon",
        "place": "left",
        "size": "small",
    }


@pytest.mark.parametrize(
    "scene",
    [
        LandscapeScene(land="sea", time="day", place="left", trees=False, seed=1),
        ShapeScene(figures=(Figure(shape="star", colour="red", count=2),), background="blue"),
        ShapeScene(figures=(Figure(shape="star", colour="red"),) * 2, background="blue"),
    ],
)
def test_other_scenes_are_refused(scene: ShapeScene | LandscapeScene) -> None:
    with pytest.raises(ValueError, match="one shape"):
        answers_of(scene)


def test_variations_are_small_and_reproducible() -> None:
    scene = ShapeScene(figures=(Figure(shape="circle", colour="red"),), background="blue")
    images = as_input(draw(scene, 64, 64)).expand(16, -1, -1, -1)
    first, again = (varied(images, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 255
    means = first.mean((2, 3))
    assert (means - images.float().mean((2, 3))).abs().max() < 30
    assert not torch.equal(first[0], first[1])


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of two steps."""
    monkeypatch.setattr(classifier, "STEPS", 2)
    monkeypatch.setattr(classifier, "PICTURES", 8)


@pytest.mark.usefixtures("short")
def test_training_is_reproducible_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for folder in files:
        classifier.trained_classifier(folder)
        assert [file.name for file in folder.iterdir()] == ["classifier.pt"]
    one, two = (torch.load(folder / "classifier.pt", weights_only=True) for folder in files)
    assert one["seed"] == classifier.SEED
    assert all(torch.equal(one["weights"][name], two["weights"][name]) for name in one["weights"])
    assert any(not torch.equal(one["weights"][name], fresh) for name, fresh in new_network().state_dict().items())

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(classifier, "train", refuse)
    classifier.trained_classifier(files[0])


@pytest.mark.usefixtures("short")
def test_another_recipe_means_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier.trained_classifier(tmp_path)
    before = torch.load(tmp_path / "classifier.pt", weights_only=True)["recipe"]
    monkeypatch.setattr("tools.demo_model.draw.RADIUS", {"small": 0.1, "large": 0.2})
    classifier.trained_classifier(tmp_path)
    assert torch.load(tmp_path / "classifier.pt", weights_only=True)["recipe"] != before


def test_accuracy_compares_with_the_scenes() -> None:
    reader = always({question: answers[0] for question, answers in QUESTIONS.items()})
    shares = classifier.accuracy(reader, count=300, seed="test")
    assert {question: share.count for question, share in shares.items()} == dict.fromkeys(QUESTIONS, 300)
    for question, share in shares.items():
        assert share.share == pytest.approx(1 / len(QUESTIONS[question]), abs=0.07)
