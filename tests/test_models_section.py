"""What the Models section answers to its controls, whoever moves them."""

import asyncio
import gc
from types import SimpleNamespace

import gradio as gr
import pytest

from app import menu
from app.tabs.models import ModelControls, about
from sdvar_core import outline
from tests.browser import BROWSER_TEST
from tests.fakes import fake_pair
from tests.test_menu import LARGE, ONE, here  # noqa: F401 – a fixture

pytestmark = BROWSER_TEST  # without a browser, but Gradio is as untidy here
VISITOR = SimpleNamespace(session_hash="a")


@pytest.fixture(autouse=True)
def tidied():
    """What Gradio leaves open is thrown away while its warnings are not heard."""
    yield
    gc.collect()


def section(**places):
    with gr.Blocks(analytics_enabled=False):
        return ModelControls(menu.Menu(fake_pair, **places))


def note(controls, *asked):
    return controls._shown(*asked)[2]


def test_a_page_that_keeps_to_its_pair_says_so():
    sentence = "This page keeps to fake: on a computer of your own it offers every pair."
    assert note(section(), ONE, "cpu", "float32") == f'<p class="refused">{sentence}</p>'


def test_a_pair_says_what_it_is_and_needs(here, monkeypatch):  # noqa: F811
    monkeypatch.setattr("app.tabs.models.needs", menu.needs)
    controls = section(places=1)
    _, precision, said, button = controls._shown("var-d16-d30", "cpu", "float32")
    assert said.startswith('<p class="told">ImageNet, 256 × 256 pixels')
    assert said.endswith("Needs 19.4 GB of disk and 18.6 GB of memory on cpu.</p>")
    assert (button["value"], button["visible"]) == ("Download 9.7 GB", True)
    assert precision["value"] == "float32"
    assert controls._shown("var-d16-d30", "cpu", "float16")[1]["value"] == "float32", "the rule's, where it is not had"
    assert not controls._shown(ONE, "cpu", "float32")[3]["visible"], "what is here needs no button"
    here["cpu"] = 10**9
    _, _, said, button = controls._shown(LARGE, "cpu", "float32")
    assert said.startswith('<p class="refused">var-d36 in float32 needs 22.2 GB of memory on cpu, but 1.0 GB are free')
    assert not button["visible"]


@pytest.mark.parametrize(
    "asked", [("<b>", "cpu", "float32"), (["x"], {}, 1), (None, "cuda:9", None), (ONE, "<i>", "y")]
)
def test_hostile_choices_are_one_escaped_sentence(here, asked):  # noqa: F811
    controls = section(places=1)
    said = note(controls, *asked)
    assert said.startswith('<p class="refused">Unknown ')
    assert said.count("<") == 2
    assert len(controls._everywhere(*asked)) == 8

    async def watched():
        return [news async for news in controls._watch(*asked, VISITOR)]

    ((*_, told, _, _),) = asyncio.run(watched())
    assert told == said
    assert not controls._watching


def test_the_title_bar_says_what_runs():
    assert about(outline(LARGE), "cpu", "bfloat16") == "var-d36 · 2240 tokens in 10 scales · cpu, bfloat16"
