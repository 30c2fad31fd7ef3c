"""The server's flags: A1111's names and meanings, parsed into `Flags`.

To add a flag: a field in `core/flags.py`, whose default is the only one, and an `add` line here.
"""

import argparse
import dataclasses
import difflib
import ipaddress
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from modules.core.flags import Flags
from modules.core.paths import PROJECT_ROOT
from modules.core.version import NAME
from modules.frontends.cli.logins import Logins, parse_logins, read_logins

log = logging.getLogger(__name__)

NOT_NEEDED = {
    "api": "the API is always on",
    "medvram": "SD 1.x fits into 4 GB without it",
    "medvram_sdxl": "SD 1.x fits into 4 GB without it",
    "lowvram": "SD 1.x fits into 4 GB without it",
    "opt_sdp_attention": "PyTorch's attention is the default",
    "opt_sdp_no_mem_attention": "PyTorch's attention is the default",
    "no_download_sd_model": "nothing is downloaded at start",
    "do_not_download_clip": "nothing is downloaded at start",
    "skip_torch_cuda_test": "without a GPU the CPU is used",
    "skip_version_check": "there is no such check",
    "skip_python_version_check": "it concerns the set-up, which is done by now",
    "skip_install": "a start installs nothing unless requirements.txt changed",
    "skip_prepare_environment": "a start installs nothing unless requirements.txt changed",
}
"""Flags of A1111 that people have in their start files, with the reason why they have nothing to do here."""

FOLDERS = {
    "ckpt_dir": "further folders of checkpoints",
    "vae_dir": "further folders of VAEs",
    "lora_dir": "folders of LoRA files; Lora in the models folder otherwise",
    "embeddings_dir": "folders of embeddings; embeddings in the data folder otherwise",
    "hypernetwork_dir": "folders of hypernetworks; hypernetworks in the models folder otherwise",
}
"""Flags that may be given more than once, each time with one folder."""

CPU_PARTS = ("all", "sd")
OTHER_PARTS = ("interrogate", "gfpgan", "bsrgan", "esrgan", "scunet", "codeformer")  # A1111's, which Easel has not
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return int(text)


def _device_id(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not the number of a CUDA device: give 0, 1 …")
    return int(text)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty: give a path")
    return Path(text).expanduser()


def _folder(text: str) -> Path:
    path = _path(text)
    if path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is a file: give a folder")
    return path


def _file(text: str) -> Path:
    path = _path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder: give a file")
    return path


def _checkpoint(text: str) -> Path:
    path = _path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {path}")
    return path


def _existing_file(text: str) -> Path:
    path = _file(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {path}")
    return path


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command understands: where things are, and how to compute."""
    add = partial(parser.add_argument_group("folders and files").add_argument, default=argparse.SUPPRESS)
    add("--data-dir", type=_folder, metavar="DIR", help="models, outputs and settings; an A1111 folder will do")
    add(
        "--models-dir", type=_folder, metavar="DIR", help="folder of model folders; models in the data folder otherwise"
    )
    add("--ckpt", type=_checkpoint, metavar="FILE", help="checkpoint to start with")
    for name, text in FOLDERS.items():
        add(_option(name), type=_folder, metavar="DIR", action="append", help=f"{text}; may be repeated")
    add(
        "--extra-model-paths",
        type=_existing_file,
        metavar="FILE",
        help="ComfyUI's list of model folders; extra_model_paths.yaml in the data folder otherwise",
    )
    add("--config", type=_existing_file, metavar="FILE", help="LDM yaml for checkpoints that have none beside them")
    add("--ui-settings-file", type=_file, metavar="FILE", help="settings; config.json in the data folder otherwise")
    add("--styles-file", type=_file, metavar="FILE", help="styles; styles.csv in the data folder otherwise")

    add = partial(parser.add_argument_group("computing").add_argument, default=argparse.SUPPRESS)
    add("--no-half", action="store_true", help="compute in float32")
    add("--no-half-vae", action="store_true", help="decode pictures in float32")
    add("--precision", choices=("full", "half", "autocast"), help="full is float32; the others are the default")
    add(
        "--use-cpu",
        nargs="+",
        type=str.lower,
        choices=CPU_PARTS + OTHER_PARTS,
        metavar="PART",
        help="all: compute on the CPU",
    )
    add("--device-id", type=_device_id, metavar="N", help="CUDA device to use")
    add("--xformers", action="store_true", help="prefer xformers' attention where it is installed")
    for name in ("opt_sdp_attention", "medvram", "lowvram"):
        _add_not_needed(add, name)
    add("--loglevel", type=str.upper, choices=LOG_LEVELS, help="what the console shows; INFO otherwise")


def _add_server_flags(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument_group("server").add_argument, default=argparse.SUPPRESS)
    add("--listen", action="store_true", help="let other machines in (0.0.0.0); wants a password")
    add("--port", type=_port, help="7860 otherwise")
    add("--server-name", metavar="HOST", help="host name or address to serve on")
    add("--share", action="store_true", help="make a public Gradio link; wants a password")
    add("--gradio-auth", type=parse_logins, metavar="USER:PASSWORD[,…]", help="who may use the page and the API")
    add("--gradio-auth-path", type=read_logins, metavar="FILE", help="the same, from a file")
    add(
        "--api-auth", type=parse_logins, metavar="USER:PASSWORD[,…]", help="more logins; here the same as --gradio-auth"
    )
    add("--insecure-no-auth", action="store_true", help="let everybody in without a password")
    add("--nowebui", action="store_true", help="serve the API without the page")
    add("--skip-load-model-at-start", action="store_true", help="load the checkpoint when it is first needed")
    add("--theme", choices=("light", "dark"), help="the browser's choice otherwise")
    add("--autolaunch", action="store_true", help="open the page in a browser")

    add = partial(parser.add_argument_group("accepted, though not needed").add_argument, default=argparse.SUPPRESS)
    _add_not_needed(add, "api")
    for name in sorted(NOT_NEEDED.keys() - {field.name for field in dataclasses.fields(Flags)}):
        _add_not_needed(add, name)


def _add_not_needed(add: partial[argparse.Action], name: str) -> None:
    add(_option(name), action="store_true", help=f"no effect: {NOT_NEEDED[name]}")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def flags_from(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Flags:
    """Return the flags among the parsed `arguments`; what was not given has the default of `Flags`.

    Exits with status 2 through `parser.error` when flags contradict each other. Logs one line for each flag that is
    accepted but not needed.
    """
    given = dict(vars(arguments))
    for name in (name for name in NOT_NEEDED if name in given):
        log.warning("%s has no effect: %s.", _option(name), NOT_NEEDED[name])
    given |= {name: tuple(given[name]) for name in FOLDERS if name in given}
    if "use_cpu" in given:
        given["use_cpu"] = _cpu_parts(given["use_cpu"])
    if "gradio_auth_path" in given:
        given["gradio_auth"] = _both(parser, given.get("gradio_auth", ()), given["gradio_auth_path"])
    given.setdefault("data_dir", PROJECT_ROOT)
    return Flags(**{field.name: given[field.name] for field in dataclasses.fields(Flags) if field.name in given})


def _cpu_parts(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name in OTHER_PARTS:
            log.warning("--use-cpu %s has no effect: there is no such part.", name)
    return tuple(name for name in names if name in CPU_PARTS)


def _both(parser: argparse.ArgumentParser, typed: Logins, read: Logins) -> Logins:
    twice = dict(typed).keys() & dict(read).keys()
    if twice:
        parser.error(f"the user {min(twice)} is named both by --gradio-auth and in the file of --gradio-auth-path")
    return (*typed, *read)


def parse_flags(argv: Sequence[str]) -> Flags:
    """Parse the server's command line `argv` (without the program's name).

    Exits with status 2 and one sentence on stderr for an unknown flag, a wrong value, or a server that others can
    reach without a password; with status 0 after `--help`.
    """
    parser = argparse.ArgumentParser(
        prog="webui.py",
        usage="webui.py [flags]",
        description=f"{NAME}: a local web UI for Stable Diffusion.",
        epilog="Commands: webui.py generate --help, webui.py info --help, webui.py models --help",
        allow_abbrev=False,
    )
    add_flags(parser)
    _add_server_flags(parser)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(_about_unknown(unknown))
    flags = flags_from(parser, arguments)
    opener = _opened_by(flags)
    # Either kind of login protects the page and the API alike.
    protected = flags.gradio_auth or flags.api_auth or flags.insecure_no_auth
    if opener and not protected:
        parser.error(
            f"{opener} lets others use this server, and no password is set: add --gradio-auth user:password, "
            "or --insecure-no-auth if everybody who reaches it may use it"
        )
    return flags


def _about_unknown(unknown: Sequence[str]) -> str:
    flags = [word.split("=", maxsplit=1)[0] for word in unknown if word.startswith("-")]
    if not flags:
        commands = "generate, info and models, and come first"
        return f"{unknown[0]!r} is neither a flag nor a command (the commands are {commands})"
    names = [*(field.name for field in dataclasses.fields(Flags)), "gradio_auth_path", *NOT_NEEDED]
    near = difflib.get_close_matches(flags[0], sorted({_option(name) for name in names}))
    question = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no flag {flags[0]}: {question}--help lists all flags"


def _opened_by(flags: Flags) -> str | None:
    """Return the flag that lets other machines reach the server, None when only this machine can."""
    if flags.share:
        return "--share"
    if flags.listen:
        return "--listen"
    if flags.server_name is not None and not _is_loopback(flags.server_name):
        return f"--server-name {flags.server_name}"
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # a name: where it leads is not ours to guess
