"""How much of a schedule is run when a picture, not noise, is what begins it."""

from torch import Tensor

from modules.core.errors import InvalidRequest

MAX_STRENGTH = 0.999
MAX_SCHEDULE_STEPS = 100_000


def img2img_steps(steps: int, denoising_strength: float, *, exact: bool) -> tuple[int, int]:
    """Return how long the whole schedule is, and which part of it is run.

    Args:
        steps: steps asked for.
        denoising_strength: 0..1, which part of the noise is added to the picture.
        exact: run as many steps as were asked for, by lengthening the schedule (setting `img2img_fix_steps`; second
            passes of hires. fix do so always). Otherwise only that part of them is run.

    Returns:
        Steps of the schedule, and t_enc: how many of the last ones samplers of timesteps run; samplers of noise levels
        run one more. A strength of 0 with `exact` has a schedule of no steps.

    Raises:
        InvalidRequest: so little of so many steps that the whole schedule would be absurdly long.
    """
    strength = min(denoising_strength, MAX_STRENGTH)
    if not exact:
        return steps, int(strength * steps)
    if steps > strength * MAX_SCHEDULE_STEPS and strength > 0:
        raise InvalidRequest(
            f"A denoising strength of {strength:g} is too small for exactly {steps} steps. Ask for 0 or for more."
        )
    return int(steps / strength) if strength > 0 else 0, steps - 1


def img2img_sigmas(sigmas: Tensor, steps: int, t_enc: int) -> Tensor:
    """Return the part of a schedule of noise levels that is run.

    Args:
        sigmas: the whole schedule, descending.
        steps: its steps, as from `img2img_steps`.
        t_enc: as from `img2img_steps`.
    """
    return sigmas[max(steps - t_enc - 1, 0) :]
