"""Whole checkpoints, in every form, good and bad."""

import logging
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError, UnsafeFileError
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from modules.loading.options import LoadOptions
from modules.sampling.prediction import Epsilon, Velocity
from tests.checkpoint_variants import (
    UNET_CONFIG,
    convert_with_diffusers,
    truncate,
    write_ckpt,
    write_diffusers_folder,
    write_malicious_ckpt,
)
from tests.tiny_checkpoint import TEXT, UNET, VAE, YAML, tiny_sd1_tensors, write_tiny_sd1, write_yaml

CPU = torch.device("cpu")
FULL = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
AVERAGED = LoadOptions(averaged=True)
BFLOAT = Precision(network=torch.bfloat16, vae=torch.bfloat16, text=torch.float32)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return tiny_sd1_tensors()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd1(tmp_path_factory.mktemp("models"))


def load(path: Path, config: Path | None = None, precision: Precision = FULL) -> LoadedModel:
    return load_checkpoint(path, config=config, device=CPU, precision=precision)


def save(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file(tensors, path)
    write_yaml(path)
    return path


@torch.inference_mode()
def outputs(model: LoadedModel) -> list[Tensor]:
    """What each of the three networks gives for fixed inputs."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 4, 8, 8, generator=generator)
    told = model.text_encoder.encoders[0].encode(torch.arange(77)[None] * 600, 1).vectors
    predicted = model.predict(x, torch.tensor([321.5]), Conditioning(cross_attention=told))
    return [told, predicted, model.decode(x)]


def assert_same(one: LoadedModel, other: LoadedModel) -> None:
    for ours, theirs in zip(outputs(one), outputs(other), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("precision", [FULL, BFLOAT], ids=["float32", "bfloat16"])
def test_all_forms_give_the_same_to_the_bit(
    tmp_path: Path, checkpoint: Path, tensors: dict[str, Tensor], precision: Precision
) -> None:
    config = checkpoint.with_suffix(".yaml")
    model = load(checkpoint, config, precision)
    assert all(torch.isfinite(output).all() for output in outputs(model))
    assert_same(model, load(write_ckpt(tmp_path / "zip.ckpt", tensors), config, precision))
    assert_same(model, load(write_ckpt(tmp_path / "legacy.ckpt", tensors, legacy=True), config, precision))
    assert_same(model, load(write_diffusers_folder(tmp_path / "folder", tensors), None, precision))
    assert_same(model, load(write_diffusers_folder(tmp_path / "bin", tensors, weights="bin"), None, precision))


@torch.inference_mode()
def test_the_network_is_that_of_diffusers(checkpoint: Path, tensors: dict[str, Tensor]) -> None:
    oracle = UNet2DConditionModel(**{key: value for key, value in UNET_CONFIG.items() if not key.startswith("_")})
    unet, _ = convert_with_diffusers(tensors)
    oracle.load_state_dict({name: tensor.float() for name, tensor in unet.items()})
    model = load(checkpoint, checkpoint.with_suffix(".yaml"))
    x, t, told = torch.randn(2, 4, 16, 8), torch.tensor([999.0, 0.5]), torch.randn(2, 77, 32)
    expected = oracle(x, t, told, return_dict=False)[0]
    assert torch.equal(model.predict(x, t, Conditioning(cross_attention=told)), expected)


def test_without_a_yaml_the_weights_decide(checkpoint: Path) -> None:
    # Only the number of attention heads of the text encoder cannot be seen in the weights of this tiny one.
    _, *ours = outputs_told_the_same(load(checkpoint))
    _, *theirs = outputs_told_the_same(load(checkpoint, checkpoint.with_suffix(".yaml")))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@torch.inference_mode()
def outputs_told_the_same(model: LoadedModel) -> list[Tensor]:
    told = Conditioning(cross_attention=torch.linspace(-1, 1, 77 * 32).view(1, 77, 32))
    x = torch.linspace(-2, 2, 256).view(1, 4, 8, 8)
    return [told.cross_attention, model.predict(x, torch.tensor([10.0]), told), model.decode(x)]


def test_facts_about_the_model(checkpoint: Path) -> None:
    model = load(checkpoint, checkpoint.with_suffix(".yaml"), BFLOAT)
    assert model.family.name == "SD 1.x"
    assert isinstance(model.prediction, Epsilon)
    assert (model.latent_format.scale, model.latent_format.channels, model.latent_format.downscale) == (0.18215, 4, 8)
    assert (model.device, model.dtype) == (CPU, torch.bfloat16)
    assert model.text_encoder.encoders[0].tokenizer.start_id == 49406
    assert (model.extra_channels, model.zero_terminal_snr) == (None, False)


def test_v_prediction_and_scale_factor_come_from_the_yaml(tmp_path: Path, checkpoint: Path) -> None:
    config = write_yaml(tmp_path / "x.safetensors")
    config.write_text(
        YAML.replace("scale_factor: 0.18215", "scale_factor: 0.25\n    parameterization: v"), encoding="utf-8"
    )
    model = load(checkpoint, config)
    assert isinstance(model.prediction, Velocity)
    assert model.latent_format.scale == 0.25


def test_v_prediction_comes_from_a_folders_scheduler(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    folder = write_diffusers_folder(tmp_path / "folder", tensors)
    (folder / "scheduler" / "scheduler_config.json").write_text('{"prediction_type": "v_prediction"}', encoding="utf-8")
    assert isinstance(load(folder).prediction, Velocity)


def test_a_merge_without_text_model_in_its_names(tmp_path: Path, checkpoint: Path, tensors: dict[str, Tensor]) -> None:
    short = {name.replace(TEXT, "cond_stage_model.transformer."): tensor for name, tensor in tensors.items()}
    path = save(tmp_path / "merge.safetensors", short)
    assert_same(load(path, path.with_suffix(".yaml")), load(checkpoint, checkpoint.with_suffix(".yaml")))


def averages(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "model_ema.diffusion_model" + name.removeprefix(UNET).replace(".", ""): tensor * 0
        for name, tensor in tensors.items()
        if name.startswith(UNET)
    }


@pytest.mark.parametrize("with_yaml", [False, True])
def test_averaged_weights_are_used_if_that_is_wished(
    tmp_path: Path, checkpoint: Path, tensors: dict[str, Tensor], with_yaml: bool
) -> None:
    path = save(tmp_path / "full.safetensors", tensors | averages(tensors))
    plain = load_checkpoint(checkpoint, config=None, device=CPU, precision=FULL, options=AVERAGED)
    assert_weights(plain, tensors)
    config = path.with_suffix(".yaml") if with_yaml else None
    assert_weights(load(path, config), tensors)
    averaged = load_checkpoint(path, config=config, device=CPU, precision=FULL, options=AVERAGED)
    assert all(parameter.abs().sum() == 0 for parameter in averaged.network.parameters())
    assert_same_but_for_network(averaged, plain)


def assert_weights(model: LoadedModel, tensors: dict[str, Tensor]) -> None:
    assert torch.equal(model.network.state_dict()["conv_out.weight"], tensors[UNET + "out.2.weight"].float())


def assert_same_but_for_network(one: LoadedModel, other: LoadedModel) -> None:
    for name, tensor in one.vae.module.state_dict().items():
        assert torch.equal(tensor, other.vae.module.state_dict()[name])


def test_an_average_that_lacks_weights_is_refused(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    half = {name: tensor for name, tensor in averages(tensors).items() if "output_blocks4" not in name}
    path = save(tmp_path / "full.safetensors", tensors | half)
    with pytest.raises(ModelFileError, match=r"The network of “full\.safetensors” lacks weights: output_blocks\.4"):
        load_checkpoint(path, config=None, device=CPU, precision=FULL, options=AVERAGED)


@pytest.mark.parametrize("with_yaml", [False, True])
def test_averaged_weights_are_used_when_there_are_no_others(
    tmp_path: Path, tensors: dict[str, Tensor], with_yaml: bool
) -> None:
    plain = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNET)}
    path = save(tmp_path / "ema.safetensors", plain | averages(tensors))
    model = load(path, path.with_suffix(".yaml") if with_yaml else None)
    assert all(parameter.abs().sum() == 0 for parameter in model.network.parameters())


def test_attention_of_the_first_diffusers_versions(
    tmp_path: Path, checkpoint: Path, tensors: dict[str, Tensor]
) -> None:
    folder = write_diffusers_folder(tmp_path / "folder", tensors)
    _, vae = convert_with_diffusers(tensors)
    old_names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    old = dict[str, Tensor]()
    for name, tensor in vae.items():
        new, before = next((pair for pair in old_names.items() if pair[0] in name), ("", ""))
        old[name.replace(new, before) if new else name] = tensor.contiguous()
    assert old.keys() != vae.keys()
    save_file(old, folder / "vae" / "diffusion_pytorch_model.safetensors")
    assert_same(load(folder), load(checkpoint, checkpoint.with_suffix(".yaml")))


def test_a_wrong_ending_loads_with_a_warning(
    tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tiny.ckpt"
    path.write_bytes(checkpoint.read_bytes())
    with caplog.at_level(logging.WARNING):
        load(path, checkpoint.with_suffix(".yaml"))
    assert "“tiny.ckpt” is a safetensors file in spite of its ending" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_an_accelerator_the_outputs_are_about_the_same(checkpoint: Path) -> None:
    half = Precision(network=torch.float16, vae=torch.float16, text=torch.float16)
    config, cuda = checkpoint.with_suffix(".yaml"), torch.device("cuda", 0)
    fast = load_checkpoint(checkpoint, config=config, device=cuda, precision=half)
    x, t, told = torch.randn(1, 4, 8, 8), torch.tensor([300.0]), torch.randn(1, 77, 32)
    with torch.inference_mode():
        ours = fast.predict(x.to(cuda), t.to(cuda), Conditioning(cross_attention=told.to(cuda)))
        expected = load(checkpoint, config).predict(x, t, Conditioning(cross_attention=told))
        assert torch.isfinite(fast.decode(x.to(cuda))).all()
    assert fast.text_encoder.encoders[0].encode(torch.zeros(1, 77, dtype=torch.int64), 1).vectors.device == cuda
    torch.testing.assert_close(ours.cpu(), expected, atol=0.05, rtol=0.05)


def test_progress_goes_from_nothing_to_all(checkpoint: Path) -> None:
    seen: list[float] = []
    load_checkpoint(
        checkpoint, config=checkpoint.with_suffix(".yaml"), device=CPU, precision=FULL, on_progress=seen.append
    )
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert seen == sorted(seen)
    assert len(seen) <= 101


def test_an_interruption_stops_it(checkpoint: Path) -> None:
    token, seen = CancelToken(), list[float]()

    def interrupt(fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.2:
            token.interrupt()

    with pytest.raises(Interrupted):
        load_checkpoint(checkpoint, config=None, device=CPU, precision=FULL, on_progress=interrupt, token=token)
    assert seen[-1] < 1


# Bad input. Each gives one sentence that names the file.


def refused(path: Path, config: Path | None = None) -> str:
    with pytest.raises(ModelFileError) as caught:
        load(path, config)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


def test_missing(tmp_path: Path) -> None:
    assert "Refresh the checkpoint list" in refused(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("keep", [0.0001, 0.01, 0.5, 0.999])
def test_truncated(tmp_path: Path, tensors: dict[str, Tensor], keep: float) -> None:
    path = truncate(save(tmp_path / "cut.safetensors", tensors), keep=keep)
    assert "is truncated" in refused(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("keep", [0.01, 0.5, 0.999])
def test_truncated_ckpt(tmp_path: Path, tensors: dict[str, Tensor], legacy: bool, keep: float) -> None:
    path = truncate(write_ckpt(tmp_path / "cut.ckpt", tensors, legacy=legacy), keep=keep)
    assert "truncated" in refused(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_malicious(tmp_path: Path, legacy: bool) -> None:
    marker = tmp_path / "marker"
    path = write_malicious_ckpt(tmp_path / "evil.ckpt", marker, legacy=legacy)
    with pytest.raises(UnsafeFileError, match=r"evil\.ckpt.*exec"):
        load(path)
    assert not marker.exists()


def test_malicious_part_of_a_folder(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    marker = tmp_path / "marker"
    folder = write_diffusers_folder(tmp_path / "folder", tensors)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    write_malicious_ckpt(folder / "unet" / "diffusion_pytorch_model.bin", marker)
    with pytest.raises(UnsafeFileError, match=r"diffusion_pytorch_model\.bin"):
        load(folder)
    assert not marker.exists()


def test_lora(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    save_file({"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": torch.ones(4, 1)}, path)
    assert "is a LoRA, not a checkpoint. Move it to models/Lora" in refused(path)


def test_vae_alone(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = tmp_path / "vae.safetensors"
    save_file({name.removeprefix(VAE): tensor for name, tensor in tensors.items() if name.startswith(VAE)}, path)
    assert "is a VAE, not a checkpoint" in refused(path)


def test_embedding(tmp_path: Path) -> None:
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 768)}, "name": "style"}
    torch.save(content, tmp_path / "style.pt")
    assert "is an embedding" in refused(tmp_path / "style.pt")


@pytest.mark.parametrize("prefix", [UNET + "output_blocks.4", VAE + "decoder.mid", TEXT + "encoder.layers.1."])
@pytest.mark.parametrize("with_yaml", [False, True])
def test_missing_weights(tmp_path: Path, tensors: dict[str, Tensor], prefix: str, with_yaml: bool) -> None:
    incomplete = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    path = save(tmp_path / "half.safetensors", incomplete)
    message = refused(path, path.with_suffix(".yaml") if with_yaml else None)
    assert "lacks weights" in message
    assert " more." in message


@pytest.mark.parametrize("prefix", [UNET + "middle_block", VAE, TEXT])
def test_missing_networks_without_a_yaml(tmp_path: Path, tensors: dict[str, Tensor], prefix: str) -> None:
    incomplete = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    refused(save(tmp_path / "half.safetensors", incomplete))


def test_unknown_weights(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = save(tmp_path / "odd.safetensors", tensors | {UNET + "motion.0.weight": torch.ones(1)})
    message = refused(path, path.with_suffix(".yaml"))
    assert "The network of “odd.safetensors” has unknown weights: motion.0.weight." in message


def test_a_yaml_of_another_model(tmp_path: Path, checkpoint: Path) -> None:
    config = write_yaml(tmp_path / "x.safetensors")
    config.write_text(YAML.replace("model_channels: 32", "model_channels: 64"), encoding="utf-8")
    message = refused(checkpoint, config)
    assert "does not fit its configuration" in message
    assert "[32, 4, 3, 3] (expected [64, 4, 3, 3])" in message


@pytest.mark.parametrize(
    "part", ["unet", "vae", "text_encoder", "unet/config.json", "scheduler", "vae/diffusion_pytorch_model.safetensors"]
)
def test_an_incomplete_folder(tmp_path: Path, tensors: dict[str, Tensor], part: str) -> None:
    folder = write_diffusers_folder(tmp_path / "folder", tensors)
    (folder / part).rename(tmp_path / "elsewhere")
    refused(folder)


def test_another_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert "has no model_index.json" in refused(tmp_path / "pictures")
