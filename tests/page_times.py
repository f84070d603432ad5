"""What a visitor waits for, in a real browser: ``python -m tests.page_times`` prints a table of medians."""

import argparse
import json
import sys
from collections.abc import Iterator

import numpy as np
from playwright.sync_api import Page, sync_playwright

import sdvar_core as sd
from sdvar_core.tables import table
from tests.browser import launched, served

FIRST = """() => new Promise(done => {
  const before = sdvar.header.run, began = performance.now();
  const look = () => sdvar.header.run !== before && sdvar.cursor >= 0
    ? requestAnimationFrame(() => requestAnimationFrame(() => { first = performance.now() - began; wait(); }))
    : setTimeout(look, 2);
  const wait = () => sdvar.finished ? done([first, performance.now() - began]) : setTimeout(wait, 2);
  let first;
  document.querySelector("#generate").click();
  look();
})"""
SCRUB = """positions => {
  const times = [];
  for (let i = 0; i < positions; i += 1) { sdvar.goTo((i * 7) % sdvar.count); times.push(sdvar.timeDraw()); }
  return times;
}"""


def measured(page: Page, generations: int, positions: int) -> Iterator[tuple[str, str]]:
    """Rows of what was measured and its figure; the page has been opened."""
    clicks = []
    for _ in range(generations + 1):
        clicks.append(page.evaluate(FIRST))
        page.wait_for_function("!sdvar.busy && sdvar.baseline")  # a click before that would be dropped
    clicks = clicks[1:]
    first, last = np.median(clicks, axis=0)
    yield f"first event on screen after the click ({generations} clicks)", f"{first:.0f} ms"
    yield "the same, slowest", f"{max(click[0] for click in clicks):.0f} ms"
    yield "picture finished after the click", f"{last:.0f} ms"
    yield "the same, slowest", f"{max(click[1] for click in clicks):.0f} ms"
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    times = page.evaluate(SCRUB, positions)
    page.wait_for_timeout(500)
    yield f"drawing of everything at one of {positions} positions", f"{np.median(times):.2f} ms"
    yield "the same, 99th percentile", f"{np.percentile(times, 99):.2f} ms"
    yield f"requests while scrubbing {positions} positions", str(len(requests))


def frame_bytes(pair: sd.Pair) -> tuple[int, int]:
    """Bytes of all frames of a run as JSON, without and with their pictures."""
    from app.run import Run

    run = Run("measured", pair, sd.Request(label=0, seed=7, gamma=3))
    while not run.finished:
        run.advance()
    bare = [{name: value for name, value in frame.items() if name != "picture"} for frame in run.frames]
    return tuple(sum(len(json.dumps(frame)) for frame in frames) for frames in (bare, run.frames))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--positions", type=int, default=1000)
    options = parser.parse_args()
    pair = sd.load_pair("tiny-worlds")
    with served(pair) as url, sync_playwright() as playwright, launched(playwright) as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.wait_for_selector("#generate")
        page.wait_for_selector(".stage[data-ready=true]")
        rows = list(measured(page, options.generations, options.positions))
    bare, whole = frame_bytes(pair)
    rows += [("frames of a run, without pictures", f"{bare / 1000:.0f} KB"), ("with", f"{whole / 1000:.0f} KB")]
    sys.stdout.write(table(["at 1440×900, tiny-worlds, coupled, γ=3", "median"], rows) + "\n")


if __name__ == "__main__":
    main()
