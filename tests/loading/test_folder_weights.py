"""Shards and variants in folders of diffusers, as diffusers and transformers write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.loading.build import load_checkpoint
from modules.loading.cache import ModelCache
from modules.loading.diffusers_folder import files_of_folder
from modules.loading.folder_weights import NETWORK_STEMS, TEXT_STEMS, choose_weights
from tests.checkpoint_variants import write_diffusers_folder
from tests.loading.stub_models import CPU, FLOAT, checkpoint, get
from tests.tiny_checkpoint import tiny_sd1_tensors

STEM = "diffusion_pytorch_model"
TABLE = f"{STEM}.safetensors.index.json"
SHARD = f"{STEM}-00002-of-00002.safetensors"
FLOAT16 = Precision(network=torch.float16, vae=torch.float16, text=torch.float16)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return tiny_sd1_tensors()


@pytest.fixture
def folder(tmp_path: Path, tensors: dict[str, Tensor]) -> Path:
    return write_diffusers_folder(tmp_path / "tiny", tensors)


def load(path: Path, precision: Precision = FLOAT, **options: Any) -> LoadedModel:
    return load_checkpoint(path, config=None, device=CPU, precision=precision, **options)


def weights(model: LoadedModel) -> dict[str, Tensor]:
    networks = (model.network, model.vae.module, *(encoder.module for encoder in model.text_encoder.encoders))
    return {
        f"{index} {name}": tensor for index, net in enumerate(networks) for name, tensor in net.state_dict().items()
    }


def assert_same(one: LoadedModel, other: LoadedModel) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def shard_unet(folder: Path, *, variant: str | None = None, safe: bool = True, size: str = "2MB") -> None:
    """Let diffusers write the network again, in shards of at most `size`."""
    network = cast("Any", UNet2DConditionModel).from_pretrained(folder / "unet", torch_dtype=torch.float16)
    for file in [*(folder / "unet").glob(f"{STEM}*")]:
        file.unlink()
    network.save_pretrained(folder / "unet", max_shard_size=size, variant=variant, safe_serialization=safe)


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "unet").glob("*-of-*"))


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("variant", [None, "fp16", "non_ema"])
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_shards_of_diffusers(folder: Path, variant: str | None, safe: bool) -> None:
    whole = load(folder)
    shard_unet(folder, variant=variant, safe=safe)
    assert len(shards(folder)) > 1
    assert_same(load(folder), whole)


def test_shards_of_transformers(folder: Path) -> None:
    whole = load(folder)
    part = folder / "text_encoder"
    network = cast("Any", CLIPTextModel).from_pretrained(part, dtype=torch.float16)
    (part / "model.safetensors").unlink()
    network.save_pretrained(part, max_shard_size="2MB")
    assert (part / "model.safetensors.index.json").is_file()
    assert not (part / "model.safetensors").exists()
    assert_same(load(folder), whole)


@pytest.mark.parametrize(
    "table",
    [
        f"{STEM}.safetensors.index.fp16.json",
        f"{STEM}.fp16.safetensors.index.json",
        f"{STEM}.safetensors.fp16.index.json",
    ],
)
def test_every_name_that_a_variants_table_has_had(folder: Path, table: str) -> None:
    whole = load(folder)
    shard_unet(folder, variant="fp16")
    [written] = (folder / "unet").glob("*index*")
    written.rename(written.with_name(table))
    assert_same(load(folder), whole)


@pytest.mark.parametrize("name", [f"{STEM}.fp16.safetensors", f"{STEM}.non_ema.safetensors", f"{STEM}.fp16.bin"])
def test_a_variant_alone_is_enough(folder: Path, name: str) -> None:
    whole = load(folder)
    plain = folder / "unet" / f"{STEM}.safetensors"
    if name.endswith(".bin"):
        torch.save(load_file(plain), plain.with_name(name))
        plain.unlink()
    else:
        plain.rename(plain.with_name(name))
    assert_same(load(folder), whole)


@pytest.mark.parametrize(
    ("names", "dtype", "chosen"),
    [
        ("safetensors fp16.safetensors", torch.float32, "safetensors"),
        ("safetensors fp16.safetensors", torch.bfloat16, "safetensors"),
        ("safetensors fp16.safetensors", torch.float16, "fp16.safetensors"),
        ("safetensors fp16.safetensors bf16.safetensors", torch.bfloat16, "bf16.safetensors"),
        ("fp16.safetensors non_ema.safetensors", torch.float32, "fp16.safetensors"),
        ("safetensors non_ema.safetensors", torch.float16, "safetensors"),
        ("non_ema.safetensors bin", torch.float32, "bin"),
        ("bin fp16.safetensors", torch.float32, "fp16.safetensors"),
        ("bin fp16.bin", torch.float16, "fp16.bin"),
        ("safetensors safetensors.index.json", torch.float32, "safetensors"),
        ("safetensors.index.json fp16.safetensors", torch.float32, "safetensors.index.json"),
        ("safetensors.index.json safetensors.index.fp16.json", torch.float16, "safetensors.index.fp16.json"),
        ("bin.index.json safetensors.index.json", torch.float32, "safetensors.index.json"),
        ("safetensors.bak msgpack onnx index.json bin", torch.float32, "bin"),
        ("a.b.safetensors non_ema.bin", torch.float32, "non_ema.bin"),
    ],
)
def test_which_weights_are_chosen(tmp_path: Path, names: str, dtype: torch.dtype, chosen: str) -> None:
    shard = f"{STEM}.fp16-00001-of-00002.safetensors"
    for name in [*(f"{STEM}.{name}" for name in names.split()), shard]:
        (tmp_path / name).write_text(json.dumps({"weight_map": {"weight": shard}}) if "index" in name else "")
    (tmp_path / "openvino_model.bin").touch()
    assert choose_weights(tmp_path, NETWORK_STEMS, dtype).path.name == f"{STEM}.{chosen}"


def test_what_was_not_downloaded_as_a_whole_is_left_for_what_was(tmp_path: Path) -> None:
    gone = {"weight_map": {"weight": f"{STEM}.fp16-00001-of-00002.safetensors"}}
    (tmp_path / f"{STEM}.safetensors.index.fp16.json").write_text(json.dumps(gone))
    assert choose_weights(tmp_path, NETWORK_STEMS, torch.float16).sharded
    (tmp_path / f"{STEM}.safetensors").touch()
    assert choose_weights(tmp_path, NETWORK_STEMS, torch.float16).path.name == f"{STEM}.safetensors"


def test_text_encoders_have_two_names(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    assert choose_weights(tmp_path, TEXT_STEMS, torch.float32).path.name == "pytorch_model.bin"
    (tmp_path / "model.fp16.safetensors").touch()
    assert choose_weights(tmp_path, TEXT_STEMS, torch.float32).path.name == "model.fp16.safetensors"


def test_the_variant_in_the_format_that_computes_is_read(folder: Path) -> None:
    plain = folder / "unet" / f"{STEM}.safetensors"
    save_file(
        {name: tensor * 0 for name, tensor in load_file(plain).items()}, plain.with_name(f"{STEM}.fp16.safetensors")
    )
    assert sum(tensor.abs().sum() for tensor in load(folder).network.state_dict().values()) > 0
    assert sum(tensor.abs().sum() for tensor in load(folder, FLOAT16).network.state_dict().values()) == 0


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard_unet(folder, size="4MB")
    gone = shards(folder)[1]
    gone.unlink()
    assert f"unet has no {gone.name}, which {TABLE} names" in refused(folder)


def test_shards_without_their_table_say_so(folder: Path) -> None:
    shard_unet(folder)
    (folder / "unet" / TABLE).unlink()
    assert f"nor a table of shards ({TABLE})" in refused(folder)


def change_table(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "unet" / TABLE
    table = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(change(table)), encoding="utf-8")


@pytest.mark.parametrize(
    "place",
    ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "..\\x.safetensors", "C:x.safetensors", "config.json",
     "a\0.safetensors", "", 5, None, "a" * 300 + ".safetensors", "\ud800.safetensors"],
)  # fmt: skip
def test_a_table_leads_to_no_other_folder(folder: Path, place: object) -> None:
    shard_unet(folder)

    def lead_away(table: dict[str, Any]) -> dict[str, Any]:
        table["weight_map"]["conv_in.weight"] = place
        return table

    change_table(folder, lead_away)
    assert "is not the name of a file beside it" in refused(folder)


@pytest.mark.parametrize("content", [{}, {"weight_map": []}, {"weight_map": {}}, []])
def test_a_damaged_table(folder: Path, content: object) -> None:
    shard_unet(folder)
    change_table(folder, lambda _: content)
    assert TABLE in refused(folder)


def test_a_weight_that_is_in_none(folder: Path) -> None:
    shard_unet(folder)
    changed = shards(folder)[0]
    kept = load_file(changed)
    name = min(kept)
    del kept[name]
    save_file(kept, changed)
    assert f"says that the weight {name} is in {changed.name}, which has it not" in refused(folder)

    def forget(table: dict[str, Any]) -> dict[str, Any]:
        del table["weight_map"][name]
        return table

    change_table(folder, forget)
    assert f"lacks weights: {name}" in refused(folder)


def test_a_damaged_shard_is_named(folder: Path) -> None:
    shard_unet(folder)
    shards(folder)[1].write_bytes(b"x" * 1000)
    with pytest.raises(ModelFileError, match=shards(folder)[1].name):
        load(folder)


def test_only_what_is_read_counts(folder: Path) -> None:
    (folder / "safety_checker").mkdir()
    for unused in ("safety_checker/model.safetensors", f"unet/{STEM}.bin", f"vae/{STEM}.fp16.safetensors"):
        (folder / unused).touch()
    shard_unet(folder)
    (folder / "unet" / f"{STEM}.non_ema.safetensors").touch()
    assert {path.relative_to(folder).as_posix() for path in files_of_folder(folder, FLOAT)} == {
        f"unet/{TABLE}",
        *(f"unet/{path.name}" for path in shards(folder)),
        f"vae/{STEM}.safetensors",
        "text_encoder/model.safetensors",
    }


def test_a_change_of_any_shard_or_of_the_table_is_seen(folder: Path, tmp_path: Path) -> None:
    shard_unet(folder)
    cache, file = ModelCache(CPU, FLOAT, Flags(data_dir=tmp_path)), checkpoint(folder)
    model = get(cache, file)
    assert get(cache, file) is model
    for part in (*shards(folder), folder / "unet" / TABLE):
        part.touch()
        changed = get(cache, file)
        assert changed is not model
        model = changed
    shards(folder)[0].unlink()
    assert get(cache, file) is model


def test_progress_covers_all_shards_and_loading_can_be_stopped(folder: Path) -> None:
    shard_unet(folder)
    seen: list[float] = []
    load(folder, on_progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], len(seen) > 50) == (0.0, 1.0, True)
    token = CancelToken()

    def stop(fraction: float) -> None:
        seen.append(fraction)
        if fraction > 0.3:
            token.interrupt()

    with pytest.raises(Interrupted):
        load(folder, on_progress=stop, token=token)
    assert seen[-1] < 1
