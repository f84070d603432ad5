"""Sharing in a real browser: files come out of the page, open without it, and come in again."""

import json
from dataclasses import replace

import numpy as np
import pytest

import sdvar_core as sd
from tests.browser import BROWSER_TEST, resize, until

pytestmark = BROWSER_TEST
LIGHT = True
HOSTILE = "<img src=x onerror=window.hacked=1>{{7*7}}${window.hacked=1}</script>"
NUMBERS = """() => ({ counters: sdvar.state.counters, sentence: sdvar.state.sentence,
  verdicts: sdvar.state.scales.map(s => s.verdicts && Array.from(s.verdicts)),
  tokens: sdvar.state.scales.map(s => s.tokens && Array.from(s.tokens)),
  p: sdvar.state.scales.map(s => s.p && Array.from(s.p, x => String(x))) })"""
SIZES = [(1440, 900), (1366, 768), (390, 844)]
KINDS = {"trace": ".json", "replay": ".html", "film": ".gif", "png": ".png", "pdf": ".pdf"}


def unfold(page):
    page.click("#share button.label-wrap")
    page.wait_for_selector("#share-open")


def download(page, kind, folder):
    with page.expect_download(timeout=60_000) as started:
        page.click(f"#share-{kind}")
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def upload(page, path):
    page.set_input_files("#share input[type=file][accept]", str(path))


def numbers_at(page, index):
    page.evaluate("index => sdvar.goTo(index)", index)
    told = page.evaluate(NUMBERS)
    told["counters"].pop("decoder_ms")
    return json.loads(json.dumps(told), parse_float=lambda text: round(float(text), 6))


@pytest.fixture(scope="module")
def shared(finished_page, tmp_path_factory):
    """One run, its files, and its numbers at every event."""
    folder = tmp_path_factory.mktemp("shared")
    unfold(finished_page)
    files = {kind: download(finished_page, kind, folder) for kind in KINDS}
    numbers = [numbers_at(finished_page, index) for index in range(finished_page.evaluate("sdvar.count"))]
    handle = finished_page.evaluate("sdvar.header.run").rpartition(".")[0]
    return {"files": files, "numbers": numbers, "handle": handle}


def test_every_file_of_the_run_is_downloaded(shared, pair, watched):
    for kind, path in shared["files"].items():
        assert path.name == f"sdvar-{pair.class_names[0].replace(' ', '-')}-seed7-coupled{KINDS[kind]}"
    sizes = {kind: path.stat().st_size for kind, path in shared["files"].items()}
    assert sizes["replay"] <= 1_500_000
    assert sizes["film"] <= 1_100_000
    assert sd.Trace.load(shared["files"]["trace"]).same_run(
        sd.generate(pair, label=pair.class_names[0], seed=7, gamma=3)
    )
    assert shared["handle"] not in shared["files"]["replay"].read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_replay_page_scrubs_plays_and_selects_offline_from_disk(shared, visit, scheme):
    page = visit(shared["files"]["replay"].as_uri(), offline=True, color_scheme=scheme)
    until(page, f"sdvar.finished && sdvar.count === {len(shared['numbers'])}")
    assert [numbers_at(page, index) for index in range(len(shared["numbers"]))] == shared["numbers"]
    box = page.locator('[data-part="scrubber"]').bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    middle = page.evaluate("sdvar.cursor")
    assert abs(middle - (len(shared["numbers"]) - 1) / 2) <= 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate("sdvar.cursor") == middle + 1
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("sdvar.cursor") == len(shared["numbers"]) - 1
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    until(page, "sdvar.cursor >= 2")
    page.keyboard.press(" ")
    place = page.evaluate("sdvar.cell(3, 5)")
    page.mouse.click(place["x"], place["y"])
    assert page.evaluate("sdvar.selection") == {"scale": 3, "index": 5}
    page.keyboard.press("End")
    until(page, "document.querySelector('[data-part=readout-title]').textContent.startsWith('Token 6 of')")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollHeight") <= 900


def test_the_replay_page_fits_a_phone(shared, visit):
    page = visit(shared["files"]["replay"].as_uri(), 390, 844, offline=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_trace_opens_in_a_fresh_browser_with_the_same_numbers_and_is_shared_again(shared, visit, address, tmp_path):
    page = visit(address)
    unfold(page)
    upload(page, shared["files"]["trace"])
    page.wait_for_function("n => sdvar.count === n && sdvar.finished", arg=len(shared["numbers"]))
    assert [numbers_at(page, index) for index in range(len(shared["numbers"]))] == shared["numbers"]
    assert page.inner_text('[data-part="count-against"]') == "not in the file"
    assert page.evaluate("sdvar.frame.kind") == "round_end"
    again = download(page, "trace", tmp_path)
    assert sd.Trace.load(again).same_run(sd.Trace.load(shared["files"]["trace"]))
    page.click("#step")
    page.wait_for_function("sdvar.count === 1 && !sdvar.header.opened")


def test_a_wrong_file_is_one_sentence_and_the_next_one_opens(shared, revisit, address, tmp_path):
    page = revisit(address)
    unfold(page)
    page.click("#step")
    page.wait_for_function("sdvar.count === 1")
    broken = tmp_path / "broken.json"
    broken.write_text(shared["files"]["trace"].read_text()[:5000])
    upload(page, broken)
    page.wait_for_function("sdvar.notice")
    assert "not a whole trace file" in page.inner_text('[data-part="sentence"]')
    assert page.evaluate("sdvar.count") == 1
    upload(page, shared["files"]["trace"])
    page.wait_for_function("sdvar.finished")
    assert page.evaluate("sdvar.notice") is None


def test_a_run_that_has_not_ended_is_shared_as_far_as_it_goes(visit, revisit, address, tmp_path):
    page = revisit(address)
    unfold(page)
    for count in range(1, 5):
        page.click("#step")
        page.wait_for_function("n => sdvar.count === n", arg=count)
    path = download(page, "trace", tmp_path)
    assert path.stem.endswith("-unfinished")
    assert len(sd.Trace.load(path).events) == 4
    replayed = visit(download(page, "replay", tmp_path).as_uri(), offline=True)
    until(replayed, "sdvar.count === 4 && !sdvar.finished")
    assert download(page, "film", tmp_path).stat().st_size > 1000
    page.click("#step")
    page.wait_for_function("sdvar.count === 5")


def test_a_run_is_shared_while_it_streams(revisit, slow, tmp_path):
    page = revisit(slow[0])
    page.wait_for_selector(".stage[data-ready=true]")
    unfold(page)
    page.click("#generate")
    page.wait_for_function("sdvar.count >= 4 && sdvar.busy")
    path = download(page, "trace", tmp_path)
    assert page.evaluate("sdvar.busy")
    assert not sd.Trace.load(path).finished
    page.click("#stop")
    page.wait_for_function("!sdvar.busy")


def test_nothing_to_share_is_one_sentence(revisit, address):
    page = revisit(address)
    unfold(page)
    page.click("#share-film")
    page.wait_for_function("sdvar.notice")
    assert "no run to share yet" in page.inner_text('[data-part="sentence"]')
    assert page.inner_text("#share-film") == "Film"


def test_hostile_text_is_text_on_the_page_and_in_its_replay(shared, visit, revisit, address, tmp_path):
    trace = sd.Trace.load(shared["files"]["trace"])
    request = replace(trace.request, label=HOSTILE, rule=HOSTILE)
    replace(trace, pair=HOSTILE, request=request).save(tmp_path / "hostile.json")
    page = revisit(address)
    unfold(page)
    upload(page, tmp_path / "hostile.json")
    page.wait_for_function("sdvar.finished")
    page.wait_for_function(
        "text => document.querySelector('[data-part=run-note]').textContent.includes(text)", arg=HOSTILE
    )
    replayed = visit(download(page, "replay", tmp_path).as_uri(), offline=True)
    until(replayed, "sdvar.finished")
    for one in (page, replayed):
        for index in np.linspace(0, len(shared["numbers"]) - 1, 5).astype(int).tolist():
            one.evaluate("index => sdvar.goTo(index)", index)
        one.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert HOSTILE in one.inner_text('[data-part="run-note"]')
        assert one.evaluate("window.hacked") is None
        assert one.locator("#stage img").count() == 0
    for kind in ("film", "png", "pdf"):
        assert download(page, kind, tmp_path).stat().st_size > 10_000


@pytest.mark.parametrize(("theme", "sizes"), [("light", SIZES), ("dark", SIZES[::-1])])
def test_the_unfolded_section_fits(open_page, theme, sizes):
    page = open_page(*sizes[0], theme)
    unfold(page)
    for width, height in sizes:
        resize(page, width, height)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if height == 900:
            assert page.evaluate("document.documentElement.scrollHeight") <= height
            assert page.evaluate("(r => r.scrollHeight <= r.clientHeight)(document.querySelector('#rail'))")
    names = page.evaluate("[...document.querySelectorAll('#share-buttons button')].map(b => b.textContent.trim())")
    assert names == ["Trace", "Replay", "Film", "Slide PNG", "Slide PDF", "Open trace"]
