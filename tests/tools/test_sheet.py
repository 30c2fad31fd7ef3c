import numpy as np
from PIL import Image

from tools.demo_model.sheet import COLUMNS, PAPER, contact_sheet


def test_all_pictures_with_their_prompts() -> None:
    pictures = [Image.new("RGB", (64, 48), (index, 0, 200)) for index in range(COLUMNS + 1)]
    sheet = np.asarray(contact_sheet(pictures, ["a red circle"] * 8 + ["a blue square " * 5], side=96))
    for index in range(len(pictures)):
        assert (sheet == (index, 0, 200)).all(2).sum() == 96 * 72  # scaled up, not distorted
    below = sheet[-40:, :110]
    assert (below != PAPER).any(), "the last prompt is written"


def test_few_pictures_make_a_narrow_sheet() -> None:
    assert contact_sheet([Image.new("RGB", (32, 32))], ["moon"], side=64).width < 2 * 64
