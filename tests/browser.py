"""What every browser test needs: the served page, a target that takes its time, and a visitor's gestures."""

import shutil
import time
import warnings
from contextlib import contextmanager

import pytest

from app.page import build_page, launch_options

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROWSER_TEST = [
    pytest.mark.browser,
    # Gradio and its server are not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class SlowTarget:
    """A target whose every call takes a while, so that there is time to press Stop."""

    def __init__(self, model):
        self.model, self.classes = model, getattr(model, "classes", None)

    def condition(self, labels):
        return self.model.condition(labels)

    def new_cache(self, batch):
        return self.model.new_cache(batch)

    def __call__(self, *arguments):
        time.sleep(0.3)
        return self.model(*arguments)


@contextmanager
def launched(playwright):
    """A headless chromium that keeps to itself."""
    arguments = ["--no-sandbox", "--disable-background-networking"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


@contextmanager
def served(pair, text_pair=None, text_loader=None):
    """The page on a pair of picture models, and on one of language models if a test has one or a way to load it."""
    loader = text_loader or (text_pair and (lambda: text_pair))
    page = build_page(lambda: pair, *([loader] if loader else []))
    page.visits.warm_up()  # as app.py does: the first run is slower
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, server_name="127.0.0.1")
    yield url
    page.close(verbose=False)


def generate(page):
    before = page.evaluate("sdvar.header.run")
    page.click("#generate")
    page.wait_for_function(
        "run => sdvar.header.run !== run && sdvar.finished && sdvar.baseline && sdvar.cursor === sdvar.count - 1",
        arg=before,
        timeout=20_000,
    )


def choose(page, pair, world, gamma, seed=None):
    page.locator("#world .wrap label").nth(world).click()
    page.fill("#gamma input[type=number]", str(gamma))
    page.press("#gamma input[type=number]", "Enter")
    if seed is not None:
        page.fill("#seed input", str(seed))
        page.press("#seed input", "Tab")


def shown(page, name):
    return page.inner_text(f'[data-part="count-{name}"]')


def drawn(page):
    """Wait until what was asked for is on the screen."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def go_to(page, index):
    page.evaluate("index => sdvar.goTo(index)", index)
    drawn(page)


def until(page, expression):
    """Wait from outside: the replay page's own policy forbids it to evaluate strings."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")
