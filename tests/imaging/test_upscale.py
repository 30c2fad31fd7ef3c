import pytest
from PIL import Image

from modules.imaging.upscale import BUILT_IN_UPSCALERS, upscale
from tests.imaging.recorded_pictures import noise_picture


class Model:
    """An upscaler that knows one factor and counts how often it is asked."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.passes = 0

    def __call__(self, image: Image.Image, _factor: float) -> Image.Image:
        self.passes += 1
        return image.resize((image.width * self.factor, image.height * self.factor))


@pytest.mark.parametrize(
    ("own", "wanted", "passes", "side"),
    [(2, 2, 1, 64), (2, 3, 2, 96), (4, 2, 1, 64), (2, 16, 3, 512), (1, 2, 1, 64), (4, 1.4, 1, 40), (2, 1.1, 0, 32)],
)
def test_runs_until_large_enough_at_most_three_times(own: int, wanted: float, passes: int, side: int) -> None:
    model = Model(own)
    assert upscale(noise_picture(32, 32), wanted, model).size == (side, side)
    assert model.passes == passes


def test_a_factor_of_one_runs_once() -> None:
    model = Model(2)
    assert upscale(noise_picture(16, 24), 1, model).size == (16, 24)
    assert model.passes == 1


def test_the_built_in_ones_bear_the_names_of_a1111() -> None:
    assert list(BUILT_IN_UPSCALERS) == ["None", "Lanczos", "Nearest"]
