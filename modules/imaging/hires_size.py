"""The sizes of Hires. fix: how large each pass is and what is cut off between them."""

import math
from dataclasses import dataclass

from modules.core.errors import InvalidRequest

LATENT = 8  # px per latent
OLD_PIXELS = 512 * 512
OLD_MULTIPLE = 64  # px


@dataclass(frozen=True, kw_only=True)
class HiresSize:
    """Sizes of the two passes, as A1111 works them out.

    Attributes:
        first_width: px of the first pass.
        first_height: px of the first pass.
        upscaled_width: px to which the first picture is enlarged, in its own shape.
        upscaled_height: px, likewise.
        truncate_x: latents that are cut off the enlarged picture's width.
        truncate_y: latents that are cut off its height.
    """

    first_width: int
    first_height: int
    upscaled_width: int
    upscaled_height: int
    truncate_x: int = 0
    truncate_y: int = 0

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the enlarged latents [h, w] that the second pass works on."""
        return (
            _window(self.upscaled_height // LATENT, self.truncate_y),
            _window(self.upscaled_width // LATENT, self.truncate_x),
        )

    @property
    def final_width(self) -> int:
        """Px of the finished picture."""
        return (self.upscaled_width // LATENT - self.truncate_x) * LATENT

    @property
    def final_height(self) -> int:
        """Px of the finished picture."""
        return (self.upscaled_height // LATENT - self.truncate_y) * LATENT


def hires_size(
    width: int, height: int, *, scale: float = 2.0, resize_width: int = 0, resize_height: int = 0
) -> HiresSize:
    """Return the sizes for “Upscale by”, or for “Resize to” when one of its sides is not 0.

    With one side given the other follows; with both the picture covers the area and the surplus is cut off.

    Args:
        width: px of the first pass.
        height: px of the first pass.
        scale: “Upscale by”.
        resize_width: “Resize width to”, px; 0 to leave it open.
        resize_height: “Resize height to”, px; 0 to leave it open.

    Raises:
        InvalidRequest: the finished picture would have a side of less than 8 px.
    """
    if resize_width == 0 and resize_height == 0:
        upscaled = int(width * scale), int(height * scale)
    elif resize_height == 0 or (resize_width != 0 and width / height < resize_width / resize_height):
        upscaled = resize_width, resize_width * height // width
    else:
        upscaled = resize_height * width // height, resize_height
    size = HiresSize(
        first_width=width,
        first_height=height,
        upscaled_width=upscaled[0],
        upscaled_height=upscaled[1],
        truncate_x=(upscaled[0] - resize_width) // LATENT if resize_width and resize_height else 0,
        truncate_y=(upscaled[1] - resize_height) // LATENT if resize_width and resize_height else 0,
    )
    if size.final_width < LATENT or size.final_height < LATENT:
        raise InvalidRequest(
            f"Hires. fix would make a picture of {size.final_width}×{size.final_height} px: "
            "choose a larger size or factor."
        )
    return size


def old_hires_size(width: int, height: int) -> HiresSize:
    """Return the sizes that the option `use_old_hires_fix_width_height` means.

    `width` and `height` are then those of the finished picture; the first pass has its shape and about 512 × 512 px.
    """
    scale = math.sqrt(OLD_PIXELS / (width * height))
    first_width, first_height = (math.ceil(scale * side / OLD_MULTIPLE) * OLD_MULTIPLE for side in (width, height))
    return hires_size(first_width, first_height, resize_width=width, resize_height=height)


def _window(latents: int, truncate: int) -> slice:
    return slice(truncate // 2, latents - (truncate + 1) // 2)
