import io

import numpy as np
from PIL import Image, JpegImagePlugin

from modules.imaging.preview import encode_preview


def test_a_batch_becomes_one_small_jpeg() -> None:
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200]], dtype=np.uint8)
    pictures = np.broadcast_to(colours[:, None, None, :], (3, 64, 48, 3))
    data = encode_preview(pictures)
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    assert JpegImagePlugin.get_sampling(image) == 0, "colours at full resolution"
    assert image.size == (96, 128)
    shown = np.asarray(image).astype(int)
    for (row, column), colour in zip([(32, 24), (32, 72), (96, 24), (96, 72)], [*colours, (0, 0, 0)], strict=True):
        assert abs(shown[row, column] - colour).max() < 8
    assert len(data) < 5000


def test_many_large_previews_stay_small() -> None:
    image = Image.open(io.BytesIO(encode_preview(np.zeros((16, 512, 256, 3), dtype=np.uint8))))
    assert max(image.size) == 1024
