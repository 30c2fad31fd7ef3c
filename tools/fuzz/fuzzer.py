"""Runs atheris, which is libFuzzer for Python, on readers of files."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import atheris

MAX_BYTES = 2**16  # of a file
MEMORY_MIB = 1024
SECONDS = 10  # for one file

_INSTRUMENTED = ("modules", "zipfile", "pickletools", "json", "base64")

with atheris.instrument_imports(include=list(_INSTRUMENTED)):  # pyright: ignore[reportAttributeAccessIssue]
    from tools.fuzz.readers import READERS, refusal
    from tools.fuzz.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is fuzzed.

    Attributes:
        suffix: ending of the files' names.
        readers: names of those that read them.
        wrappers: what makes a file of an input: the first byte of each input chooses one, the rest goes into it.
        seeds: for each wrapper, inputs without that byte.
        words: that are put into inputs.
    """

    suffix: str
    readers: Sequence[str]
    wrappers: Sequence[Callable[[bytes], bytes]]
    seeds: Sequence[Sequence[bytes]]
    words: Sequence[bytes]


def fuzz(target: Target, arguments: Sequence[str] | None = None) -> None:
    """Fuzz for the time that the command line says, and end the process: with 0 if nothing was found.

    Args:
        target: what is fuzzed.
        arguments: of the command line, those of the process by default.
    """
    parser = argparse.ArgumentParser(description="Fuzz the readers of model files.")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--findings", type=Path, default=Path("tmp/fuzz"), help="folder for inputs that are findings")
    parser.add_argument("inputs", nargs="*", help="inputs that are tried once, instead of fuzzing")
    options = parser.parse_args(arguments)
    logging.disable()  # many files have a wrong ending
    options.findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        check = _check(target, folder / f"file{target.suffix}")
        for wrapper, seeds in enumerate(target.seeds):
            for seed in seeds:
                check(bytes([wrapper]) + seed)  # also imports what is imported when it is needed first
        corpus, words = _write_corpus(target, folder), _write_words(target, folder)
        flags = [
            f"-max_total_time={int(60 * options.minutes)}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-timeout={SECONDS}",
            f"-max_len={MAX_BYTES}",
            f"-dict={words}",
            f"-artifact_prefix={options.findings}/",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *flags, *(options.inputs or [str(corpus)])], check)
        atheris.Fuzz()


def _check(target: Target, path: Path) -> Callable[[bytes], None]:
    """Return what is called with each input: it raises whatever a reader must not."""
    watch = Watch()

    def check(data: bytes) -> None:
        wrap = target.wrappers[data[0] % len(target.wrappers)] if data else bytes
        path.write_bytes(wrap(data[1:]))
        for name in target.readers:
            watch.awake = True
            refused = refusal(READERS[name], path)
            watch.awake = False
            if watch.events:
                raise AssertionError(f"{name} did what no reader does: {watch.events}")
            if refused and (path.name not in str(refused) or not str(refused).isprintable()):
                raise AssertionError(f"{name} does not say it well: {refused}")

    return check


def _write_corpus(target: Target, folder: Path) -> Path:
    corpus = folder / "corpus"
    corpus.mkdir()
    for wrapper, seeds in enumerate(target.seeds):
        for number, seed in enumerate(seeds):
            (corpus / f"{wrapper}-{number}").write_bytes(bytes([wrapper]) + seed)
    return corpus


def _write_words(target: Target, folder: Path) -> Path:
    path = folder / "words"
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words)
    path.write_text("".join(lines), encoding="ascii")
    return path
