"""Measure how soon the page is there: `python -m benchmarks.page [--rounds N] [--data-dir DIR]`.

An empty Gradio app and Easel are started in turn in the same environment. Printed are the medians of the seconds from
the start of the process to HTTP 200 on `/`, to the first contentful paint in Chromium, and to the moment when the page
can be used, and the ratios of the two programs. Without `--data-dir` there is no model; with one, torch is imported and
the model is loaded while the page opens, as in daily use.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from tests.browser_tools import launch_chromium

ROOT = Path(__file__).parents[1]
LONGEST_START_SECONDS = 120

EMPTY_APP = """
import sys
import fastapi, gradio, uvicorn
with gradio.Blocks(analytics_enabled=False) as blocks:
    gradio.Button("Nothing", elem_id="ready")
app = gradio.mount_gradio_app(fastapi.FastAPI(), blocks, path="/", ssr_mode=False)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
# Not `blocks.launch()`, which waits for itself to answer and so would be an easier mark.

FIRST_PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    const entry = list.getEntriesByName("first-contentful-paint")[0];
    if (entry) resolve((performance.timeOrigin + entry.startTime) / 1000);
}).observe({ type: "paint", buffered: true }))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is started, and how to see that its page can be used.

    Attributes:
        name: for the table.
        command: its arguments; "PORT" is replaced.
        ready: a selector that is there when the page can be used.
    """

    name: str
    command: tuple[str, ...]
    ready: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds since the process was started."""

    answers: float
    paints: float
    usable: float


def programs(data: Path) -> tuple[Program, Program]:
    """Return the empty app, and Easel over the data folder `data`."""
    easel = (sys.executable, "webui.py", "--data-dir", str(data), "--port", "PORT")
    return (
        Program(name="empty Gradio app", command=(sys.executable, "-c", EMPTY_APP, "PORT"), ready="#ready"),
        Program(name="Easel", command=easel, ready="html[data-easel=ready]"),
    )


def measure(program: Program, browser: Browser) -> Times:
    """Start the program, open its page in a fresh profile, and stop it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "COMMANDLINE_ARGS": ""}
    command = [argument.replace("PORT", str(port)) for argument in program.command]
    began = time.time()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answers = first_answer(url, process)
        context = browser.new_context()
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.wait_for_selector(program.ready, state="attached")
        usable = time.time()
        paints: float = page.evaluate(FIRST_PAINT)
        context.close()
    finally:
        process.terminate()
        process.wait()
    return Times(answers=answers - began, paints=paints - began, usable=usable - began)


def first_answer(url: str, process: subprocess.Popen[bytes]) -> float:
    """Return the time of the first HTTP 200."""
    deadline = time.time() + LONGEST_START_SECONDS
    while process.poll() is None and time.time() < deadline:
        try:
            if httpx.get(url, timeout=10).status_code == httpx.codes.OK:
                return time.time()
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"Nothing ever answered at {url}.")


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-dir", type=Path, help="a data folder with a model; an empty one when left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as empty, sync_playwright() as playwright:
        both = programs(arguments.data_dir or Path(empty))
        browser = launch_chromium(playwright)
        rounds = [[measure(program, browser) for program in both] for _ in range(arguments.rounds)]
        browser.close()
    medians = [
        [statistics.median(values) for values in zip(*(astuple(times) for times in column), strict=True)]
        for column in zip(*rounds, strict=True)
    ]
    print(f"{'seconds to':20}{'HTTP 200':>10}{'paint':>10}{'usable':>10}")
    for program, row in zip(both, medians, strict=True):
        print(f"{program.name:20}" + "".join(f"{seconds:10.2f}" for seconds in row))
    baseline, easel = medians
    print(f"{'ratio':20}" + "".join(f"{b / a:10.2f}" for a, b in zip(baseline, easel, strict=True)))


if __name__ == "__main__":
    main()
