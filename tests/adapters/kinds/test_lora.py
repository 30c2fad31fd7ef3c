import pytest
import torch

from modules.adapters.kinds.base import Use
from modules.adapters.kinds.lora import Lora
from modules.adapters.weights import changed
from tests.adapters.kinds.comparing import check, drawn, parts


def test_linear_layer() -> None:
    # arXiv:2106.09685, section 4.1: W0 + (alpha / r) · B · A
    up, down = drawn(24, 4), drawn(4, 40)
    lora = Lora.read(parts({"lora_up": up, "lora_down": down}, alpha=2.0))
    check(lora, drawn(24, 40), lambda _: 2 / 4 * up.double() @ down.double())


def test_without_alpha_it_is_not_scaled() -> None:
    up, down = drawn(24, 4), drawn(4, 40)
    check(Lora.read(parts({"lora_up": up, "lora_down": down})), drawn(24, 40), lambda _: up.double() @ down.double())


def test_convolution_is_that_of_both_convolutions_after_each_other() -> None:
    up, down = drawn(12, 3, 1, 1), drawn(3, 8, 3, 3)
    lora = Lora.read(parts({"lora_up": up, "lora_down": down}, alpha=3.0))
    weight, picture = drawn(12, 8, 3, 3), drawn(1, 8, 6, 6).double()
    check(lora, weight, lambda _: torch.einsum("or,rikl->oikl", up[..., 0, 0].double(), down.double()))
    convolved = torch.conv2d(picture, changed(weight.double(), [(lora, Use(strength=0.5))]), padding=1)
    inner = torch.conv2d(torch.conv2d(picture, down.double(), padding=1), up.double())
    assert torch.allclose(convolved, torch.conv2d(picture, weight.double(), padding=1) + 0.5 * inner)


@pytest.mark.parametrize("shape", [(24, 40), (24, 40, 1, 1)])
@pytest.mark.parametrize("stored", [(), (1, 1)])
def test_linear_layer_and_convolution_of_kernel_1_are_the_same(shape: tuple[int, ...], stored: tuple[int, ...]) -> None:
    up, down = drawn(24, 4).reshape(24, 4, *stored), drawn(4, 40).reshape(4, 40, *stored)
    lora = Lora.read(parts({"lora_up": up, "lora_down": down}, alpha=4.0))
    check(lora, drawn(*shape), lambda _: (up.flatten(1).double() @ down.flatten(1).double()).view(shape))


def test_tucker_decomposition_is_that_of_three_convolutions() -> None:
    up, mid, down = drawn(12, 3, 1, 1), drawn(3, 5, 3, 3), drawn(5, 8, 1, 1)
    lora = Lora.read(parts({"lora_up": up, "lora_mid": mid, "lora_down": down}, alpha=2.5))
    weight, picture = drawn(12, 8, 3, 3), drawn(1, 8, 6, 6).double()

    def difference(_: torch.Tensor) -> torch.Tensor:
        return 2.5 / 5 * torch.einsum("or,rskl,si->oikl", *(t.squeeze().double() for t in (up, mid, down)))

    check(lora, weight, difference)
    inner = picture
    for kernel in (down, mid, up):
        inner = torch.conv2d(inner, kernel.double(), padding=kernel.shape[-1] // 2)
    assert torch.allclose(torch.conv2d(picture, difference(picture), padding=1), inner / 2)


def test_first_ranks_alone_keep_the_scale_of_all() -> None:
    up, down, weight = drawn(24, 8), drawn(8, 40), drawn(24, 40)
    lora = Lora.read(parts({"lora_up": up, "lora_down": down}, alpha=4.0))
    some = changed(weight, [(lora, Use(strength=1.0, rank=3))])
    assert torch.allclose(some, weight + 0.5 * up[:, :3] @ down[:3], atol=1e-5)
    assert torch.equal(
        changed(weight, [(lora, Use(strength=1.0, rank=80))]), changed(weight, [(lora, Use(strength=1.0))])
    )


def test_rows_are_those_of_the_whole() -> None:
    lora = Lora.read(parts({"lora_up": drawn(24, 4), "lora_down": drawn(4, 40)}))
    weight, use = drawn(24, 40), Use(strength=0.3)
    assert torch.allclose(
        changed(weight, [(lora, use)])[5:9], changed(weight[5:9], [(lora.rows(5, 9), use)]), atol=1e-6
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {"lora_up": drawn(24, 4)},
        {"lora_up": drawn(24, 4), "lora_down": drawn(5, 40)},
        {"lora_up": drawn(24), "lora_down": drawn(4, 40)},
        {"lora_up": drawn(24, 4, 3, 3), "lora_down": drawn(4, 40, 1, 1)},
        {"lora_up": drawn(24, 4, 1, 1), "lora_mid": drawn(4, 5, 3, 3), "lora_down": drawn(4, 40, 1, 1)},
        {"lora_up": drawn(24, 4, 1, 1), "lora_mid": drawn(4, 4, 3, 3), "lora_down": drawn(4, 40, 3, 3)},
    ],
)
def test_tensors_that_make_no_lora(tensors: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"lora_(up|down|mid)"):
        Lora.read(parts(tensors))


@pytest.mark.parametrize("shape", [(24, 41), (25, 40), (24, 40, 3, 3), (24,)])
def test_other_shapes_do_not_fit(shape: tuple[int, ...]) -> None:
    assert not Lora.read(parts({"lora_up": drawn(24, 4), "lora_down": drawn(4, 40)})).fits(shape)
