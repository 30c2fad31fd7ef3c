import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny_checkpoint import write_tiny_sd1
from tools.demo_model import reconstruction
from tools.demo_model.generate import load
from tools.demo_model.reconstruction import Fidelity, fidelity, flat_pixels, psnr, reconstructed, summary


def test_flat_pixels_have_one_colour_around_them() -> None:
    pixels = np.full((32, 40, 3), 90, np.uint8)
    pixels[:, 20:, 2] = 91
    flat = flat_pixels(Image.fromarray(pixels))
    assert flat.shape == (32, 40)
    assert flat[:, :16].all()
    assert not flat[:, 16:24].any()
    assert flat[:, 24:].all()


def test_errors_are_those_of_the_copy() -> None:
    pixels = np.full((32, 40, 3), 90, np.uint8)
    pixels[:, 20:] = 200
    copy = pixels.astype(np.int16)
    copy[:, :16] -= 5  # flat there
    copy[:, 18:22] += 30  # and not there
    result = fidelity(Image.fromarray(pixels), Image.fromarray(copy.astype(np.uint8)))
    assert result.squared_error == pytest.approx((16 * 25 + 4 * 900) / 40)
    assert result.flat_values == 32 * (16 + 16) * 3
    assert result.flat_error == pytest.approx(32 * 16 * 3 * 5)


def test_psnr_of_known_errors() -> None:
    assert psnr(1) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(255**2) == 0
    assert psnr(0) == math.inf


def test_the_summary_pools_errors_by_their_size() -> None:
    results = [
        Fidelity(squared_error=1, flat_error=100, flat_values=100),
        Fidelity(squared_error=99, flat_error=0, flat_values=300),
    ]
    size, count, mean, worst, pooled, flat, worst_flat = summary(64, results)
    assert (size, count, flat, worst_flat) == ("64×64", "2", "0.25", "1.00")
    assert mean.startswith(f"{(psnr(1) + psnr(99)) / 2:.2f} dB")
    assert worst == f"{psnr(99):.2f} dB"
    assert pooled == f"{psnr(50):.2f} dB"


def test_a_picture_goes_through_encoder_and_decoder(tmp_path: Path) -> None:
    vae = load(write_tiny_sd1(tmp_path)).model.vae
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    first, second = (reconstructed(vae, picture) for picture in pictures)
    assert first.size == (64, 48)
    assert first.tobytes() == reconstructed(vae, pictures[0]).tobytes(), "no noise is added"
    assert first.tobytes() != second.tobytes()


def test_the_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruction, "SIZES", (32, 64))
    report = tmp_path / "report.md"
    options = f"--count 2 --checkpoint {write_tiny_sd1(tmp_path)} --report {report}"
    monkeypatch.setattr(sys, "argv", ["reconstruction", *options.split()])
    reconstruction.main()
    text = report.read_text(encoding="utf-8")
    assert "| 32×32 | 2 |" in text
    assert "| 64×64 | 2 |" in text
    assert "<!-- end reconstruction -->" in text
