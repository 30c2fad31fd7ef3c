"""What it costs to apply a LoRA to a full-size SD 1.5, to change its weight, and to take it away.

usage: adapters.py CHECKPOINT.safetensors [--rank 16] [--rounds 3]

A LoRA for all 192 modules of the UNet and all 72 of the text encoder is generated. Times are divided by that of a pass
over the weights that it touches, measured in the same run: each is read once and written once, into new memory as a set
of changed weights needs it, or into memory that is there, as when a strength is changed again; and by the time of the
bare sums, one `torch.addmm` for each weight into memory that is there.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.adapters.adapter_file import Adapter, read_adapter
from modules.adapters.keys import Target, model_components
from modules.adapters.kinds.lora import Lora
from modules.adapters.patches import AdapterUse, Patches
from modules.core.cancellation import CancelToken
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.hardware.device import choose_device
from modules.hardware.dtype import choose_precision
from modules.loading.build import load_checkpoint

UNET_PARTS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
TEXT_PARTS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
TOKEN = CancelToken()


def write_lora(path: Path, model: LoadedModel, rank: int) -> None:
    """Write a file as kohya's trainer does for the parts of a model that it trains."""
    tensors: dict[str, Tensor] = {}
    for component, prefix, parts in (
        ("unet", "lora_unet", UNET_PARTS),
        ("text_encoder", "lora_te_text_model", TEXT_PARTS),
    ):
        for name, module in model_components(model)[component].named_modules():
            if not name.endswith(parts) or not isinstance(module, (nn.Linear, nn.Conv2d)):
                continue
            out, into, *kernel = module.weight.shape
            key = f"{prefix}_{name.replace('.', '_')}"
            tensors[f"{key}.lora_down.weight"] = torch.randn(rank, into, *kernel).half() * 0.05
            tensors[f"{key}.lora_up.weight"] = torch.randn(out, rank, *(1 for _ in kernel)).half() * 0.05
            tensors[f"{key}.alpha"] = torch.tensor(float(rank))
    save_file(tensors, path)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return how long `work` takes."""
    since = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - since


def apply(patches: Patches, model: LoadedModel, adapter: Adapter, strength: float) -> None:
    """Apply an adapter and take it away."""
    with patches.using(model, (AdapterUse(adapter=adapter, text=strength, image=strength),), TOKEN):
        pass


def copy_all(weights: list[Tensor], out: list[Tensor]) -> None:
    """Copy weights into memory that is there."""
    for weight, place in zip(weights, out, strict=True):
        place.copy_(weight)


def add(weights: list[Tensor], adapter: Adapter, out: list[Tensor]) -> None:
    """Add a LoRA to weights in the plainest way that PyTorch has."""
    for weight, (change,), place in zip(weights, adapter.changes.values(), out, strict=True):
        assert isinstance(change, Lora)
        up, down = (part.flatten(1).to(weight.device, weight.dtype) for part in (change.up, change.down))
        torch.addmm(weight.flatten(1), up, down, alpha=0.5 * change.scale, out=place.flatten(1))


def touched(model: LoadedModel, adapter: Adapter) -> list[Tensor]:
    """Return the weights that an adapter changes."""
    components = model_components(model)

    def weight(target: Target) -> Tensor:
        return components[target.component].get_parameter(target.parameter)

    return [weight(target) for target in adapter.changes]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    flags = Flags(data_dir=Path())
    device = choose_device(flags)
    model = load_checkpoint(arguments.checkpoint, config=None, device=device, precision=choose_precision(flags, device))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = Path(folder) / "lora.safetensors"
        write_lora(file, model, arguments.rank)
        patches = Patches()
        indexing = seconds(lambda: patches.index(model), device)
        adapter = read_adapter(file, patches.index(model))
        reading = seconds(lambda: read_adapter(file, patches.index(model)), device)
        weights = touched(model, adapter)
        originals = [weight.clone() for weight in weights]
        copies: list[list[Tensor]] = []
        new_memory = min(
            seconds(lambda: copies.append([weight.clone() for weight in weights]), device)
            for _ in range(arguments.rounds)
        )
        same_memory = min(seconds(lambda: copy_all(weights, copies[0]), device) for _ in range(arguments.rounds))
        bare = min(seconds(lambda: add(weights, adapter, copies[0]), device) for _ in range(arguments.rounds))
        copies.clear()
        held = psutil.Process().memory_info().rss
        first = seconds(lambda: apply(patches, model, adapter, 0.8), device)
        grown = psutil.Process().memory_info().rss - held
        second = seconds(lambda: apply(patches, model, adapter, 0.9), device)
        change = min(
            seconds(lambda strength=strength: apply(patches, model, adapter, strength), device)
            for strength in (0.7 - 0.01 * number for number in range(arguments.rounds))
        )
        known = min(seconds(lambda: apply(patches, model, adapter, 0.7), device) for _ in range(arguments.rounds))
        same = all(
            torch.equal(weight, original) for weight, original in zip(touched(model, adapter), originals, strict=True)
        )
    size = sum(weight.nbytes for weight in weights) / 2**20
    print(
        f"{len(weights)} weights of {size:,.0f} MiB, network in {model.dtype}, rank {arguments.rank}; "
        f"one pass {new_memory:.3f} s into new memory, {same_memory:.3f} s into memory that is there, "
        f"the bare sums {bare:.3f} s"
    )
    print(f"index of the model {indexing:.3f} s (once), reading the file {reading:.3f} s (once)")
    print("| | time | of a pass into new memory | into memory that is there | of the bare sums |")
    print("|---|---|---|---|---|")
    for name, taken in (
        ("first application", first),
        ("a second strength beside it", second),
        ("change of strength", change),
        ("a set that is kept, with removal", known),
    ):
        print(f"| {name} | {taken:.3f} s | {taken / new_memory:.2f} | {taken / same_memory:.2f} | {taken / bare:.2f} |")
    print(f"memory of a set: {grown / 2**20:,.0f} MiB; originals after removal the same to the last bit: {same}")


if __name__ == "__main__":
    main()
