"""Fork and Compare in a real browser, on the embedded pair: two runs, one slider, and what differs is marked."""

import json
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest

import sdvar_core as sd
from tests.browser import BROWSER_TEST, choose, drawn, generate, go_to, let_go, resize
from tests.test_page_accessibility import settle, violations
from tests.test_page_address import wait_for_address

pytestmark = BROWSER_TEST
LIGHT = True

SIZES = [(1440, 900), (1024, 768), (390, 844)]
TOKENS = "side => sdvar[side].state.scales.map(s => s.tokens && Array.from(s.tokens))"
BOTH = "sdvar.left && sdvar.right.finished && sdvar.right.baseline && sdvar.cursor === sdvar.count - 1 && !sdvar.busy"
FRAMES = """side => { const all = [];
  for (let i = 0; i < sdvar[side].count; i += 1) { sdvar.goTo(i); all.push(JSON.stringify(sdvar[side].frame)); }
  return all; }"""


def frames_of(page, side):
    """What a run shows, event by event; the time of the picture decoder is its own."""
    found = [json.loads(text) for text in page.evaluate(FRAMES, side)]
    for one in found:
        one["counters"].pop("decoder_ms")
    return found


def hold_a_rejected_token(page):
    """Go to the first judgement of a fine scale with a correction, and hold the first token that was corrected."""
    return page.evaluate(
        """() => { sdvar.goTo(0);
          const corrected = () => sdvar.frame.kind === 'judged' && sdvar.state.current > 1
            ? Array.from(sdvar.state.scales[sdvar.state.current].verdicts).indexOf(3) : -1;
          while (corrected() < 0) sdvar.goTo(sdvar.cursor + 1);
          const held = [sdvar.cursor, sdvar.state.current, corrected()];
          sdvar.select(held[1], held[2]);
          return held; }"""
    )


def fork(page):
    page.click("[data-part=fork-run]")
    page.wait_for_function(BOTH, timeout=60_000)
    drawn(page)


@pytest.fixture(scope="module")
def forked_page(finished_page):
    """The run of the preset settings and a fork that overturned one verdict; at which event, scale and token."""
    held = hold_a_rejected_token(finished_page)
    finished_page.click("[data-do=fork]")
    fork(finished_page)
    return finished_page, *held


@pytest.fixture
def forked(forked_page, watched):
    """Page, event, scale, token; for tests that only look. The token is held and the cursor is at the end."""
    page, _event, scale, token = forked_page
    let_go(page)
    page.evaluate("([scale, index]) => sdvar.select(scale, index)", [scale, token])
    return forked_page


def test_an_overturned_verdict_runs_on_beside_the_original(forked, pair):
    page, event, scale, token = forked
    one = sd.generate(pair, label=0, seed=7, gamma=3)
    other = sd.trace_of(pair, sd.forked(one.request, sd.Fork(event, token=token)),
                        list(sd.fork(pair, one, sd.Fork(event, token=token))))  # fmt: skip
    for side, trace in (("left", one), ("right", other)):
        assert page.evaluate(TOKENS, side) == [entry[0].tolist() for entry in trace.tokens]
    told = page.evaluate("sdvar.differences")
    assert told["differing"] == other.differing_tokens(one) > 0
    assert told["first"] == scale
    assert page.evaluate("sdvar.fork") == event
    left, right = frames_of(page, "left"), frames_of(page, "right")
    assert left[:event] == right[:event], "what came before is the same, measured times included"
    assert left[event] != right[event]
    go_to(page, page.evaluate("sdvar.count") - 1)  # the end of the longer one
    text = page.inner_text('[data-part="sentence"]')
    sentence = f"Forked at event {event + 1}: here the verdict of token {token + 1} of scale {scale + 1} was overturned"
    assert text.startswith(sentence)
    assert f"{told['differing']} of 680 tokens" in text
    assert "not exact: a verdict was overturned by hand" in page.inner_text('[data-part="b-note"]')
    assert page.inner_text('[data-part="a-note"]').endswith("· exact")
    assert "kept by hand" in page.inner_text('[data-part="b-said"]')


def test_one_slider_moves_both_and_asks_nobody(forked):
    page, event, *_ = forked
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    go_to(page, event - 1)
    assert page.evaluate("sdvar.differences.differing") == 0
    assert "both runs are the same" in page.inner_text('[data-part="sentence"]')
    assert page.evaluate(TOKENS, "left") == page.evaluate(TOKENS, "right")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[sdvar.left.state.index, sdvar.right.state.index]") == [event, event]
    assert page.evaluate("sdvar.differences.differing") == 1
    page.wait_for_timeout(400)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


def test_tokens_that_differ_have_a_dot_in_both(forked):
    page, *_ = forked
    marks = page.evaluate("sdvar.differences.scales.map(s => Array.from(s))")
    ink = page.evaluate("getComputedStyle(document.body).getPropertyValue('--sd-ink').trim()")
    dark = [int(ink[at : at + 2], 16) for at in (1, 3, 5)]
    page.keyboard.press("Escape")
    drawn(page)
    for letter in "ab":
        for scale, row in enumerate(marks):
            for index in {0, len(row) // 2, len(row) - 1, *np.flatnonzero(row).tolist()[:5]}:
                colour = page.evaluate("([l, s, i]) => sdvar.mapCell(l, s, i).colour", [letter, scale, index])
                near = max(abs(a - b) for a, b in zip(colour, dark)) < 40
                assert near == bool(row[index]), (letter, scale, index, colour)


def test_a_fork_that_changes_nothing_is_the_same_run(visitor):
    generate(visitor)
    go_to(visitor, 10)
    visitor.keyboard.press("f")
    assert visitor.inner_text('[data-part="fork-title"]') == "Fork this run at event 11"
    assert visitor.is_disabled('[data-part="fork-overturn"]')
    fork(visitor)
    left, right = frames_of(visitor, "left"), frames_of(visitor, "right")
    assert right[10].pop("fork")["sentence"] == "Forked at event 11: nothing is changed."
    for one in (*left, *right):
        one["counters"] = {name: value for name, value in one["counters"].items() if not name.endswith("_ms")}
        one.pop("milliseconds", None)
    assert left == right
    assert visitor.evaluate("sdvar.differences.differing") == 0
    assert visitor.inner_text('[data-part="b-note"]').endswith("· exact")


def test_rule_options_and_gamma_of_a_fork(visitor, pair):
    generate(visitor)
    go_to(visitor, 8)
    visitor.click("[data-do=fork]")
    visitor.select_option('[data-part="fork-rule"]', "topk")
    assert "likeliest" in visitor.inner_text('[data-part="fork-rule-said"]')
    visitor.fill('[data-part="fork-options"] input[name=k]', "5")
    visitor.fill('[data-part="fork-gamma"]', "1")
    fork(visitor)
    change = sd.Fork(8, rule="topk", options={"k": 5, "least_kept": 0.8}, gamma=1)
    one = sd.generate(pair, label=0, seed=7, gamma=3)
    events = list(sd.fork(pair, one, change))
    assert visitor.evaluate("sdvar.right.count") == len(events)
    assert visitor.evaluate(TOKENS, "right") == [
        entry[0].tolist() for entry in sd.trace_of(pair, sd.forked(one.request, change), events).tokens
    ]
    assert "topk" in visitor.inner_text('[data-part="b-note"]')
    visitor.click("[data-do=fork]")
    visitor.fill('[data-part="fork-gamma"]', "99")
    visitor.click("[data-part=fork-run]")
    visitor.wait_for_function("sdvar.notice")
    assert "gamma" in visitor.inner_text('[data-part="sentence"]')
    assert visitor.evaluate("!!sdvar.left && sdvar.right.finished"), "nothing is lost"


def test_compare_keeps_this_run_and_the_next_comes_beside_it(visitor, pair):
    generate(visitor)
    first = visitor.evaluate("sdvar.header.run")
    visitor.click("[data-part=beside]")
    visitor.wait_for_function("sdvar.left")
    assert "press Generate" in visitor.inner_text('[data-part="sentence"]')
    assert visitor.is_disabled("[data-part=choose-b]")
    choose(visitor, pair, 0, gamma=1)
    generate(visitor)
    assert visitor.evaluate("sdvar.left.header.run") == first
    assert visitor.evaluate("[sdvar.left, sdvar.right].map(s => s.header.settings.gamma)") == [3, 1]
    text = visitor.inner_text('[data-part="sentence"]')
    assert "The same luck, seed 7." in text
    assert "All 680 tokens" in text, "under an exact coupled rule both are the target's own"
    choose(visitor, pair, 0, gamma=1, seed=8)
    generate(visitor)
    assert "Not the same luck: seeds 7 and 8." in visitor.inner_text('[data-part="sentence"]')
    visitor.click("[data-part=choose-a]")
    visitor.wait_for_function("run => !sdvar.left && sdvar.header.run === run", arg=first)
    assert visitor.is_visible('[data-part="pyramid"]')
    assert visitor.is_hidden('[data-part="a-maps"]')


def test_a_token_is_read_in_both_runs_by_mouse_and_by_keyboard(forked):
    page, *_ = forked
    page.keyboard.press("Escape")
    place = page.evaluate("sdvar.mapCell('b', 6, 20)")
    page.mouse.click(place["x"], place["y"])
    drawn(page)
    assert page.evaluate("sdvar.selection") == {"scale": 6, "index": 20}
    for letter in "ab":
        assert page.inner_text(f'[data-part="{letter}-said"]').startswith("Token 21 of scale 7.")
    page.focus('[data-part="a-maps"]')
    page.mouse.move(5, 5)
    page.keyboard.press("ArrowRight")
    drawn(page)
    assert page.evaluate("sdvar.selection") == {"scale": 6, "index": 21}


def test_everything_by_keyboard_alone(visitor):
    generate(visitor)
    hold_a_rejected_token(visitor)
    visitor.keyboard.press("f")
    assert visitor.is_checked('[data-part="fork-overturn"]')
    visitor.keyboard.press("Escape")
    assert visitor.evaluate("!document.querySelector('dialog[open]')")
    visitor.keyboard.press("f")
    visitor.focus('[data-part="fork-overturn"]')
    visitor.keyboard.press("Space")
    assert not visitor.is_checked('[data-part="fork-overturn"]')
    visitor.focus('[data-part="fork-run"]')
    visitor.keyboard.press("Enter")
    visitor.wait_for_function(BOTH, timeout=60_000)
    visitor.focus('[data-part="choose-b"]')
    visitor.keyboard.press("Enter")
    visitor.wait_for_function("!sdvar.left")
    visitor.keyboard.press("c")
    visitor.wait_for_function("sdvar.left && !sdvar.right.count")


def test_a_fresh_browser_restores_both_runs_and_the_cursor(forked, open_page):
    page, event, *_ = forked
    go_to(page, event + 2)
    page.wait_for_function("n => new URLSearchParams(location.search).get('event') === String(n)", arg=event + 3)
    other = open_page(query=urlsplit(page.url).query, fresh=True)
    other.wait_for_function(
        "n => sdvar.left && sdvar.right.finished && sdvar.cursor === n", arg=event + 2, timeout=60_000
    )
    assert other.evaluate("sdvar.fork") == event
    for side in ("left", "right"):
        assert other.evaluate(TOKENS, side) == page.evaluate(TOKENS, side)
    assert other.evaluate("sdvar.differences.differing") == page.evaluate("sdvar.differences.differing")


def test_a_fresh_browser_restores_options_phases_and_fault(open_page):
    query = {"rule": "typical", "epsilon": 0.25, "plan": "speculate, unverified from n", "handover": 8,
             "fault": "no rollback", "gamma": 2, "event": 5, "__theme": "light"}  # fmt: skip
    page = open_page(query=urlencode(query))
    page.wait_for_function("sdvar.count === 5 && !sdvar.busy", timeout=60_000)
    settings = page.evaluate("sdvar.header.settings")
    wanted = {name: query[name] for name in ("rule", "epsilon", "plan", "handover", "fault", "gamma")}
    assert {name: settings[name] for name in wanted} == wanted
    page.click("#sampling button")
    assert page.input_value("#option-epsilon input[type=number]") == "0.25"
    assert page.is_hidden("#option-tolerance")
    wait_for_address(page, epsilon="0.25", event="5")  # which an earlier event may stand in for a moment
    again = open_page(query=urlsplit(page.url).query, fresh=True)
    again.wait_for_function("sdvar.count === 5 && !sdvar.busy", timeout=60_000)
    assert again.evaluate("sdvar.header.settings") == settings


def test_a_hostile_fork_is_one_sentence(open_page):
    page = open_page(query=urlencode({"seed": 9, "fork": "3*rule-<img src=x onerror=alert(1)>", "__theme": "light"}))
    page.wait_for_function("sdvar.notice")
    text = page.inner_text('[data-part="sentence"]')
    assert text == "The address holds values that do not fit and were left out: fork."
    assert page.evaluate("sdvar.count") == 0


def nothing_grave_and_nothing_cut(page, width, height):
    settle(page)
    assert violations(page) == []
    wide, tall = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert wide <= width
    assert tall <= height or width < 1280
    cut = page.evaluate(
        "[...document.querySelectorAll('.compare :is(dd, button, .side-said, .side-note)')].filter(e => "
        "e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1 || "
        "e.getBoundingClientRect().right > e.closest('.side, .compare').getBoundingClientRect().right)"
        ".map(e => e.outerHTML)"
    )
    assert cut == []


@pytest.mark.parametrize(("theme", "sizes"), [("light", SIZES), ("dark", SIZES[::-1])])
def test_two_runs_fit_and_nothing_grave_is_wrong(open_page, theme, sizes):
    """Opened and run on a large screen or on a phone; the question and then both runs at every size."""
    page = open_page(*sizes[0], theme)
    generate(page)
    hold_a_rejected_token(page)
    page.click("[data-do=fork]")
    for width, height in sizes:
        resize(page, width, height)
        settle(page)
        assert violations(page) == [], (width, height)
        box = page.locator("dialog[open]").bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    fork(page)
    for width, height in sizes[::-1]:
        resize(page, width, height)
        nothing_grave_and_nothing_cut(page, width, height)
