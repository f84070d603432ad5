"""What every browser test needs: the served page, a target that takes its time, and a visitor's gestures."""

import shutil
import socket
import time
import warnings
from contextlib import contextmanager

import pytest

# The shell is chromium without what only a window needs: pages open in two thirds of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
BROWSER_TEST = [
    pytest.mark.browser,
    # Gradio and its server are not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Pace:
    """How long every call of a slow target takes; a test may change it while the page runs."""

    seconds = 0.0

    def wait(self):
        time.sleep(self.seconds)


class SlowTarget:
    """A target whose every call takes a while, so that there is time to press Stop."""

    def __init__(self, model, pace):
        self.model, self.classes, self.pace = model, getattr(model, "classes", None), pace

    def condition(self, labels):
        return self.model.condition(labels)

    def new_cache(self, batch):
        return self.model.new_cache(batch)

    def __call__(self, *arguments):
        self.pace.wait()
        return self.model(*arguments)


class SlowText:
    """The same for a target that reads trees."""

    def __init__(self, model, pace):
        self.model, self.vocabulary, self.pace = model, model.vocabulary, pace

    def new_state(self, batch):
        return self.model.new_state(batch)

    def __call__(self, *arguments):
        return self.model(*arguments)

    def tree(self, *arguments):
        self.pace.wait()
        return self.model.tree(*arguments)


class Watch:
    """Pages that are listened to: nobody else may be asked, and nothing may complain."""

    def __init__(self, browser):
        self.browser, self.complaints, self.strangers = browser, [], []

    def context(self, reduced_motion="reduce", **options):
        """A fresh browser. Its visitor asks for reduced motion: no test waits for a cursor that runs after an event."""
        return self.browser.new_context(reduced_motion=reduced_motion, **options)

    def open(self, context, url, width=1440, height=900):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        ours = (url.partition("?")[0], "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(ours) else self.strangers.append(r.url))
        page.goto(url)
        until(page, "!!(window.sdvar || window.sdvarTree)")
        return page

    def check(self):
        """Fails if there was anything since the last check."""
        heard, asked = self.complaints, self.strangers
        self.complaints, self.strangers = [], []
        assert heard == []
        assert asked == []


@contextmanager
def launched(playwright):
    """A headless chromium that keeps to itself."""
    arguments = ["--no-sandbox", "--disable-background-networking"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


def free_port():
    """Of the kernel's choice: Gradio's own search, from the same number on, would meet that of another worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(pair, text_pair=None, text_loader=None, **menu):
    """The page on a pair of picture models, and on one of language models if a test has one or a way to load it; menu:
    see ``build_page``."""
    from app.page import build_page, launch_options  # here, since Gradio takes seconds and most tests do without

    loader = text_loader or (text_pair and (lambda: text_pair))
    page = build_page(lambda: pair, *([loader] if loader else []), **menu)
    page.visits.warm_up()  # as app.py does: the first run is slower
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        where = {"server_name": "127.0.0.1", "server_port": free_port()}
        _, url, _ = page.launch(**launch_options(), prevent_thread_lock=True, **where)
    yield url
    page.close(verbose=False)


def generate(page):
    before = page.evaluate("sdvar.header.run")
    page.click("#generate")
    page.wait_for_function(
        "run => sdvar.header.run !== run && sdvar.finished && sdvar.baseline && sdvar.cursor === sdvar.count - 1",
        arg=before,
        timeout=60_000,
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


def resize(page, width, height):
    """Another window; the pointer, if it is not the same, stands in its corner and not on what came to lie there."""
    if page.viewport_size != {"width": width, "height": height}:
        page.set_viewport_size({"width": width, "height": height})
        page.mouse.move(5, 5)
    drawn(page)


def let_go(page, probe="sdvar"):
    """Back to how a run is shown once it has ended: the cursor at the end, nothing held, pointed at or played."""
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(5, 5)
    page.keyboard.press("Escape")
    page.evaluate(f"{probe}.goTo({probe}.count - 1)")
    page.wait_for_function(f"{probe}.selection === null && !{probe}.playing")
    drawn(page)


def recover(page):
    """As ``let_go``, and every view of the Scales tab shows what it shows at first."""
    resize(page, 1440, 900)
    page.click("[data-heat=verdict]")
    page.click("[data-picture=committed]")
    page.select_option('[data-part="mask-kind"]', "block")
    let_go(page)


def until(page, expression):
    """Wait from outside: the replay page's own policy forbids it to evaluate strings."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")
