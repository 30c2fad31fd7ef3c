"""How long the full-size checkpoint takes to load, and how much memory a picture takes.

usage: load.py DIR [--repeat N]

DIR is the folder that `make_sd15.py` filled. Every row is the best of N interleaved runs in one process, with the
slowest in brackets; the page cache is warm. A "bare" row reads the same tensors with the safetensors library and
converts them in as many threads, and does nothing else.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from modules.conditioning.conditioning import Conditioning
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.families.clip import ClipTextEncoder
from modules.hardware.dtype import Precision, choose_precision
from modules.loading.build import load_checkpoint
from modules.loading.place import MAX_THREADS

CPU = torch.device("cpu")
MAX_OWN_SECONDS = 0.5
MAX_CAST_RATIO = 1.5
MAX_MEMORY_FACTOR, MAX_MEMORY_OFFSET = 1.25, 2.5e9


@dataclass
class Row:
    """One line of the table: what is timed, and the row whose time it is divided by."""

    name: str
    action: Callable[[], object]
    base: "Row | None" = None
    seconds: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Take the time once."""
        gc.collect()
        start = time.perf_counter()
        result = self.action()
        self.seconds.append(time.perf_counter() - start)
        del result

    @property
    def ratio(self) -> float | None:
        """Best time over the base's best time."""
        return min(self.seconds) / min(self.base.seconds) if self.base else None

    def __str__(self) -> str:
        ratio = f"{self.ratio:6.2f} ×" if self.ratio else " " * 8
        return f"{self.name:44} {min(self.seconds):6.2f} s {ratio}   (slowest {max(self.seconds):.2f} s)"


def load(path: Path, dtype: torch.dtype) -> LoadedModel:
    """Load all parts in one number format."""
    precision = Precision(network=dtype, vae=dtype, text=dtype)
    return load_checkpoint(path, config=None, device=CPU, precision=precision)


def read_and_cast(path: Path, dtype: torch.dtype) -> list[torch.Tensor]:
    """Do only what cannot be avoided."""
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda name: file.get_tensor(name).to(dtype), names))


def make_rows(folder: Path) -> list[Row]:
    """Say what is timed."""
    single, pickled, parts = folder / "sd15.safetensors", folder / "sd15.ckpt", folder / "sd15"
    bare16 = Row("bare read and cast to bfloat16", lambda: read_and_cast(single, torch.bfloat16))
    bare32 = Row("bare read and cast to float32", lambda: read_and_cast(single, torch.float32))
    return [
        Row("safetensors → modules, own float16", lambda: load(single, torch.float16)),
        Row("ckpt → modules, own float16", lambda: load(pickled, torch.float16)),
        Row("diffusers folder → modules, own float16", lambda: load(parts, torch.float16)),
        bare16,
        Row("safetensors → modules, cast to bfloat16", lambda: load(single, torch.bfloat16), bare16),
        Row("ckpt → modules, cast to bfloat16", lambda: load(pickled, torch.bfloat16), bare16),
        Row("diffusers folder → modules, cast to bfloat16", lambda: load(parts, torch.bfloat16), bare16),
        bare32,
        Row("safetensors → modules, cast to float32", lambda: load(single, torch.float32), bare32),
    ]


def peak_bytes() -> int:
    """Return the peak of this process's resident memory, mapped files included (Linux)."""
    # Not getrusage: its figure begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def make_picture(path: Path) -> None:
    """Load a checkpoint, make a 512×512 picture in 2 steps, and print the peak memory as JSON."""
    precision = choose_precision(Flags(data_dir=path.parent), CPU)
    start = time.perf_counter()
    model = load_checkpoint(path, config=None, device=CPU, precision=precision)
    loaded = time.perf_counter()
    encoder = cast("ClipTextEncoder", model.text_encoder.encoders[0])
    with torch.inference_mode():
        tokens = torch.tensor([encoder.tokenizer.encode("a")[:1] * 77] * 2)
        conditioning = Conditioning(cross_attention=encoder.encode(tokens, 1).vectors)
        x = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)) * model.noise.sigma_max
        for high, low in ((model.noise.sigma_max, 1.0), (1.0, 0.0)):
            sigma = torch.full((2,), high)
            scaled = torch.cat((x, x)) * model.prediction.input_scale(sigma)[:, None, None, None]
            output = model.predict(scaled, model.noise.sigma_to_t(sigma), conditioning)
            cond, uncond = model.prediction.denoised(output, torch.cat((x, x)), sigma).chunk(2)
            x = x + (x - (uncond + 7 * (cond - uncond))) / high * (low - high)
        model.decode(x)
    modules = (model.network, model.vae.module, encoder.module)
    weights = sum(tensor.nbytes for module in modules for tensor in module.parameters())
    result = {"weights": weights, "peak": peak_bytes(), "load": loaded - start, "picture": time.perf_counter() - loaded}
    print(json.dumps(result | {"precision": str(precision)}))


def print_memory(folder: Path) -> bool:
    """Print the memory table; return whether every form stays within the limit."""
    print("\nPeak memory of loading and a 512×512 picture in 2 steps, each in a process of its own")
    within = True
    for name in ("sd15.safetensors", "sd15.ckpt", "sd15"):
        command = [sys.executable, __file__, str(folder), "--picture", name]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        limit = MAX_MEMORY_FACTOR * result["weights"] + MAX_MEMORY_OFFSET
        within &= result["peak"] <= limit
        print(
            f"{name:18} {result['precision']}: peak {result['peak'] / 1e9:.2f} GB, limit {limit / 1e9:.2f} GB "
            f"(weights {result['weights'] / 1e9:.2f} GB); loaded in {result['load']:.2f} s, "
            f"picture in {result['picture']:.1f} s"
        )
    return within


def main() -> int:
    """Print the tables; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--picture", help="make one picture from this checkpoint of DIR and print its peak memory")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if arguments.picture:
        make_picture(folder / arguments.picture)
        return 0
    rows = make_rows(folder)
    for _ in range(arguments.repeat + 1):
        for row in rows:
            row.run()
    for row in rows:
        del row.seconds[0]  # the first round warms the page cache and the imports
        print(row)
    own, cast = rows[0], [row for row in rows if row.base and row.name.startswith("safetensors")]
    fast = min(own.seconds) <= MAX_OWN_SECONDS and all((row.ratio or 0) <= MAX_CAST_RATIO for row in cast)
    print(f"Targets: own format ≤ {MAX_OWN_SECONDS} s, cast ≤ {MAX_CAST_RATIO} ×: {'met' if fast else 'MISSED'}")
    within = print_memory(folder)
    print(f"Targets: memory ≤ {MAX_MEMORY_FACTOR} × weights + 2.5 GB: {'met' if within else 'MISSED'}")
    return 0 if fast and within else 1


if __name__ == "__main__":
    sys.exit(main())
