"""However pictures are divided into batches, each is the one that its seeds make alone."""

from functools import cache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modules.core.parameters import HiresFix, Img2Img, Inpaint, Txt2Img
from modules.core.samplers import SAMPLERS, SCHEDULERS
from modules.core.settings import with_changes
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, Pixels, picture, pixels, run
from tests.properties import examples

STEPS_BY_ERROR = "DPM adaptive"
"""Takes steps as long as the error of the whole batch allows, as in k-diffusion. (It takes hundreds of them here.)"""

LABELS = [info.name for info in SAMPLERS if info.name != STEPS_BY_ERROR]

BASE = Txt2Img(
    prompt="a [cat|dog]:1.2 AND a (house:1.3):0.5", negative_prompt="blurry", width=32, height=32, make_grid=False
)
ROUNDING = 1
"""Levels of 255: the rows of a matrix are summed in another order if there are more of them."""

changes = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**32 - 4), "subseed": st.integers(0, 2**32 - 4), "steps": st.integers(2, 4)},
    optional={
        "scheduler": st.sampled_from([info.label for info in SCHEDULERS]),
        "subseed_strength": st.sampled_from([0.3, 1.0]),
        "seed_resize_from_width": st.sampled_from([0, 48, 96]),
        "seed_resize_from_height": st.sampled_from([48, 80]),
        "eta": st.sampled_from([0.0, 0.6]),
        "s_churn": st.just(3.0),
        "cfg_scale": st.sampled_from([1.0, 4.0]),
    },
)
settings = st.fixed_dictionaries(
    {"randn_source": st.sampled_from(["CPU", "GPU", "NV"])},
    optional={"eta_noise_seed_delta": st.just(31337), "s_min_uncond": st.just(3.0)},
)


@cache
def photograph() -> dict[str, Any]:
    """Return the fields of a request that makes a part of a picture anew."""
    image = Image.effect_noise((32, 32), 60).convert("RGB")
    mask = Image.linear_gradient("L").resize((32, 32))
    # "latent noise" as its content would be that of the first batch's seeds for all batches, as in A1111.
    return {"images": (picture(image),), "inpaint": Inpaint(mask=picture(mask), content="fill", round_mask=False)}


def made(runner: PipelineRunner, request: Txt2Img | Img2Img, **changes: Any) -> list[Pixels]:
    result, _ = run(runner, request, with_changes(UNSAVED, changes))
    return [pixels(image.data) for image in result.images]


def alone(request: Txt2Img | Img2Img, number: int) -> Txt2Img | Img2Img:
    """Return the request for one picture of a request; a variation keeps the seed."""
    seed = request.seed if request.subseed_strength else request.seed + number
    return request.model_copy(
        update={"seed": seed, "subseed": request.subseed + number, "batch_size": 1, "batch_count": 1}
    )


@given(
    sampler=st.sampled_from(LABELS),
    kind=st.sampled_from(["txt2img", "hires", "inpaint"]),
    asked=changes,
    chosen=settings,
)
@examples(6, slow=True)
def test_pictures_do_not_depend_on_their_batch(
    runner: PipelineRunner, sampler: str, kind: str, asked: dict[str, Any], chosen: dict[str, Any]
) -> None:
    fields: dict[str, Any] = BASE.model_dump(exclude={"kind", "hires", "first_pass"}) | {"sampler": sampler} | asked
    if kind == "inpaint":
        request = Img2Img(**fields, **photograph())
    else:
        request = Txt2Img(**fields, hires=HiresFix(scale=1.5) if kind == "hires" else None)

    singles = [made(runner, alone(request, number), **chosen)[0] for number in range(2)]
    one_by_one = made(runner, request.model_copy(update={"batch_count": 2}), **chosen)
    together = made(runner, request.model_copy(update={"batch_size": 2}), **chosen)

    assert all(np.array_equal(one, single) for one, single in zip(one_by_one, singles, strict=True))
    assert not np.array_equal(singles[0], singles[1])
    assert all(np.abs(one - single).max() <= ROUNDING for one, single in zip(together, singles, strict=True))
