"""Seconds to index ten thousand LoRA files, to start with that index, to search it and to refresh it.

usage: python -m benchmarks.library [--folder DIR] [--loras 10000] [--checkpoints 200] [--modules 24]

The files are made first: LoRA files as kohya's trainer writes them, with texts and tags, and checkpoints with all names
of SD 1.5. Their weights are holes in sparse files, so they take no room. A full SD 1.5 LoRA has 264 modules. Each
figure is taken in a new process, without the import of SQLAlchemy, which the list of checkpoints has brought along by
then; the first index is made with the files in the system's cache, as after a download.
Beside the seconds on the clock stand those of the processor, which a busy machine does not lengthen as much.
"""

import argparse
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.library import model_library
from modules.library.kinds import ModelKind
from modules.library.model_library import KINDS, ModelLibrary
from modules.library.shelf import CardQuery
from modules.storage.model_table import ModelTable

Result = TypeVar("Result")

WORDS = (
    *("1girl", "solo", "long hair", "smile", "looking at viewer", "blue eyes", "uniform", "outdoors", "night", "sky"),
    *("armor", "sword", "landscape", "watercolor", "ink", "sketch", "pixel art", "studio", "portrait", "hands", "red"),
    *("dress", "forest", "castle", "dragon", "robot", "city", "rain", "cherry blossoms", "sunset", "ocean", "cat"),
    *("dog", "horse", "simple background", "white", "black", "silver", "gold", "fantasy", "school", "mountain"),
)
FOLDERS = ("", "styles", "styles/ink", "characters", "characters/a-m", "characters/n-z", "clothes", "places")
QUERIES = ("", "dragon", "silver hair", "style 77", "INK sketch castle", "zzz", "a", "characters 1234")


def main() -> None:
    """Make the files, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to make the files; a temporary folder otherwise")
    parser.add_argument("--loras", type=int, default=10_000)
    parser.add_argument("--checkpoints", type=int, default=200)
    parser.add_argument("--modules", type=int, default=24, help="of each LoRA; a full one has 264")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        data = Path(folder)
        make_files(data, arguments)
        print(f"{arguments.loras} LoRA files of {arguments.modules} modules, {arguments.checkpoints} checkpoints")
        for what, measure in (("first index", index_all), ("warm start", index_all), ("refresh", refresh)):
            print(f"{what:14} {in_new_process(measure, data)}")
        print(f"one file more  {in_new_process(notice, data)}, until it is found")
        times = in_new_process(search, data)
        for what, of in (("clock", [time.clock for time in times]), ("processor", [time.processor for time in times])):
            typical, worst = statistics.median(of) * 1000, max(of) * 1000
            print(f"search         {typical:.1f} ms (median), {worst:.1f} ms (worst of {len(of)}) by the {what}")
        print(f"database       {(data / 'easel.sqlite3').stat().st_size / 2**20:.1f} MiB")


class Seconds(NamedTuple):
    """Time that something took."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.3f} s ({self.processor:.3f} s of the processor)"


def timed(work: Callable[[], object]) -> Seconds:
    """Return the time that `work` takes."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - clock, time.process_time() - processor)


def in_new_process(measure: Callable[[Path], Result], data: Path) -> Result:
    """Return what `measure` returns in a process that has seen nothing before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (data,))


def open_library(data: Path) -> ModelLibrary:
    """Return the library of the data folder, as the program opens it."""
    assert ModelTable, "imported before the time is taken"
    return model_library.open_library(resolve_paths(Flags(data_dir=data)))


def index_all(data: Path) -> Seconds:
    """Return the time until all models are listed."""
    return timed(lambda: list_all(open_library(data)))


def refresh(data: Path) -> Seconds:
    """Return the time that a refresh takes when nothing has changed."""
    library = list_all(open_library(data))
    return timed(library.refresh)


def notice(data: Path) -> Seconds:
    """Return the time until a file is found that was added meanwhile."""
    library = list_all(open_library(data))
    path = data / "models" / "Lora" / "added.safetensors"
    write_sparse(path, {"ss_output_name": "just added"}, {"lora_unet_x.lora_down.weight": (4, 320)})
    return timed(lambda: library.find(ModelKind.LORA, "just added"))


def search(data: Path) -> list[Seconds]:
    """Return the time of each search, the first pages of all orders among them."""
    library = list_all(open_library(data))
    queries = [CardQuery(kind=ModelKind.LORA, search=text) for text in QUERIES * 5]
    queries += [CardQuery(kind=ModelKind.LORA, sort=sort) for sort in ("path", "created", "modified")]
    queries += [CardQuery(kind=ModelKind.LORA, folder="characters", start=5000, descending=True)]
    return [timed(partial(library.page, query)) for query in queries]


def list_all(library: ModelLibrary) -> ModelLibrary:
    """List all models of `library`, and return it."""
    for kind in KINDS:
        library.all(kind)
    return library


def make_files(data: Path, arguments: argparse.Namespace) -> None:
    """Fill the folders of `data`; the same arguments make the same files."""
    chance = random.Random(1)
    shapes = dict(lora_shapes(arguments.modules, rank=16))
    for number in range(arguments.loras):
        folder = FOLDERS[number % len(FOLDERS)]
        path = data / "models" / "Lora" / folder / f"{chance.choice(WORDS)} style {number}.safetensors"
        write_sparse(path, lora_texts(chance, number), shapes)
        if number % 3 == 0:
            path.with_suffix(".png").touch()
        if number % 5 == 0:
            path.with_suffix(".json").write_text(json.dumps({"activation text": chance.choice(WORDS), "notes": ""}))
    for number in range(arguments.checkpoints):
        path = data / "models" / "Stable-diffusion" / f"model {number}.safetensors"
        write_sparse(path, {"modelspec.title": f"Model {number}"}, checkpoint_shapes())


def lora_texts(chance: random.Random, number: int) -> dict[str, str]:
    """Return the texts of one LoRA, about as many as kohya's trainer writes."""
    tags = {" ".join(chance.sample(WORDS, 2)): chance.randint(1, 500) for _ in range(60)}
    return {
        "ss_output_name": f"trained {number}",
        "ss_base_model_version": "sd_v1",
        "ss_network_dim": "16",
        "ss_resolution": "(512, 512)",
        "ss_sd_model_name": "v1-5-pruned.safetensors",
        "ss_tag_frequency": json.dumps({"10_pictures": tags}),
        "ss_bucket_info": json.dumps(
            {"buckets": {str(i): {"resolution": [512, 64 * i], "count": i} for i in range(20)}}
        ),
        "modelspec.title": f"{chance.choice(WORDS)} {number}",
        "modelspec.architecture": "stable-diffusion-v1/lora",
    }


def lora_shapes(modules: int, *, rank: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes of a LoRA for the attention layers of SD 1.5."""
    for number in range(modules):
        block, layer = divmod(number, 4)
        context = 768 if layer in (1, 2) else 320
        name = f"lora_unet_down_blocks_{block}_attentions_0_transformer_blocks_0_attn2_to_{'qkvo'[layer]}"
        yield f"{name}.alpha", ()
        yield f"{name}.lora_down.weight", (rank, context)
        yield f"{name}.lora_up.weight", (320, rank)


def checkpoint_shapes() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of about as many tensors as SD 1.5 has."""
    unet: dict[str, tuple[int, ...]] = {
        f"model.diffusion_model.input_blocks.{i // 60}.{i}.weight": (320, 320, 3, 3) for i in range(680)
    }
    unet["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = (320, 768)
    vae = {f"first_stage_model.decoder.up.{i}.weight": (128, 128, 3, 3) for i in range(248)}
    text = {f"cond_stage_model.transformer.text_model.encoder.layers.{i}.weight": (768, 768) for i in range(197)}
    return unet | vae | text


def write_sparse(path: Path, texts: Mapping[str, str], shapes: Mapping[str, Sequence[int]]) -> None:
    """Write a safetensors file of float16 zeros that take no room on the disk."""
    table: dict[str, object] = {"__metadata__": dict(texts)}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        table[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(table).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)


if __name__ == "__main__":
    main()
