"""A small network that looks at a picture of one shape before a background, and says what it sees.

It judges the demo model, so it knows nothing of it: it learns from drawn pictures alone, of a seed of its own. Some are
made a little soft or noisy and all are shifted a little in place, size and colour, so that a picture is not misread for
being generated; what it shows must still be recognised.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor
from tqdm import tqdm

from modules.core.paths import PROJECT_ROOT
from tools.demo_model.draw import draw
from tools.demo_model.proportions import Proportion
from tools.demo_model.training import Plan, Training
from tools.demo_model.world import BASICS, COLOURS, PLACES, SHAPES, SIZES, LandscapeScene, Scene, random_scene

Answers = dict[str, str]
"""What a picture shows: answers to (some of) the questions."""

QUESTIONS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "background": tuple(COLOURS),
    "shape": SHAPES,
    "place": PLACES,
    "size": SIZES,
}
"""What can be asked about a picture, and all answers."""

FOLDER = PROJECT_ROOT / "tmp" / "demo-model"
VERSION = 1  # of the recipe; what is drawn is checked besides
SEED = "classifier 1"  # the generator's pictures come from "pictures …" and "scenes …"
HELD_OUT = "held out 1"
STEPS, BATCH = 2500, 64
PICTURES = 12000
SIDE = 64  # px, of what the network sees
SCALES = ((64, 64), (96, 96), (96, 96), (128, 128), (144, 96), (96, 144), (192, 192))  # width and height, px

SOFT, SOFTEST = 0.5, 0.012  # part of the pictures that are blurred; radius as a part of the shorter side
COMPRESSED, WORST_QUALITY = 0.3, 40  # part of the pictures that were JPEGs
ZOOM, SHIFT = 0.08, 0.04  # largest changes of size and place
GAIN, OFFSET, NOISE = 0.04, 0.025, 0.025  # of colours in 0..1: largest changes, largest standard deviation


def answers_of(scene: Scene) -> Answers:
    """Return the true answers about a scene of one shape.

    Raises:
        ValueError: it is another kind of scene.
    """
    if isinstance(scene, LandscapeScene) or len(scene.figures) != 1 or scene.figures[0].count != 1:
        raise ValueError(f"Not one shape before a background: {scene}.")
    figure = scene.figures[0]
    return {
        "colour": figure.colour,
        "background": scene.background,
        "shape": figure.shape,
        "place": figure.place,
        "size": figure.size,
    }


class Classifier:
    """Reads pictures."""

    def __init__(self, network: nn.Module) -> None:
        """Take a network of `new_network`, trained."""
        self._network = network.eval()

    @torch.inference_mode()
    def read(self, pictures: Sequence[Image.Image]) -> list[Answers]:
        """Return the likeliest answers to all questions about each picture, which may be of any size."""
        readings = list[Answers]()
        for start in range(0, len(pictures), BATCH):
            images = torch.stack([as_input(picture) for picture in pictures[start : start + BATCH]])
            likeliest = torch.stack([part.argmax(1) for part in _split(self._network(_normalised(images)))], dim=1)
            readings += [
                {
                    question: answers[int(index)]
                    for (question, answers), index in zip(QUESTIONS.items(), row, strict=True)
                }
                for row in likeliest
            ]
        return readings


def trained_classifier(folder: Path = FOLDER) -> Classifier:
    """Return the classifier that `folder` keeps; it is trained first if it is not there or the recipe has changed."""
    recipe = _recipe()
    file = folder / "classifier.pt"
    network = new_network()
    saved: dict[str, object] = torch.load(file, weights_only=True) if file.exists() else {}
    if saved.get("recipe") == recipe:
        network.load_state_dict(saved["weights"])  # pyright: ignore[reportArgumentType]  # as written below
        return Classifier(network)
    state = folder / f"classifier-{recipe[:8]}.state"
    train(network, state, steps=STEPS, pictures=PICTURES)
    unfinished = file.with_suffix(".unfinished")
    torch.save({"recipe": recipe, "version": VERSION, "seed": SEED, "weights": network.state_dict()}, unfinished)
    unfinished.replace(file)
    state.unlink()
    return Classifier(network)


def accuracy(
    classifier: Classifier, *, count: int, seed: str = HELD_OUT, spoiled: bool = False
) -> dict[str, Proportion]:
    """Return how often the classifier is right about drawn pictures of a seed that it was not trained on.

    Args:
        classifier: to be judged.
        count: of the pictures, which are 128×128 px.
        seed: of the scenes.
        spoiled: whether some of the pictures are blurred and compressed, as in training.
    """
    random = Random(seed)
    scenes = [random_scene(random, BASICS) for _ in range(count)]
    pictures = [draw(scene, 128, 128) for scene in tqdm(scenes, desc="held-out pictures", mininterval=5)]
    if spoiled:
        pictures = [_spoiled(picture, random) for picture in pictures]
    pairs = list(zip(map(answers_of, scenes), classifier.read(pictures), strict=True))
    return {question: Proportion.of(true[question] == seen[question] for true, seen in pairs) for question in QUESTIONS}


# -- the network and its training


def new_network() -> nn.Sequential:
    """Return the network: RGB [B, 3, 64, 64] in -1..1 → the logits of all answers [B, 33], always the same at first.

    There is no normalisation, which would hide how bright a plain picture is.
    """
    outputs = sum(len(answers) for answers in QUESTIONS.values())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(VERSION)
        network = nn.Sequential(
            *(nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.SiLU()),
            *(nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.SiLU()),
            *(nn.Conv2d(48, 64, 3, stride=2, padding=1), nn.SiLU()),
            *(nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.SiLU()),
            *(nn.Flatten(), nn.Linear(96 * 4 * 4, 160), nn.SiLU()),
            nn.Linear(160, outputs),
        )
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
    return network


def train(network: nn.Module, state: Path, *, steps: int, pictures: int) -> None:
    """Train on drawn pictures, or go on with it.

    Args:
        network: of `new_network`.
        state: file that keeps the state of the training.
        steps: in all.
        pictures: how many different ones are drawn.
    """
    training = Training({"classifier": network}, Plan(steps=steps, learning_rate=2e-3, decay=0.99), state)
    if training.step < steps:
        images, targets = _drawn(pictures)

        def loss_of_step(step: int) -> Tensor:
            generator = torch.Generator().manual_seed(step)
            chosen = torch.randint(len(images), (BATCH,), generator=generator)
            parts = _split(network(_normalised(varied(images[chosen], generator))))
            losses = [F.cross_entropy(part, target) for part, target in zip(parts, targets[chosen].T, strict=True)]
            return torch.stack(losses).sum()

        training.run(loss_of_step, title="classifier")
    training.load_averages()


def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures [B, 3, h, w] of 0..255 a little moved, scaled, recoloured and noisy, as floats of that range."""
    count = len(images)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * 2 - 1

    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = 1 + ZOOM * drawn()
    transform[:, :, 2] = 2 * SHIFT * drawn(2)  # the picture is 2 wide
    grid = F.affine_grid(transform, list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    coloured = moved * (1 + GAIN * drawn(3, 1, 1)) + 255 * OFFSET * drawn(3, 1, 1)
    strength = 255 * NOISE * drawn(1, 1, 1).clamp(min=0)  # half of the pictures stay clean
    return (coloured + strength * torch.randn(images.shape, generator=generator)).clamp(0, 255)


def as_input(picture: Image.Image) -> Tensor:
    """Return a picture of any size as the network sees it: uint8 [3, 64, 64]."""
    return pil_to_tensor(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _drawn(count: int) -> tuple[Tensor, Tensor]:
    """Draw training pictures: uint8 [N, 3, 64, 64], and the indices of the true answers [N, questions]."""
    random = Random(SEED)
    images, targets = list[Tensor](), list[list[int]]()
    for _ in tqdm(range(count), desc="pictures for the classifier", mininterval=5, disable=count < BATCH):
        scene = random_scene(random, BASICS)
        images.append(as_input(_spoiled(draw(scene, *random.choice(SCALES)), random)))
        true = answers_of(scene)
        targets.append([answers.index(true[question]) for question, answers in QUESTIONS.items()])
    return torch.stack(images), torch.tensor(targets)


def _spoiled(picture: Image.Image, random: Random) -> Image.Image:
    """Perhaps blur a picture, and perhaps compress it."""
    if random.random() < SOFT:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0, SOFTEST) * min(picture.size)))
    if random.random() < COMPRESSED:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=random.randint(WORST_QUALITY, 95))
        picture = Image.open(file)
    return picture


def _normalised(images: Tensor) -> Tensor:
    """0..255 → -1..1, in the memory format that convolutions are fast in."""
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _split(logits: Tensor) -> Sequence[Tensor]:
    """The logits of all answers [B, 33] by question."""
    return logits.split([len(answers) for answers in QUESTIONS.values()], dim=1)


def _recipe() -> str:
    """Return a digest of what the training depends on, the look of the drawn pictures included."""
    images, targets = _drawn(8)
    digest = hashlib.sha256(f"{VERSION} {SEED} {STEPS} {BATCH} {PICTURES} {QUESTIONS} {new_network()}".encode())
    digest.update(images.numpy().tobytes())
    digest.update(targets.numpy().tobytes())
    return digest.hexdigest()
