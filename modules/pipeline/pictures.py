"""Pictures of requests as images, tensors and latents."""

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules.core.errors import InvalidRequest
from modules.core.parameters import Picture
from modules.families.base import LoadedModel
from modules.imaging.metadata import FORMATS
from modules.pipeline.context import RunContext
from modules.pipeline.vae_fallbacks import with_fallbacks

MAX_PICTURE_PIXELS = 100_000_000


def open_picture(picture: Picture, name: str) -> Image.Image:
    """Return the image of a file that a client sent.

    Args:
        picture: the file.
        name: what to call it in messages.

    Raises:
        InvalidRequest: it is no picture, damaged, or absurdly large.
    """
    try:
        image = Image.open(io.BytesIO(picture.data), formats=FORMATS)
        if image.width * image.height > MAX_PICTURE_PIXELS:
            raise InvalidRequest(
                f"{name} has {image.width}×{image.height} px; {MAX_PICTURE_PIXELS // 10**6} megapixels are the limit. "
                "Send a smaller one."
            )
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InvalidRequest(
            f"{name} is no picture that can be read: {error}. Send a PNG, JPEG or WebP file."
        ) from error
    return image


def to_tensor(pictures: Sequence[Image.Image], model: LoadedModel) -> Tensor:
    """Return RGB pictures of one size as [N,3,H,W] in -1..1 on the model's device."""
    stacked = np.stack([np.asarray(picture) for picture in pictures]).astype(np.float32) / 255.0
    return torch.tensor(np.moveaxis(stacked, -1, 1), device=model.device) * 2 - 1


def encode_pictures(context: RunContext, model: LoadedModel, pictures: Tensor) -> Tensor:
    """Return the latents [N,C,H/8,W/8] of pictures [N,3,H,W] in -1..1; encoded one by one, which takes less memory.

    Args:
        context: the job's, which is told of an autoencoder that cannot do it as usual.
        model: for which they are.
        pictures: their sides are multiples of 8 px.

    Raises:
        EaselError: the result would be no numbers; see `with_fallbacks`, also for what else is raised.
    """
    return torch.cat(
        [with_fallbacks(context, model, partial(model.encode, picture[None]), context.token) for picture in pictures]
    )
