"""The Models section in a real browser, with a hub on this machine that has small files of the official keys."""

import time
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

import sdvar_core as sd
from app.downloads import Downloads
from tests.browser import BROWSER_TEST, generate, go_to, served
from tests.conftest import ready
from tests.small_hub import publish, serving, small_configurations, small_fetch_command
from tests.test_page_address import query, wait_for_address

pytestmark = BROWSER_TEST
LIGHT = True
PAIR = "var-d16-d20"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The hub, for this process and for those that it starts, and an empty cache."""
    folder, cache = tmp_path_factory.mktemp("published"), tmp_path_factory.mktemp("home")
    publish(folder)
    with pytest.MonkeyPatch.context() as patch, small_configurations(), serving(folder) as (address, published):
        patch.setenv("HF_ENDPOINT", address)
        patch.setenv("HF_HOME", str(cache))
        patch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
        patch.setattr("app.tabs.models.Downloads", lambda: Downloads(small_fetch_command))
        yield published


@pytest.fixture(scope="module")
def offered(pair, hub):
    """The address of a page whose visitors may choose other pairs."""
    with served(pair, places=1) as url:
        yield url


@pytest.fixture
def page(revisit, offered):
    page = ready(revisit(f"{offered}?__theme=light"))
    page.click("#models > button, #models .label-wrap")
    page.wait_for_selector("#pair label")
    return page


def row(page, name):
    return page.locator("#pair label", has_text=name)


def choose_pair(page, name):
    row(page, name).first.click()
    page.wait_for_function("name => document.querySelector('#about-scales').innerText.startsWith(name)", arg=name)


def test_a_closed_tab_ends_its_download(page, hub):
    hub.pause = 0.05
    choose_pair(page, PAIR)
    page.click("#models-get")
    page.wait_for_selector("#models-note progress")
    page.close()
    until = time.monotonic() + 20.0
    while not hub.hung_up and time.monotonic() < until:
        time.sleep(0.1)
    assert hub.hung_up == 1
    hub.pause = 0.0


def test_a_pair_is_downloaded_chosen_and_drawn_with(page, visit, hub, offered, pair):
    assert row(page, "tiny-worlds").first.inner_text() == "tiny-worlds\nships with this page"
    assert row(page, "var-d16-d30").inner_text().endswith("8.1 GB to get")  # its draft and its tokenizer are small here
    page.click("#step")
    page.wait_for_function("sdvar.count === 1 && !sdvar.busy")
    before = page.evaluate("sdvar.header.run")
    choose_pair(page, PAIR)
    assert page.inner_text("#about-scales") == f"{PAIR} · 680 tokens in 10 scales · cpu, float32"
    assert page.is_hidden("#world")
    assert page.input_value("#class input") == "Volcano"
    wait_for_address(page, pair=PAIR, device="cpu", precision="float32", world="volcano")
    page.click("#generate")
    page.wait_for_function("sdvar.notice")
    assert (
        page.inner_text('[data-part="sentence"]') == f"{PAIR} is not here yet: under Models press 'Download 29.7 MB'."
    )
    assert page.evaluate("sdvar.header.run") == before, "nothing is lost"
    # Stop, and go on. A process that was left alone a moment ago may still be ending.
    hub.pause = 0.05
    page.click("#models-get")
    page.wait_for_selector("#models-note progress")
    page.click("#models-stop")
    page.wait_for_selector("text=it goes on where it stopped")
    hub.pause = 0.0
    page.click("#models-get")
    page.wait_for_function(
        "document.querySelector('#pair label.selected').innerText.includes('on this disk')", timeout=60_000
    )
    page.wait_for_selector("#models-get", state="hidden")
    page.fill("#gamma input[type=number]", "0")  # few events, as each paints 256 × 256 pixels
    page.press("#gamma input[type=number]", "Enter")
    page.click("#generate")
    page.wait_for_function(
        "pair => sdvar.finished && sdvar.header.pair === pair && !sdvar.busy", arg=PAIR, timeout=60_000
    )
    with_page = page.evaluate("sdvar.state.scales.map(scale => Array.from(scale.tokens))")
    trace = sd.generate(sd.load_pair(PAIR), label="volcano", seed=7, gamma=0)
    assert with_page == [tokens[0].tolist() for tokens in trace.tokens]
    # Another visitor opens the address.
    go_to(page, 1)
    wait_for_address(page, event="2")
    other = ready(visit(f"{offered}?{urlsplit(page.url).query}"))
    other.wait_for_function("sdvar.count === 2 && !sdvar.busy")
    assert other.evaluate("sdvar.header.settings") == page.evaluate("sdvar.header.settings")
    assert other.input_value("#class input") == "Volcano"
    assert other.inner_text("#about-scales").startswith(PAIR)
    assert query(other)["pair"] == PAIR
    # And back.
    choose_pair(page, "tiny-worlds")
    page.wait_for_selector("#world label")
    assert page.is_hidden("#class")
    assert page.is_checked("#world input[value='volcano']")
    page.click("#step")
    page.wait_for_function("sdvar.header.pair === 'tiny-worlds' && !sdvar.busy")
    page.wait_for_function("!new URLSearchParams(location.search).has('pair')")


def test_what_does_not_fit_is_said_before_it_is_downloaded(page, monkeypatch):
    monkeypatch.setattr("sdvar_core.footprint.free_memory", lambda device="cpu": 2 * 10**9)
    row(page, "var-d36").click()
    page.wait_for_selector("#models-note .refused")
    sentence = page.inner_text("#models-note")
    assert sentence.startswith("var-d36 in float32 needs ")
    assert sentence.endswith("of memory on cpu, but 2.0 GB are free: choose a smaller pair or another precision.")
    assert page.is_hidden("#models-get")
    page.wait_for_function("document.querySelector('#pair').innerText.includes('too large here')")
    page.click("#generate")
    page.wait_for_function("sdvar.notice")
    assert page.inner_text('[data-part="sentence"]') == sentence


def test_the_precision_of_the_embedded_pair(page):
    if "bfloat16" not in sd.precisions("cpu"):
        assert sd.precisions("cpu") == ("float32",)
        return
    page.click("#precision input")
    page.get_by_role("option", name="bfloat16").click()
    page.wait_for_function("document.querySelector('#about-scales').innerText.endsWith('cpu, bfloat16')")
    generate(page)
    assert page.evaluate("sdvar.header.settings.precision") == "bfloat16"
