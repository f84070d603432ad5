"""Fixtures of every test file: the embedded pair, its page, a browser, and visitors who leave no trace elsewhere."""

import asyncio

import pytest
from playwright.sync_api import sync_playwright

import sdvar_core as sd
from tests.browser import CHROMIUM, launched, served, until
from tests.tiny import tiny_text_pair
from tests.tree_browser import choose, opened


@pytest.fixture(scope="session")
def pair():
    return sd.load_pair("tiny-worlds")


@pytest.fixture(scope="module")
def address(pair):
    with served(pair) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser
    asyncio.set_event_loop(None)


@pytest.fixture
def visit(browser):
    """Opens an address as a fresh visitor; afterwards nobody else may have been asked, and nothing complained.

    A visitor asks for reduced motion, so that no test waits for a cursor that runs after the newest event.
    """
    contexts, complaints, strangers = [], [], []

    def opened(url, width=1440, height=900, reduced_motion="reduce", **options):
        viewport = {"width": width, "height": height}
        context = browser.new_context(viewport=viewport, reduced_motion=reduced_motion, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        ours = (url.partition("?")[0], "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(ours) else strangers.append(r.url))
        page.goto(url)
        until(page, "!!(window.sdvar || window.sdvarTree)")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert strangers == []


@pytest.fixture
def open_page(visit, address):
    """Opens our page as a fresh visitor, once its buttons and its stage are there."""

    def opened(width=1440, height=900, theme="light", query=None):
        page = visit(f"{address}?{query or f'__theme={theme}'}", width, height)
        page.wait_for_selector("#generate")
        page.wait_for_selector(".stage[data-ready=true]")
        return page

    return opened


@pytest.fixture
def visitor(open_page):
    return open_page()


# The Tree tab


@pytest.fixture(scope="session")
def text_pair():
    """Tiny and untrained: what it writes is nonsense, of all bytes that there are."""
    return tiny_text_pair()


@pytest.fixture(scope="module")
def tree_address(pair, text_pair):
    with served(pair, text_pair) as url:
        yield url


@pytest.fixture
def open_tree(visit, tree_address):
    """Opens our page as a fresh visitor, on the Tree tab."""
    return lambda *arguments, **query: opened(visit, tree_address, *arguments, **query)


@pytest.fixture
def tree_visitor(open_tree):
    page = open_tree()
    choose(page, length=40)
    return page
