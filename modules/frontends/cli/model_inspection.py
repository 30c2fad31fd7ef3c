"""`webui.py models inspect`: what one file is."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.core.shown import shown
from modules.frontends.cli.console import readable_size, say
from modules.library.file_report import FileReport
from modules.library.kinds import FOR_PEOPLE, ModelKind
from modules.library.misplaced import home_folders


def show_report(report: FileReport, flags: Flags, *, as_json: bool) -> int:
    """Print `report`; return the exit status, 1 for a file that is refused."""
    home = home_folders(resolve_paths(flags)).get(report.facts.content.kind)
    if as_json:
        content = asdict(report) | {"path": str(report.path), "safe": not report.refused}
        say(json.dumps(content | {"belongs_to": str(home) if home else None}, indent=2, ensure_ascii=False))
    else:
        for name, text in _lines(report, str(home) if home else ""):
            say(f"{name:<16} {text}")
    return 1 if report.refused else 0


def _lines(report: FileReport, home: str) -> Iterator[tuple[str, str]]:
    facts = report.facts
    yield "File", f"{report.path} ({readable_size(report.size)}, {report.container})"
    yield "What it is", _what(report)
    if report.refused:
        yield "Safe", f"No. {report.refused}"
    elif "pickle" in report.container:
        yield "Safe", "Yes: its pickle refers to nothing but data."
    if home:
        yield "Belongs to", home
    for name, numbers in report.numbers.items():
        yield "Tensors", f"{numbers.tensors:,} of {name}, {readable_size(numbers.size)}"
    for rank, count in report.ranks.items():
        yield "Rank", f"{rank:,} in {count:,} modules"
    for part, count in report.modules.items():
        yield "Changes", f"{count:,} modules of the {part}"
    said = {
        "Called": facts.alias,
        "Base model": facts.base_model,
        "Resolution": facts.resolution,
        "Trigger words": ", ".join(facts.trigger_words),
        "Frequent tags": ", ".join(f"{tag} ({count})" for tag, count in facts.tags),
    }
    yield from ((name, text) for name, text in said.items() if text)
    for name, text in sorted(report.texts.items()):
        yield "Metadata", f"{shown(name)}: {shown(text)}"


def _what(report: FileReport) -> str:
    content, family = report.facts.content, report.facts.family
    what = FOR_PEOPLE[content.kind]
    if content.kind is ModelKind.LORA and content.algorithm:
        what += f" ({content.algorithm})"
    return what + (f" for {family}" if family else "")
