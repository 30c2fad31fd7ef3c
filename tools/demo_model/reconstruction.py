"""How well the demo model's autoencoder brings back drawn pictures that it was not trained on.

usage: python -m tools.demo_model.reconstruction [--seed N] [--count 200] [--checkpoint FILE] [--report FILE]
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor
from tqdm import tqdm

from modules.families.vae import Vae
from modules.pipeline.decode import to_pixels
from tools.demo_model.draw import draw
from tools.demo_model.generate import load
from tools.demo_model.networks import CHECKPOINT
from tools.demo_model.proportions import NORMAL_95
from tools.demo_model.report import REPORT, origin, show, table, write_section
from tools.demo_model.world import random_scene

SIZES = (128, 256)  # px
FLAT = 9  # px: a pixel is flat if the square of this side around it has one colour

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How near one picture came to its original.

    Attributes:
        squared_error: mean over pixels and channels, levels².
        flat_error: sum of the absolute errors over flat pixels and channels, levels.
        flat_values: how many these are.
    """

    squared_error: float
    flat_error: float
    flat_values: int


@torch.inference_mode()
def reconstructed(vae: Vae, picture: Image.Image) -> Image.Image:
    """Encode a picture of whole latent cells to the mean of its posterior, and decode that as the product does."""
    image = (pil_to_tensor(picture)[None] / 127.5 - 1).to(next(vae.module.parameters()).device)
    return Image.fromarray(to_pixels(vae.decode(vae.encode(image))))


def flat_pixels(picture: Image.Image) -> npt.NDArray[np.bool_]:
    """Return where the surroundings (9×9 px, as far as they are in the picture) have one colour: [H, W]."""
    levels = pil_to_tensor(picture)[None].float()
    # max_pool2d pads with −∞, so that what is outside has no say in either of them.
    highest, lowest = (sign * F.max_pool2d(sign * levels, FLAT, stride=1, padding=FLAT // 2) for sign in (1, -1))
    return (highest == lowest).all(1)[0].numpy()


def fidelity(original: Image.Image, copy: Image.Image) -> Fidelity:
    """Compare two RGB pictures of one size."""
    error = np.asarray(copy, np.float64) - np.asarray(original, np.float64)
    flat = np.abs(error[flat_pixels(original)])
    return Fidelity(
        squared_error=float(np.square(error).mean()), flat_error=float(flat.sum()), flat_values=int(flat.size)
    )


def psnr(squared_error: float) -> float:
    """Return the peak signal-to-noise ratio, dB, of 8-bit pictures."""
    return 10 * math.log10(255**2 / squared_error) if squared_error else math.inf


def summary(size: int, results: Sequence[Fidelity]) -> tuple[str, ...]:
    """Return a row of the table: what `results` of pictures of `size` × `size` px say together."""
    ratios = np.array([psnr(result.squared_error) for result in results])
    half = NORMAL_95 * ratios.std(ddof=1) / math.sqrt(len(ratios))
    pooled = psnr(float(np.mean([result.squared_error for result in results])))
    flat = sum(result.flat_error for result in results) / sum(result.flat_values for result in results)
    worst = max(result.flat_error / result.flat_values for result in results if result.flat_values)
    return (
        f"{size}×{size}",
        str(len(results)),
        f"{ratios.mean():.2f} dB (± {half:.2f})",
        f"{ratios.min():.2f} dB",
        f"{pooled:.2f} dB",
        f"{flat:.2f}",
        f"{worst:.2f}",
    )


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200, help="pictures of each size")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, metavar="FILE")
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE")
    args = parser.parse_args()
    vae = load(args.checkpoint).model.vae
    rows = list[Sequence[str]]()
    for size in SIZES:
        random = Random(f"reconstruction {args.seed} {size}")
        originals = (draw(random_scene(random), size, size) for _ in range(args.count))
        results = [
            fidelity(original, reconstructed(vae, original))
            for original in tqdm(originals, desc=f"{size} px", total=args.count, mininterval=5)
        ]
        rows.append(summary(size, results))
    head = (
        "px",
        "pictures",
        "PSNR, mean",
        "PSNR, worst",
        "PSNR of the mean error",
        "flat areas off by",
        "worst picture",
    )
    text = "\n\n".join(
        (
            "## The autoencoder brings pictures back",
            origin("tools.demo_model.reconstruction", sys.argv[1:], args.checkpoint),
            f"Drawn pictures of all kinds, of a seed that no training used (reconstruction {args.seed}); encoded to "
            "the posterior's mean, decoded by the product. Flat areas are pixels whose surroundings of 9×9 px have one "
            "colour in the drawn picture; they are off by so many of 255 levels (mean absolute error).",
            table(head, rows),
        )
    )
    write_section(args.report, "reconstruction", text)
    show(text)


if __name__ == "__main__":
    main()
