"""`docs/demo-model.md`: the figures of the demo model. Each script that measures rewrites its own section."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from modules.core.paths import PROJECT_ROOT
from modules.library.hashing import sha256_of_file

REPORT = PROJECT_ROOT / "docs" / "demo-model.md"
TITLE = """\
# The demo model in figures

Measured by the scripts in [tools/demo_model](../tools/demo_model/README.md), each of which writes its own section.
"""


def write_section(report: Path, name: str, text: str) -> None:
    """Put `text` (Markdown with its own heading) between the markers of the section `name`; the rest stays as it is.

    A section that is not there yet is added at the end, and a report that does not exist is begun.

    Raises:
        ValueError: one of the section's two markers is missing.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    whole = report.read_text(encoding="utf-8") if report.exists() else TITLE
    if (begin in whole) != (end in whole):
        raise ValueError(f"{report} has one of “{begin}” and “{end}” without the other. Restore or remove both.")
    if begin in whole:
        head, _, rest = whole.partition(begin)
        whole = head + section + rest.partition(end)[2]
    else:
        whole = f"{whole.rstrip()}\n\n{section}\n"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(whole, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def origin(module: str, arguments: Sequence[str], checkpoint: Path) -> str:
    """Return the lines that say how a section's figures were made.

    Args:
        module: name of the script, as in "tools.demo_model.evaluate".
        arguments: its command line.
        checkpoint: the file that was measured.
    """
    command = " ".join(["python -m", module, *arguments])
    return f"`{command}`  \n`{checkpoint.name}`: sha256 `{sha256_of_file(checkpoint)}`"


def show(text: str) -> None:
    """Print a section: the answer of the programs that measure."""
    print(text)
