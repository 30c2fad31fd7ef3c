"""`webui.py generate`: one request from the command line, through the same jobs and pipeline as the page."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from modules.core.errors import EaselError, OutputError
from modules.core.events import Cancelled, Failed, Finished, ImageReady, TerminalEvent
from modules.core.flags import Flags
from modules.core.parameters import Txt2Img
from modules.core.results import GenerationResult
from modules.core.samplers import split_combined_name
from modules.frontends.backend import Backend
from modules.frontends.cli.arguments import add_flags, flags_from

DEFAULTS = Txt2Img()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="webui.py generate", description=__doc__, allow_abbrev=False)
    wish = parser.add_argument_group("picture")
    wish.add_argument("--prompt", required=True)
    wish.add_argument("--negative-prompt", default="")
    wish.add_argument("--styles", nargs="*", default=[], metavar="STYLE", help="names from styles.csv")
    wish.add_argument("--steps", type=int, default=DEFAULTS.steps)
    wish.add_argument(
        "--sampler", default=DEFAULTS.sampler, help='such as "Euler a"; old names ("DPM++ 2M Karras") too'
    )
    wish.add_argument("--scheduler", default=DEFAULTS.scheduler, help="schedule type")
    wish.add_argument("--cfg-scale", type=float, default=DEFAULTS.cfg_scale)
    wish.add_argument("--seed", type=int, default=DEFAULTS.seed, help="-1 draws one")
    wish.add_argument("--width", type=int, help="px; the checkpoint's own size otherwise")
    wish.add_argument("--height", type=int, help="px; likewise")
    wish.add_argument("--batch-count", type=int, default=DEFAULTS.batch_count)
    wish.add_argument("--batch-size", type=int, default=DEFAULTS.batch_size)
    wish.add_argument("--checkpoint", help="title, name or hash of the checkpoint; the settings' one otherwise")
    wish.add_argument(
        "--output",
        type=Path,
        metavar="FILE.png",
        help="where to write, its ending tells the format; the outputs folder otherwise",
    )
    add_flags(parser)
    return parser


def _request(arguments: argparse.Namespace) -> Txt2Img:
    """Build the request; an argument has the name of its field."""
    sampler, scheduler = split_combined_name(arguments.sampler, arguments.scheduler)
    fields = Txt2Img.model_fields
    given = {name: value for name, value in vars(arguments).items() if name in fields and value is not None}
    wanted_elsewhere = arguments.output is not None
    names = {"sampler": sampler, "scheduler": scheduler}
    return Txt2Img.model_validate(
        given | names | {"save_images": not wanted_elsewhere, "make_grid": not wanted_elsewhere}
    )


def _numbered(output: Path, index: int, count: int) -> Path:
    """`out.png` for a single picture, `out-0.png`, `out-1.png` … for several."""
    return output if count == 1 else output.with_name(f"{output.stem}-{index}{output.suffix}")


def _write(result: GenerationResult, output: Path) -> None:
    for index, image in enumerate(result.images):
        path = _numbered(output, index, len(result.images))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image.data)
        except OSError as error:
            raise OutputError(f"Cannot write {path}: {error.strerror}. Choose another --output.") from error
        print(path)  # noqa: T201  # the answer of a command-line program


def _follow(backend: Backend, job_id: str, *, saved_by_worker: bool) -> TerminalEvent:
    """Print saved pictures as they come; return the last event."""
    for event in backend.jobs.subscribe(job_id):
        match event:
            case ImageReady(image=image) if saved_by_worker and image.path:
                print(image.path)  # noqa: T201  # the answer of a command-line program
            case Finished() | Failed() | Cancelled():
                return event
            case _:
                pass
    raise EaselError("The worker stopped without an answer.")


def run(argv: Sequence[str], build_backend: Callable[[Flags], Backend]) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        request = _request(arguments)
        backend = build_backend(flags_from(parser, arguments))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        parser.error(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except EaselError as error:
        parser.error(str(error))
    try:
        return _run_job(backend, request, arguments)
    except EaselError as error:
        print(error, file=sys.stderr)  # noqa: T201  # the answer of a command-line program
        return 1
    finally:
        backend.jobs.close()


def _run_job(backend: Backend, request: Txt2Img, arguments: argparse.Namespace) -> int:
    checkpoints, wanted = backend.checkpoints, arguments.checkpoint
    chosen = checkpoints.find(wanted) if wanted else checkpoints.default(backend.settings.snapshot())
    native = checkpoints.info(chosen).size._asdict()
    request = request.model_copy(update={side: px for side, px in native.items() if getattr(arguments, side) is None})
    overrides = {"sd_model_checkpoint": chosen.title}
    if arguments.output:
        overrides["samples_format"] = arguments.output.suffix.lower().removeprefix(".") or "png"
    job_id = backend.jobs.submit(request, overrides=overrides).job_id
    try:
        last = _follow(backend, job_id, saved_by_worker=arguments.output is None)
    except KeyboardInterrupt:
        backend.jobs.cancel(job_id)
        return 130
    match last:
        case Failed(message=message):
            print(message, file=sys.stderr)  # noqa: T201  # the answer of a command-line program
            return 1
        case Finished(result=result) | Cancelled(result=result):
            for note in result.notes:
                logging.getLogger(__name__).warning(note)
            if arguments.output:
                _write(result, arguments.output)
            return 0 if isinstance(last, Finished) else 130
