"""Live previews: the rough, small pictures that are shown while sampling goes on."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.imaging.grid import NEAR_SQUARE, grid_rows, image_grid

MEDIA_TYPE = "image/jpeg"
QUALITY = 90
MAXIMUM_SIDE = 1024  # px; enough for any screen's share of the page


def encode_preview(pictures: NDArray[np.uint8]) -> bytes:
    """Return the unfinished pictures of one batch as one JPEG file of type `MEDIA_TYPE`.

    Args:
        pictures: [B, h, w, 3], 0..255. Usually one pixel per latent element (64 × 64): the page scales it up.
    """
    images = [Image.fromarray(picture) for picture in pictures]
    sheet = image_grid(images, grid_rows(len(images), len(images), NEAR_SQUARE))
    sheet.thumbnail((MAXIMUM_SIDE, MAXIMUM_SIDE))
    file = io.BytesIO()
    # Full colour resolution: halving it (JPEG's default) is plain to see in so small a picture.
    sheet.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()
