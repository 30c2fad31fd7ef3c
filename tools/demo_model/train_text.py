"""Teaches the demo model's text encoder its vocabulary, before the UNet learns to listen to it.

The objective: from every vector of a caption's padding, each property of the scene can be read by a linear layer. So
the words of a caption are bound to each other (which colour is the shape's, which the background's) long before the
UNet's weak signal could teach it. The linear layers are then thrown away.
"""

from pathlib import Path
from random import Random
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.prompting.tokenizer import ClipTokenizer, shipped_tokenizer
from tools.demo_model.captions import caption
from tools.demo_model.networks import architecture, new_text_encoder
from tools.demo_model.training import Plan, Training
from tools.demo_model.world import (
    COLOURS,
    LANDS,
    MAX_COUNT,
    PATTERNS,
    PLACES,
    SHAPES,
    SIZES,
    STYLES,
    TIMES,
    LandscapeScene,
    Scene,
    random_scene,
)

BATCH = 64
TOKENS = 77
POSITIONS = 6  # of the padding that a step looks at, per caption

ANSWERS: dict[str, tuple[str, ...]] = {
    "kind": ("one", "row", "pair", "landscape"),
    "count": tuple(str(count + 1) for count in range(MAX_COUNT)),
    "background": tuple(COLOURS),
    "pattern": PATTERNS,
    "style": STYLES,
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "size": SIZES,
    "place": PLACES,
    "shape of the second": SHAPES,
    "colour of the second": tuple(COLOURS),
    "size of the second": SIZES,
    "land": LANDS,
    "time": TIMES,
    "trees": ("False", "True"),
    "place of the light": PLACES,
}
"""What can be asked about a scene, and the answers. Not every question makes sense for every scene."""

NOT_ASKED = -100


def properties(scene: Scene) -> dict[str, str]:
    """Return the answers to the questions of `ANSWERS` that make sense for `scene`."""
    if isinstance(scene, LandscapeScene):
        return {
            "kind": "landscape",
            "land": scene.land,
            "time": scene.time,
            "trees": str(scene.trees),
            "place of the light": scene.place,
        }
    first = scene.figures[0]
    answers = {
        "kind": "pair" if len(scene.figures) == 2 else "row" if first.count > 1 else "one",
        "count": str(first.count),
        "background": scene.background,
        "pattern": scene.pattern,
        "style": scene.style,
        "shape": first.shape,
        "colour": first.colour,
        "size": first.size,
        "place": first.place,
    }
    if len(scene.figures) == 2:
        second = scene.figures[1]
        answers |= {
            "shape of the second": second.shape,
            "colour of the second": second.colour,
            "size of the second": second.size,
        }
    return answers


def tokenize(texts: list[str], tokenizer: ClipTokenizer) -> Tensor:
    """Return int64 [N, 77]: start, text, end and padding; what is too long is cut off."""
    rows = torch.full((len(texts), TOKENS), tokenizer.pad_id)
    rows[:, 0] = tokenizer.start_id
    for row, text in zip(rows, texts, strict=True):
        ids = tokenizer.encode(text)[: TOKENS - 2]
        row[1 : 1 + len(ids)] = torch.tensor(ids)
        row[1 + len(ids)] = tokenizer.end_id
    return rows


def train(folder: Path, *, seed: int, steps: int, device: torch.device) -> CLIPTextModel:
    """Train, or go on with it, and return the text encoder."""
    encoder = new_text_encoder(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        readers = nn.Linear(architecture().texts[0].hidden_size, sum(len(answers) for answers in ANSWERS.values()))
    tokenizer = shipped_tokenizer()
    for network in (encoder, readers):
        cast("nn.Module", network).to(device)
    training = Training(
        {"text": encoder, "readers": readers}, Plan(steps=steps, learning_rate=2e-3, decay=0.99), folder / "text.pt"
    )

    def loss_of_step(step: int) -> Tensor:
        random = Random(f"text {seed} {step}")
        scenes = [random_scene(random) for _ in range(BATCH)]
        tokens = tokenize([caption(scene, random) for scene in scenes], tokenizer)
        vectors = encoder(tokens.to(device)).last_hidden_state
        # Which of the 77 vectors a UNet will listen to is not known: all from the end of the text must know everything.
        first = (tokens == tokenizer.end_id).int().argmax(1)
        where = torch.tensor([[random.randint(int(end), TOKENS - 1) for _ in range(POSITIONS)] for end in first])
        where = where[..., None].expand(-1, -1, vectors.shape[-1]).to(device)
        read = readers(vectors.gather(1, where))
        return _surprise(read, scenes)

    training.run(loss_of_step, title="text encoder")
    training.load_averages()
    return encoder


def _surprise(read: Tensor, scenes: list[Scene]) -> Tensor:
    """The mean cross-entropy of the answers that `read` [B, P, all answers] gives about the scenes."""
    known = [properties(scene) for scene in scenes]
    losses = list[Tensor]()
    parts = read.split([len(answers) for answers in ANSWERS.values()], dim=-1)
    for (question, answers), part in zip(ANSWERS.items(), parts, strict=True):
        right = [answers.index(each[question]) if question in each else NOT_ASKED for each in known]
        target = torch.tensor(right, device=part.device)[:, None].expand(part.shape[:2])
        losses.append(F.cross_entropy(part.flatten(0, 1), target.flatten(), ignore_index=NOT_ASKED, reduction="sum"))
    return torch.stack(losses).sum() / read.shape[:2].numel()
