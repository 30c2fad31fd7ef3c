"""Checkpoints of SD 2.x and SDXL in every form, with a yaml and without."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from modules.conditioning.conditioning import stack
from modules.core.errors import ModelFileError
from modules.families.architecture import TransformerDepths
from modules.families.base import LoadedModel
from modules.loading.single_file import open_single_file
from modules.sampling.prediction import Epsilon, Velocity
from tests.checkpoint_variants import write_ckpt
from tests.families import by_hand
from tests.families.by_hand import load
from tests.family_folders import Folder, Tensors, as_tensors, sd2_folder, sdxl_folder
from tests.recorded_checkpoint import (
    SD1_YAML,
    SD2_V_YAML,
    XL_OPEN_CLIP,
    XL_VECTOR,
    XL_YAML,
    Arrays,
    recorded_sd1,
    recorded_sd2_v,
    recorded_sdxl,
    write_recorded,
)
from tests.recorded_weights import TEXT_WIDTH, UNET, UNetPlan, Weights, draw_open_clip, draw_unet, draw_vae

REFINER_VECTOR = TEXT_WIDTH + 5 * 256


@pytest.fixture(scope="module")
def sd2() -> Arrays:
    return recorded_sd2_v()


@pytest.fixture(scope="module")
def sdxl() -> Arrays:
    return recorded_sdxl()


@pytest.fixture(scope="module")
def refiner() -> Arrays:
    weights = Weights("refiner/")
    plan = UNetPlan(multipliers=(1, 2, 4), depths={1: 1, 2: 2}, vector=REFINER_VECTOR, linear=True)
    draw_unet(weights, plan)
    draw_vae(weights)
    draw_open_clip(weights, "conditioner.embedders.0.model.")
    return {name: tensor.astype("float16") for name, tensor in weights.items()}


def refiner_yaml() -> str:
    clip = XL_YAML.index("          - is_trainable: False\n            input_key: txt\n")
    open_clip = XL_YAML.index("          - is_trainable: False\n            input_key: txt\n", clip + 1)
    changed = XL_YAML[:clip] + XL_YAML[open_clip:]
    changed = changed.replace("target_size_as_tuple", "aesthetic_score").replace("context_dim: 128", "context_dim: 64")
    return changed.replace(f"adm_in_channels: {XL_VECTOR}", f"adm_in_channels: {REFINER_VECTOR}")


@torch.inference_mode()
def outputs(model: LoadedModel) -> list[Tensor]:
    """What the networks give for fixed inputs."""
    told = stack([said.at(0) for said in by_hand.told(model, "a (red:1.2) cat", "x", size=192)])
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    predicted = model.predict(x, torch.tensor([321.5, 999.0]), told)
    return [told.cross_attention, *([] if told.vector is None else [told.vector]), predicted, model.decode(x[:1])]


def assert_same(one: LoadedModel, other: LoadedModel) -> None:
    assert one.family is other.family
    assert type(one.prediction) is type(other.prediction)
    assert one.latent_format == other.latent_format
    for ours, theirs in zip(outputs(one), outputs(other), strict=True):
        assert torch.isfinite(ours).all()
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "config", "as_folder"), [("sd2", SD2_V_YAML, sd2_folder), ("sdxl", XL_YAML, sdxl_folder)]
)
def test_all_forms_give_the_same_to_the_bit(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, config: str, as_folder: Callable[[Tensors], Folder]
) -> None:
    arrays: Arrays = request.getfixturevalue(kind)
    path = write_recorded(tmp_path / "one.safetensors", arrays, config)
    model = load(path)
    ckpt = write_ckpt(tmp_path / "one.ckpt", as_tensors(arrays))
    assert_same(model, load(ckpt))
    assert_same(model, load(as_folder(as_tensors(arrays)).write(tmp_path / "folder"), with_yaml=False))


def test_sd2(tmp_path: Path, sd2: Arrays) -> None:
    model = load(write_recorded(tmp_path / "two.safetensors", sd2, SD2_V_YAML))
    assert model.family.name == "SD 2.x"
    assert isinstance(model.prediction, Velocity)
    assert model.extra_channels is None


def test_sd_turbo_is_sd2_in_the_layout_of_sdxl(tmp_path: Path, sd2: Arrays) -> None:
    turbo = {name.replace("cond_stage_model.", "conditioner.embedders.0."): array for name, array in sd2.items()}
    path = write_recorded(tmp_path / "two.safetensors", sd2, SD2_V_YAML)
    assert_same(load(path), load(write_recorded(tmp_path / "turbo.safetensors", turbo, SD2_V_YAML)))


def test_sdxl(tmp_path: Path, sdxl: Arrays) -> None:
    model = load(write_recorded(tmp_path / "xl.safetensors", sdxl, XL_YAML))
    assert model.family.name == "SDXL"
    assert isinstance(model.prediction, Epsilon)
    assert model.latent_format.scale == 0.13025
    assert not model.zero_terminal_snr


def test_the_refiner(tmp_path: Path, refiner: Arrays) -> None:
    model = load(write_recorded(tmp_path / "refiner.safetensors", refiner, refiner_yaml()))
    assert model.family.name == "SDXL refiner"
    said, vector, *_ = outputs(model)
    assert (said.shape, vector.shape) == ((2, 77, TEXT_WIDTH), (2, REFINER_VECTOR))


def test_a_folder_of_the_refiner(tmp_path: Path, refiner: Arrays) -> None:
    both = as_tensors(refiner | {name.replace(".0.", ".1.", 1): refiner[name] for name in refiner if "embed" in name})
    folder = sdxl_folder(both)
    parts = {name: part for name, part in folder.parts.items() if name != "text_encoder"}
    parts["unet"].config.update(
        cross_attention_dim=[TEXT_WIDTH] * 3, projection_class_embeddings_input_dim=REFINER_VECTOR
    )
    index = {"text_encoder": [None, None], "requires_aesthetics_score": True}
    written = Folder(parts=parts, scheduler=folder.scheduler, index=index).write(tmp_path / "folder")
    path = write_recorded(tmp_path / "refiner.safetensors", refiner, refiner_yaml())
    assert_same(load(path), load(written, with_yaml=False))


# Without a yaml


def test_weights_tell_the_sizes_of_sd2(tmp_path: Path, sd2: Arrays) -> None:
    path = write_recorded(tmp_path / "two.safetensors", sd2, SD2_V_YAML)
    told, found = (open_single_file(path, config).architecture for config in (path.with_suffix(".yaml"), None))
    assert (found.vae, found.unet.depths, found.unet.widths) == (told.vae, told.unet.depths, told.unet.widths)
    assert (found.unet.context_dim, found.unet.linear_projection, found.unet.vector_dim) == (64, True, None)
    assert found.unet.heads == (1, 1, 2, 2)  # heads of SD 2.x are 64 wide
    text = found.texts[0]
    assert (text.hidden_size, text.num_hidden_layers, text.layer, text.hidden_act) == (64, 4, 2, "gelu")
    assert found.prediction is None


def test_weights_tell_the_sizes_of_sdxl(tmp_path: Path, sdxl: Arrays) -> None:
    path = write_recorded(tmp_path / "xl.safetensors", sdxl, XL_YAML)
    told, found = (open_single_file(path, config).architecture for config in (path.with_suffix(".yaml"), None))
    assert (found.vae, found.unet.depths, found.unet.widths) == (told.vae, told.unet.depths, told.unet.widths)
    assert (found.unet.context_dim, found.unet.linear_projection, found.unet.vector_dim) == (128, True, XL_VECTOR)
    clip, open_clip = found.texts
    assert (clip.hidden_size, clip.layer, clip.hidden_act) == (64, 2, "quick_gelu")
    assert (open_clip.hidden_size, open_clip.layer, open_clip.hidden_act, open_clip.projection_dim) == (
        64,
        2,
        "gelu",
        64,
    )
    assert found.scale_factor == 0.13025


@pytest.mark.parametrize("kind", ["sd2", "sdxl", "refiner"])
def test_each_family_loads_without_a_yaml(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    path = tmp_path / "alone.safetensors"
    save_file(as_tensors(request.getfixturevalue(kind)), path)
    model = load(path, with_yaml=False)
    assert all(torch.isfinite(output).all() for output in outputs(model))


def test_a_pruned_sdxl(tmp_path: Path, sdxl: Arrays) -> None:
    """As SSD-1B: a middle of one block, transformers of different depths on the way up."""
    gone = ("middle_block.1.", "middle_block.2.", "output_blocks.1.1.transformer_blocks.1.")
    pruned = {name: array for name, array in sdxl.items() if not name.removeprefix(UNET).startswith(gone)}
    path = tmp_path / "pruned.safetensors"
    save_file(as_tensors(pruned), path)
    assert open_single_file(path, None).architecture.unet.depths == TransformerDepths(
        down=((0, 0), (1, 1), (2, 2)), middle=0, up=((2, 1, 2), (1, 1, 1), (0, 0, 0))
    )
    assert all(torch.isfinite(output).all() for output in outputs(load(path, with_yaml=False)))


@pytest.mark.parametrize(
    ("names", "metadata", "predicts_v", "zero_snr"),
    [
        ([], {}, False, False),
        (["v_pred"], {}, True, False),
        (["v_pred", "ztsnr"], {}, True, True),
        ([], {"modelspec.prediction_type": "v"}, True, False),
        ([], {"modelspec.prediction_type": "epsilon"}, False, False),
        ([], {"v_pred": "true", "ztsnr": "1"}, True, True),
        ([], {"v_pred": "false", "ztsnr": "0"}, False, False),
    ],
)
def test_checkpoints_say_how_they_were_trained(
    tmp_path: Path, sdxl: Arrays, names: list[str], metadata: dict[str, str], predicts_v: bool, zero_snr: bool
) -> None:
    path = tmp_path / "said.safetensors"
    save_file(as_tensors(sdxl) | {name: torch.tensor([]) for name in names}, path, metadata=metadata)
    model = load(path, with_yaml=False)
    assert isinstance(model.prediction, Velocity) == predicts_v
    assert model.zero_terminal_snr == zero_snr
    assert model.noise.sigma_max == pytest.approx(4518.8 if zero_snr else 14.6146, rel=1e-4)


@pytest.mark.parametrize("name", ["edm_mean", "edm_vpred.sigma_max"])
def test_continuous_noise_levels_are_refused(tmp_path: Path, sdxl: Arrays, name: str) -> None:
    path = tmp_path / "edm.safetensors"
    save_file(as_tensors(sdxl) | {name: torch.tensor([1.0])}, path)
    assert "noise levels of EDM, which are not supported yet" in refused(path, with_yaml=False)


def test_a_yaml_beside_the_file_knows_better_what_is_predicted(tmp_path: Path, sdxl: Arrays) -> None:
    path = write_recorded(tmp_path / "xl.safetensors", sdxl, XL_YAML.replace(".EpsScaling", ".VScaling"))
    assert isinstance(load(path).prediction, Velocity)
    path = write_recorded(tmp_path / "two.safetensors", recorded_sd2_v(), SD2_V_YAML.replace('"v"', '"eps"'))
    assert isinstance(load(path).prediction, Epsilon)


def test_a_folder_says_that_its_schedule_ends_in_noise(tmp_path: Path, sdxl: Arrays) -> None:
    folder = sdxl_folder(as_tensors(sdxl))
    folder.scheduler.update(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    model = load(folder.write(tmp_path / "folder"), with_yaml=False)
    assert isinstance(model.prediction, Velocity)
    assert model.zero_terminal_snr


# Extra channels


def with_channels(arrays: Arrays, count: int) -> Arrays:
    name = UNET + "input_blocks.0.0.weight"
    return arrays | {name: torch.tensor(arrays[name]).repeat(1, 3, 1, 1)[:, :count].numpy()}


@pytest.mark.parametrize(("channels", "extra"), [(8, "picture"), (9, "mask")])
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_extra_channels(tmp_path: Path, request: pytest.FixtureRequest, kind: str, channels: int, extra: str) -> None:
    arrays = recorded_sd1() if kind == "sd1" else request.getfixturevalue(kind)
    path = tmp_path / "model.safetensors"
    save_file(as_tensors(with_channels(arrays, channels)), path)
    model = load(path, with_yaml=False)
    assert model.extra_channels == extra
    told = by_hand.told(model)[0].at(0).with_concat(torch.zeros(1, channels - 4, 8, 8))
    with torch.inference_mode():
        assert model.predict(torch.randn(1, 4, 8, 8), torch.tensor([5.0]), told).shape == (1, 4, 8, 8)


# Bad input


def refused(path: Path, *, with_yaml: bool = True) -> str:
    with pytest.raises(ModelFileError) as caught:
        load(path, with_yaml=with_yaml)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


def test_the_yaml_of_another_family(tmp_path: Path, sdxl: Arrays) -> None:
    path = write_recorded(tmp_path / "xl.safetensors", sdxl, SD1_YAML)
    assert "describes 1 text encoders, but it is of the kind SDXL, which has 2" in refused(path)


def test_a_network_that_listens_to_something_else(tmp_path: Path, sdxl: Arrays) -> None:
    path = write_recorded(tmp_path / "xl.safetensors", sdxl, XL_YAML.replace("context_dim: 128", "context_dim: 64"))
    assert "told by tokens of 64 numbers" in refused(path)
    text = {name: array for name, array in sdxl.items() if not name.endswith("text_projection")}
    path = tmp_path / "unpooled.safetensors"
    save_file(as_tensors(text), path)
    assert f"a vector of {XL_VECTOR}, but its text encoders make 128 and {6 * 256}" in refused(path, with_yaml=False)


@pytest.mark.parametrize("with_yaml", [False, True])
def test_missing_weights_of_a_text_encoder(tmp_path: Path, sdxl: Arrays, with_yaml: bool) -> None:
    gone = XL_OPEN_CLIP + "transformer.resblocks.1."
    rest = {name: array for name, array in sdxl.items() if not name.startswith(gone)}
    path = write_recorded(tmp_path / "xl.safetensors", rest, XL_YAML)
    message = refused(path, with_yaml=with_yaml)
    assert "lacks weights: encoder.layers.1." in message
    assert " more." in message


def test_unknown_weights_of_a_text_encoder(tmp_path: Path, sdxl: Arrays) -> None:
    odd = sdxl | {XL_OPEN_CLIP + "transformer.resblocks.0.attn.extra": sdxl[XL_OPEN_CLIP + "ln_final.bias"]}
    path = write_recorded(tmp_path / "xl.safetensors", odd, XL_YAML)
    assert "has unknown weights: encoder.layers.0.attn.extra." in refused(path)


def test_a_text_encoder_that_is_no_matrix(tmp_path: Path, sdxl: Arrays) -> None:
    name = XL_OPEN_CLIP + "transformer.resblocks.0.attn.in_proj_weight"
    path = write_recorded(tmp_path / "xl.safetensors", sdxl | {name: sdxl[name][:3]}, XL_YAML)
    assert "does not fit its configuration in the shape of" in refused(path)
