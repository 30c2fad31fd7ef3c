"""Measure whether ten thousand cards are as quick as twenty: `python -m benchmarks.cards [--loras N] [--rounds N]`.

Easel is started over a data folder with few and over one with many LoRA files, whose index is warm, and the page is
used in Chromium. Printed are the seconds from the start of the process until the page can be used, from opening the tab
"Lora" until its cards are there, from a search until its result is there, the longest frame while all cards are
scrolled through, and the number of elements that cards take; and the ratios of both folders.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.library import in_new_process, index_all, make_files
from benchmarks.page import ROOT, first_answer, free_port
from tests.browser_tools import launch_chromium

FEW = 20
SCROLL_STEPS = 120
LABEL = "[data-cards=lora] .model-card-label:not(:empty)"

SCROLL = """async (steps) => {
    const area = document.querySelector("[data-cards=lora] .cards-scroll");
    const far = area.scrollHeight - area.clientHeight;
    let [longest, before] = [0, performance.now()];
    for (let step = 0; step <= steps; step++) {
        area.scrollTop = far * step / steps;
        const now = await new Promise(requestAnimationFrame);
        longest = Math.max(longest, now - before);
        before = now;
    }
    return longest;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured with one folder.

    Attributes:
        usable: s from the start of the process.
        opened: s from opening the tab.
        searched: s from the last key.
        frame: ms, the longest one.
        elements: in the pane of cards after scrolling.
    """

    usable: float
    opened: float
    searched: float
    frame: float
    elements: float


def measure(data: Path, browser: Browser, loras: int) -> Measured:
    """Start the program over the folder `data` with so many LoRA files, use its cards, and stop it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "webui.py", "--data-dir", str(data), "--port", str(port), "--skip-load-model-at-start"]
    environment = os.environ | {"COMMANDLINE_ARGS": ""}
    began = time.time()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first_answer(url, process)
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.wait_for_selector("html[data-easel=ready]", state="attached")
        usable = time.time() - began
        opened = _seconds(page, lambda: page.get_by_role("tab", name="Lora", exact=True).click(), LABEL)
        frame: float = page.evaluate(SCROLL, SCROLL_STEPS)
        elements = page.locator("[data-cards=lora] *").count()
        wanted = f"style {loras - 3}"
        found = f"[data-cards=lora] .model-card[aria-setsize='1'][title*='{loras - 3}']"
        searched = _seconds(page, lambda: page.fill("[data-cards=lora] .cards-search", wanted), found)
        context.close()
    finally:
        process.terminate()
        process.wait()
    return Measured(usable=usable, opened=opened, searched=searched, frame=frame, elements=elements)


def _seconds(page: Page, act: Callable[[], object], until: str) -> float:
    """Return how long it takes after `act` until the selector `until` matches."""
    began = time.perf_counter()
    act()
    page.locator(until).first.wait_for()
    return time.perf_counter() - began


def make_folder(data: Path, loras: int) -> Path:
    """Fill the folder `data` with LoRA files, a third of them with pictures, and index them."""
    make_files(data, argparse.Namespace(loras=loras, checkpoints=2, modules=24))
    picture = io.BytesIO()
    Image.effect_noise((512, 768), 60).convert("RGB").save(picture, "PNG")
    for path in (data / "models" / "Lora").rglob("*.png"):
        path.write_bytes(picture.getvalue())
    in_new_process(index_all, data)
    return data


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loras", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        numbers = (FEW, arguments.loras)
        folders = [make_folder(Path(folder) / str(number), number) for number in numbers]
        browser = launch_chromium(playwright)
        rounds = [
            [measure(data, browser, number) for data, number in zip(folders, numbers, strict=True)]
            for _ in range(arguments.rounds)
        ]
        browser.close()
    medians = [_median(column) for column in zip(*rounds, strict=True)]
    names = ("usable, s", "opened, s", "searched, s", "frame, ms", "elements")
    print(f"{'LoRA files':12}" + "".join(f"{name:>13}" for name in names))
    for number, row in zip(numbers, medians, strict=True):
        print(f"{number:<12}" + "".join(f"{value:13.2f}" for value in row))
    few, many = medians
    print(f"{'ratio':12}" + "".join(f"{b / a:13.2f}" for a, b in zip(few, many, strict=True)))
    print(f"{'difference':12}" + "".join(f"{b - a:13.2f}" for a, b in zip(few, many, strict=True)))


def _median(column: Sequence[Measured]) -> list[float]:
    return [statistics.median(values) for values in zip(*map(astuple, column), strict=True)]


if __name__ == "__main__":
    main()
