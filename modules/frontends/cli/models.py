"""`webui.py models`: what model files there are, what one is, its hashes, and how to make it safe."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.core.conversion import Averages, Conversion, Converted, NumberFormat
from modules.core.errors import EaselError
from modules.core.flags import Flags
from modules.frontends.cli.arguments import add_flags, flags_from
from modules.frontends.cli.console import ProgressLine, complain, readable_size, say
from modules.frontends.cli.model_hashing import run_hash
from modules.frontends.cli.model_inspection import show_report
from modules.frontends.cli.model_listing import run_list
from modules.library.file_report import FileReport
from modules.library.model_library import KINDS, ModelLibrary

INTERRUPTED = 130

_NUMBERS: tuple[NumberFormat, ...] = ("fp16", "bf16", "fp32", "keep")
_AVERAGES: tuple[Averages, ...] = ("keep", "prefer", "drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTools:
    """What the commands are done with. The last two need torch, which is imported when they are called.

    Attributes:
        library: opens the library of the folders that flags name.
        inspect: tells what a file is.
        convert: writes a file as safetensors; tells how far it is, 0..1.
    """

    library: Callable[[Flags], ModelLibrary]
    inspect: Callable[[Path], FileReport]
    convert: Callable[[Conversion, Callable[[float], None]], Converted]


def run(argv: Sequence[str], tools: ModelTools) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        match arguments.command:
            case "list":
                return _with_library(parser, arguments, tools, run_list)
            case "hash":
                if bool(arguments.names) == arguments.all:
                    parser.error("models hash wants names or files, or --all")
                return _with_library(parser, arguments, tools, run_hash)
            case "inspect":
                return show_report(tools.inspect(arguments.file), flags_from(parser, arguments), as_json=arguments.json)
            case _:
                return _convert(parser, arguments, tools)
    except EaselError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="webui.py models", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        add_flags(added)
        return added

    listing = command("list", "list the model files in all folders")
    listing.add_argument("--search", default="", metavar="TEXT", help="only those of which all its words are known")

    hashing = command("hash", "compute hashes; they are kept, so that the server knows them")
    hashing.add_argument("names", nargs="*", metavar="NAME_OR_FILE", help="name as in the list, or path")
    hashing.add_argument("--all", action="store_true", help="all files in all folders")

    inspection = command("inspect", "tell what a file is, and whether its pickle is safe")
    inspection.add_argument("file", type=Path, metavar="FILE")

    for added in (listing, hashing):
        added.add_argument("--kind", choices=[str(kind) for kind in KINDS], help="only files in folders of this kind")
    for added in (listing, hashing, inspection):
        added.add_argument("--json", action="store_true", help="print JSON")

    _add_conversion(command("convert", "write a file as safetensors; of a pickle nothing is ever run"))
    return parser


def _add_conversion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help=".ckpt, .pt, .pth, .bin or .safetensors")
    parser.add_argument("--to", choices=("safetensors",), default="safetensors", help="the format to write")
    numbers = parser.add_mutually_exclusive_group()
    for name in _NUMBERS:
        text = "keep the number format (the default)" if name == "keep" else f"write weights in {name}"
        numbers.add_argument(f"--{name}", dest="numbers", action="store_const", const=name, default="keep", help=text)
    parser.add_argument(
        "--ema",
        choices=_AVERAGES,
        default="keep",
        help="running averages of a checkpoint: keep them, write them in the place of the weights, or drop them",
    )
    parser.add_argument("--output", type=Path, metavar="PATH", help="file to write; beside FILE otherwise")
    parser.add_argument("--force", action="store_true", help="replace the file if there is one")


def _with_library(
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    tools: ModelTools,
    command: Callable[[argparse.Namespace, Flags, ModelLibrary], int],
) -> int:
    flags = flags_from(parser, arguments)
    library = tools.library(flags)
    try:
        return command(arguments, flags, library)
    finally:
        library.close()


def _convert(parser: argparse.ArgumentParser, arguments: argparse.Namespace, tools: ModelTools) -> int:
    source: Path = arguments.file
    target: Path = arguments.output or _beside(source, arguments.numbers, arguments.ema)
    if arguments.output is None and target == source:
        parser.error(f"{source} is a safetensors file already: say --fp16, --bf16, --fp32, --ema or --output")
    conversion = Conversion(
        source=source, target=target, numbers=arguments.numbers, averages=arguments.ema, replace=arguments.force
    )
    done = [0.0]  # written by the conversion, read by the thread of the line
    with ProgressLine(lambda: f"{source.name}: {done[0]:.0%}"):
        converted = tools.convert(conversion, lambda fraction: done.__setitem__(0, fraction))
    for note in converted.notes:
        complain(note)
    say(str(target))
    complain(f"{converted.tensors:,} tensors, {readable_size(converted.size)}")
    return 0


def _beside(source: Path, numbers: NumberFormat, averages: Averages) -> Path:
    """`model.safetensors` beside `model.ckpt`; what is another model beside a safetensors file says how it differs."""
    target = source.with_suffix(".safetensors")
    if target != source:
        return target
    changes = (numbers, "" if averages == "keep" else f"ema-{averages}")
    said = "-".join(change for change in changes if change not in ("", "keep"))
    return source.with_stem(f"{source.stem}-{said}") if said else source
