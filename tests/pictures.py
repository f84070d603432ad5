"""The pictures of the page that the README shows: ``python -m tests.pictures docs``.

Two screenshots of a finished run, light and dark, a short film of the same run being walked through, the Tree tab, and
the Models section.
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import sdvar_core as sd
from tests import tree_browser
from tests.browser import drawn, generate, go_to, launched, served

SIZE = {"width": 1440, "height": 900}
RAIL = {"x": 0, "y": 48, "width": 264, "height": 852}
FILM_WIDTH, COLOURS = 960, 96
MILLISECONDS, LAST = 450, 3000  # of a picture of the film, and of its last one
SHOWN = ("drafted", "target_call", "judged", "bonus")  # kinds of events that the film stops at


def opened(browser: Browser, url: str, theme: str) -> Page:
    """The page with a finished run."""
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector("#generate")
    page.wait_for_selector(".stage[data-ready=true]")
    generate(page)
    page.mouse.move(0, 0)
    return page


def film(page: Page) -> list[Image.Image]:
    """One small picture an event worth showing, all of one palette."""
    kinds = page.evaluate("Array.from({ length: sdvar.count }, (_, i) => (sdvar.goTo(i), sdvar.frame.kind))")
    pictures = []
    for index in [i for i, kind in enumerate(kinds) if kind in SHOWN]:
        go_to(page, index)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        height = FILM_WIDTH * picture.height // picture.width
        pictures.append(picture.resize((FILM_WIDTH, height), Image.Resampling.LANCZOS))
    palette = pictures[-1].quantize(COLOURS, dither=Image.Dither.NONE)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


def tree(browser: Browser, url: str) -> Page:
    """The Tree tab in the middle of a run, a tree just drafted and judged."""
    page = browser.new_page(viewport=SIZE)
    tree_browser.opened(lambda address, *_: (page.goto(address), page)[1], url)
    tree_browser.generate(page)
    tree_browser.seek(page, "sdvarTree.frame.kind === 'tree_commit' && sdvarTree.cursor < 0.7 * sdvarTree.count")
    return page


def models(page: Page) -> None:
    """Open the Models section and choose a pair that is still to be downloaded."""
    page.click("#models > button, #models .label-wrap")
    page.locator("#pair label", has_text="var-d16-d20").click()
    page.wait_for_selector("#models-get")
    page.locator("#precision").scroll_into_view_if_needed()
    page.mouse.move(0, 0)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pair, text_pair = sd.load_pair("tiny-worlds"), sd.load_pair("python-bytes")
    with served(pair, text_pair, places=1) as url, sync_playwright() as playwright, launched(playwright) as browser:
        for theme in ("dark", "light"):
            page = opened(browser, url, theme)
            drawn(page)
            page.screenshot(path=folder / f"scales-{theme}.png")
        first, *others = film(page)
        models(page)
        drawn(page)
        page.screenshot(path=folder / "models.png", clip=RAIL)
        page = tree(browser, url)
        drawn(page)
        page.screenshot(path=folder / "tree.png")
    durations = [MILLISECONDS] * len(others) + [LAST]
    first.save(folder / "scales.gif", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


if __name__ == "__main__":
    main()
