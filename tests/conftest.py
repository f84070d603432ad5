"""Fixtures of every test file: the embedded pair, its page, a browser, and visitors who leave no trace elsewhere.

Opening the page and running it take seconds. So a worker has one browser and one server of each kind, a returning
visitor finds the caches warm, and tests that only look share a page of their file; each finds it as if it were the
first. A file of tests which do not mind what the models have learned says ``LIGHT = True``: its pair, and that of its
page, has the embedded tokenizer and small untrained transformers.
"""

import asyncio
from dataclasses import replace

import pytest
from playwright.sync_api import sync_playwright

import sdvar_core as sd
from tests.browser import (
    CHROMIUM,
    Pace,
    SlowTarget,
    SlowText,
    Watch,
    generate,
    launched,
    let_go,
    recover,
    served,
)
from tests.tiny import light_pair, tiny_text_pair
from tests.tree_browser import choose, opened
from tests.tree_browser import generate as generate_text


def pytest_xdist_auto_num_workers(config):
    """None for a single file, which starts sooner without them; else xdist counts the processors."""
    files = {argument.partition("::")[0] for argument in config.args}
    return 0 if len(files) == 1 and files.pop().endswith(".py") else None


def pytest_collection_modifyitems(items):
    """Browser tests last: a browser and a server live from the first of them to the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def embedded():
    return sd.load_pair("tiny-worlds")


@pytest.fixture(scope="session")
def light(embedded):
    return light_pair(embedded)


@pytest.fixture(scope="module")
def pair(request):
    return request.getfixturevalue("light" if getattr(request.module, "LIGHT", False) else "embedded")


@pytest.fixture(scope="session")
def text_pair():
    """Tiny and untrained: what it writes is nonsense, of all bytes that there are."""
    return tiny_text_pair()


@pytest.fixture(scope="session")
def embedded_address(embedded, text_pair):
    with served(embedded, text_pair) as url:
        yield url


@pytest.fixture(scope="session")
def light_address(light, text_pair):
    with served(light, text_pair) as url:
        yield url


@pytest.fixture(scope="module")
def address(request):
    light = getattr(request.module, "LIGHT", False)
    return request.getfixturevalue("light_address" if light else "embedded_address")


@pytest.fixture(scope="session")
def slow_models(light, text_pair):
    """A page whose targets keep a pace, and the pace."""
    pace = Pace()
    slow = replace(light, target=SlowTarget(light.target, pace))
    slow_text = replace(text_pair, target=SlowText(text_pair.target, pace))
    with served(slow, slow_text) as url:
        yield url, pace


@pytest.fixture
def slow(slow_models):
    """Address and pace of a page whose targets take their time."""
    url, pace = slow_models
    pace.seconds = 0.3
    yield url, pace
    pace.seconds = 0.0


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def watch(browser):
    return Watch(browser)


@pytest.fixture(scope="session")
def returning(watch):
    """The browser of a visitor who has been here before: the page keeps nothing, but its code is at hand."""
    context = watch.context()
    yield context
    context.close()


@pytest.fixture
def watched(watch):
    """Ears on every page that is open: after the test nobody else was asked, and nothing complained."""
    yield watch
    watch.check()


@pytest.fixture
def visit(watched):
    """Opens an address in a fresh browser."""
    contexts = []

    def opened(url, width=1440, height=900, **options):
        contexts.append(watched.context(**options))
        return watched.open(contexts[-1], url, width, height)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def revisit(watched, returning):
    """Opens an address as a returning visitor."""
    pages = []

    def opened(url, width=1440, height=900):
        pages.append(watched.open(returning, url, width, height))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def ready(page):
    """The page, once its buttons and its stage are there."""
    page.wait_for_selector("#generate")
    page.wait_for_selector(".stage[data-ready=true]")
    return page


@pytest.fixture
def open_page(revisit, visit, address):
    """Opens our page, in a fresh browser if that is asked for."""

    def opened(width=1440, height=900, theme="light", query=None, fresh=False):
        opening = visit if fresh else revisit
        return ready(opening(f"{address}?{query or f'__theme={theme}'}", width, height))

    return opened


@pytest.fixture
def visitor(open_page):
    return open_page()


@pytest.fixture(scope="module")
def finished_page(watch, returning, address):
    page = ready(watch.open(returning, f"{address}?__theme=light"))
    generate(page)
    yield page
    page.close()


@pytest.fixture
def finished(finished_page, watched):
    """A page with the run of the preset settings, for tests that start no other one there and touch no setting."""
    recover(finished_page)
    return finished_page


# The Tree tab


@pytest.fixture
def open_tree(revisit, visit, address):
    """Opens our page on the Tree tab, in a fresh browser if that is asked for."""

    def opening(*arguments, fresh=False, **query):
        return opened(visit if fresh else revisit, address, *arguments, **query)

    return opening


@pytest.fixture
def tree_visitor(open_tree):
    page = open_tree()
    choose(page, length=40)
    return page


@pytest.fixture(scope="module")
def finished_tree_page(watch, returning, address):
    page = opened(lambda *arguments: watch.open(returning, *arguments), address)
    choose(page, length=40)
    generate_text(page)
    yield page
    page.close()


@pytest.fixture
def finished_tree(finished_tree_page, watched):
    """As ``finished``, on the Tree tab."""
    let_go(finished_tree_page, "sdvarTree")
    return finished_tree_page
