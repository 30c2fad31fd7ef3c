"""From latents to pictures."""

from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.pipeline.context import RunContext
from modules.pipeline.vae_fallbacks import with_fallbacks


def to_pixels(decoded: Tensor) -> npt.NDArray[np.uint8]:
    """Convert a decoded picture to 8 bits as A1111 does: clipped, scaled, truncated (not rounded).

    Args:
        decoded: [1, 3, H, W] float, -1..1.

    Returns:
        [H, W, 3], 0..255.
    """
    # In float32 and in this order: another order of the same operations rounds differently at the edge of a level.
    unit = ((decoded[0].float() + 1.0) / 2.0).clamp(0.0, 1.0)
    return (unit.permute(1, 2, 0).cpu().numpy() * np.float32(255.0)).astype(np.uint8)


def decode_picture(context: RunContext, model: LoadedModel, latent: Tensor, token: CancelToken) -> Image.Image:
    """Decode one latent [1, C, h, w] into an RGB picture. Pictures of a batch are decoded one by one, as A1111 does.

    Args:
        context: the job's, which is told of an autoencoder that cannot do it as usual.
        model: that made the latent.
        latent: as samplers make it.
        token: checked where decoding takes long.

    Raises:
        EaselError: the result would be no numbers; see `with_fallbacks`, also for what else is raised.
    """
    return Image.fromarray(to_pixels(with_fallbacks(context, model, partial(model.decode, latent), token)))
