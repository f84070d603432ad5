"""The Tree tab in a real browser, on a tiny pair of language models: what is shown is what the trace says."""

import numpy as np
import pytest
from gradio_client import Client

import sdvar_core as sd
from tests.browser import BROWSER_TEST, drawn, resize, served
from tests.test_page_accessibility import settle, violations
from tests.tree_browser import (
    PROMPT,
    STAGE,
    choose,
    generate,
    go_to,
    opened,
    part,
    pick,
    seek,
    told,
    trace_of,
    unfold,
)

pytestmark = BROWSER_TEST
LIGHT = True
LARGE_FIRST = [(1440, 900), (1366, 768), (1024, 768), (390, 844)]
SMALL_FIRST = LARGE_FIRST[::-1]
HOSTILE = "<img src=x onerror=window.hacked=1>{{7*7}}${window.hacked=1}\x1b\u202e é😀"


def so_far(trace, index):
    return sd.TextTrace(trace.pair, trace.request, trace.events[: index + 1])


def assert_counters(page, trace, index):
    part = so_far(trace, index)
    assert told(page, "count-calls") == str(part.target_calls)
    assert told(page, "count-written") == f"{len(part.written)} of 40"
    if part.drafted:
        told_accepted, share = told(page, "count-accepted").split(" · ")
        assert told_accepted == f"{part.accepted} of {part.drafted}"
        assert float(share.removesuffix("%")) == pytest.approx(100 * part.acceptance_rate, abs=0.51)
    if part.target_calls:
        lengths = [float(length) for length in told(page, "count-length").split(" · ")]
        assert lengths == pytest.approx([part.mean_accepted_length, part.mean_length_with_bonus], abs=0.0051)
    if part.written:
        assert float(told(page, "count-reduction").removesuffix("×")) == pytest.approx(part.call_reduction, abs=0.0051)


def test_scales_stays_the_first_tab_and_an_empty_tree_says_what_it_is(visit, address):
    page = visit(address)
    page.wait_for_selector("#generate")
    assert page.is_visible("#stage .stage")
    page.get_by_role("tab", name="Tree", exact=True).click()
    page.wait_for_selector(f"{STAGE} .stage[data-ready=true]")
    assert "draft" in told(page, "intro-start")
    assert "guesses grow here" not in told(page, "sentence")
    assert page.evaluate("sdvarTree.count") == 0


def test_generate_shows_the_run_of_these_settings(finished_tree, text_pair):
    trace = trace_of(text_pair)
    assert finished_tree.evaluate("sdvarTree.count") == len(trace.events)
    assert finished_tree.evaluate("sdvarTree.state.text.map(b => b.token)") == list(PROMPT + trace.written)
    for index in range(0, len(trace.events), 3):
        go_to(finished_tree, index)
        assert_counters(finished_tree, trace, index)
    go_to(finished_tree, len(trace.events) - 1)
    assert told(finished_tree, "count-against") == "identical"
    letters = finished_tree.inner_text(part("text")).replace("↵\n", "\n")
    assert letters.startswith(PROMPT.decode())


def test_the_colours_of_the_text_are_the_origins_of_its_bytes(finished_tree, text_pair):
    trace = trace_of(text_pair)
    expected = [0] * len(PROMPT)
    for commit in trace.of(sd.TreeCommit):
        bonus = next(event for event in trace.of(sd.BonusToken) if event.round == commit.round)
        tried = any(e.round == commit.round and e.parent == bonus.node for e in trace.of(sd.ChildJudged))
        expected += [1] * commit.accepted + [2 if tried else 3]
    assert finished_tree.evaluate("sdvarTree.state.text.map(b => b.origin)") == expected
    assert {0, 1, 2, 3} == set(expected)
    classes = finished_tree.evaluate(f"[...document.querySelectorAll('{part('text')} span')].map(s => s.classList[0])")
    assert set(classes) == {"prompt", "draft", "correction", "bonus"}


def test_stepping_goes_event_by_event_and_back_and_scrubs_without_asking(tree_visitor, text_pair):
    trace = trace_of(text_pair)
    for index in range(12):
        tree_visitor.click("#tree-step")
        tree_visitor.wait_for_function("n => sdvarTree.count === n && sdvarTree.cursor === n - 1", arg=index + 1)
        drawn(tree_visitor)
        assert_counters(tree_visitor, trace, index)
    tree_visitor.mouse.click(700, 880)
    for count in (13, 14):
        tree_visitor.keyboard.press("ArrowRight")
        tree_visitor.wait_for_function("n => sdvarTree.count === n && sdvarTree.cursor === n - 1", arg=count)
    asked = []
    tree_visitor.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
    tree_visitor.keyboard.press("Home")
    assert tree_visitor.evaluate("sdvarTree.cursor") == 0
    box = tree_visitor.locator(part("scrubber")).bounding_box()
    middle = box["y"] + box["height"] / 2
    tree_visitor.mouse.move(box["x"] + 10, middle)
    tree_visitor.mouse.down()
    for share in np.linspace(0, 1, 20):
        tree_visitor.mouse.move(box["x"] + 10 + share * (box["width"] - 20), middle)
    tree_visitor.mouse.up()
    assert tree_visitor.evaluate("sdvarTree.cursor") == 13
    tree_visitor.keyboard.press("ArrowLeft")
    assert tree_visitor.evaluate("sdvarTree.cursor") == 12
    drawn(tree_visitor)
    assert_counters(tree_visitor, trace, 12)
    tree_visitor.keyboard.press("Home")
    tree_visitor.keyboard.press(" ")
    tree_visitor.wait_for_function("sdvarTree.cursor >= 2")
    tree_visitor.keyboard.press(" ")
    assert not tree_visitor.evaluate("sdvarTree.playing")
    # Where the cursor rests, the inspector asks what its node may be followed by, if it has not before; nothing else.
    assert [one for one in asked if not one.startswith(("data:", "blob:")) and '"fn_name":"token"' not in one] == []


def test_rejections_are_found_by_key_and_letters_lead_to_their_event(finished_tree, text_pair):
    trace = trace_of(text_pair)
    rejections = [i for i, event in enumerate(trace.events) if isinstance(event, sd.ChildJudged) and not event.accepted]
    finished_tree.mouse.click(700, 880)
    finished_tree.keyboard.press("Home")
    for index in rejections[:4]:
        finished_tree.keyboard.press("]")
        assert finished_tree.evaluate("sdvarTree.cursor") == index
    finished_tree.keyboard.press("End")
    finished_tree.locator(f"{part('text')} span.draft").first.click()
    first = next(i for i, event in enumerate(trace.events) if isinstance(event, sd.ChildJudged) and event.accepted)
    assert finished_tree.evaluate("sdvarTree.cursor") == first


def test_a_node_is_chosen_by_mouse_and_by_keyboard(tree_visitor, text_pair):
    choose(tree_visitor, temperature=1)
    generate(tree_visitor)
    seek(tree_visitor, "sdvarTree.frame.kind === 'tree_commit' && sdvarTree.state.tree.parents.length > 12")
    place = tree_visitor.evaluate("sdvarTree.place(5)")
    tree_visitor.mouse.click(place["x"], place["y"])
    drawn(tree_visitor)
    trace = trace_of(text_pair, temperature=1.0)
    number = tree_visitor.evaluate("sdvarTree.frame.round")
    tree, call = (next(e for e in trace.of(kind) if e.round == number) for kind in (sd.TreeDrafted, sd.TreeCall))
    assert told(tree_visitor, "readout-title").startswith(f"Node 5 of {tree.drafted}, guess ")
    numbers = tree_visitor.evaluate("(({ tree }) => [tree.p[5], tree.q[5], tree.scores[5]])(sdvarTree.state)")
    assert numbers == [float(array[5]) for array in (call.probability, tree.probability, tree.scores)]
    assert told(tree_visitor, "verdict").endswith(".")
    tree_visitor.wait_for_function("sdvarTree.inspected && sdvarTree.inspected.rows")
    rows = tree_visitor.evaluate("sdvarTree.inspected.rows")
    assert len(rows) >= 8
    row = next(row for row in rows if row["code"] == tree.tokens[5])
    assert row["p"] == pytest.approx(call.probability[5], abs=1e-5)
    tree_visitor.focus(part("tree"))
    tree_visitor.keyboard.press("ArrowLeft")
    assert tree_visitor.evaluate("sdvarTree.selection") == {"index": int(tree.parents[5])}
    drawn(tree_visitor)
    parent = int(tree.parents[5])
    assert told(tree_visitor, "window-title").endswith(f"of node {parent}" if parent else "of the root")
    tree_visitor.keyboard.press("Escape")
    tree_visitor.mouse.move(5, 5)
    assert tree_visitor.evaluate("sdvarTree.selection") is None


def test_the_window_and_the_state_are_told(finished_tree):
    seek(finished_tree, "sdvarTree.frame.kind === 'tree_commit' && sdvarTree.frame.rolled_back > 5")
    frame = finished_tree.evaluate("({ state: sdvarTree.frame.state, back: sdvarTree.frame.rolled_back })")
    label = finished_tree.get_attribute(part("memory"), "aria-label")
    assert f"{frame['state'][0]} → {frame['state'][1]} bytes" in label
    assert f"{frame['back']} nodes rolled back" in label
    finished_tree.evaluate("sdvarTree.select(sdvarTree.state.tree.parents.length - 1)")
    drawn(finished_tree)
    assert finished_tree.locator(f"{part('window-own')} li").count() == 4
    assert "wrong" in told(finished_tree, "window-said")
    assert "wrong cells" in finished_tree.get_attribute(part("masks"), "aria-label")


def test_hostile_text_is_text_and_strange_bytes_are_shown(tree_visitor):
    choose(tree_visitor, prompt=HOSTILE, temperature=1.5)
    generate(tree_visitor)
    drawn(tree_visitor)
    shown = tree_visitor.inner_text(part("text"))
    assert shown.startswith("<img src=x onerror=window.hacked=1>{{7*7}}${window.hacked=1}1B")
    assert "é😀" in shown
    assert "\u202e" not in shown
    assert tree_visitor.evaluate("window.hacked") is None
    elsewhere = tree_visitor.evaluate(  # at one instant: the codes are drawn again whenever their numbers come
        "([stage, codes]) => [...document.querySelectorAll(stage + ' img')].filter(e => !e.closest(codes)).length",
        [STAGE, part("codes")],
    )
    assert elsewhere == 0
    assert tree_visitor.locator(f"{part('text')} .sign").count() > 3


def test_a_wrong_setting_is_one_sentence_and_nothing_is_lost(tree_visitor):
    generate(tree_visitor)
    count = tree_visitor.evaluate("sdvarTree.count")
    choose(tree_visitor, seed=-1)
    assert "settings changed" in told(tree_visitor, "run-note")
    tree_visitor.click("#tree-generate")
    tree_visitor.wait_for_function("sdvarTree.notice")
    assert "seed must be a whole number" in told(tree_visitor, "sentence")
    assert tree_visitor.evaluate("sdvarTree.count") == count
    choose(tree_visitor, seed=8)
    generate(tree_visitor)
    assert tree_visitor.evaluate("sdvarTree.header.settings.seed") == 8
    tree_visitor.click("#tree-reset")
    tree_visitor.wait_for_function("sdvarTree.count === 0")


def test_stop_ends_within_one_event_and_keeps_what_is_there(revisit, slow):
    page = opened(revisit, slow[0])
    page.click("#tree-generate")
    page.wait_for_function("sdvarTree.count >= 8 && sdvarTree.busy")
    page.click("#tree-stop")
    page.wait_for_function("!sdvarTree.busy", timeout=2000)
    count = page.evaluate("sdvarTree.count")
    assert not page.evaluate("sdvarTree.finished")
    page.wait_for_timeout(700)
    assert page.evaluate("sdvarTree.count") == count
    page.click("#tree-step")
    page.wait_for_function("n => sdvarTree.count === n + 1", arg=count)


def test_a_fault_is_switched_on_and_the_invariants_that_fire_are_told(tree_visitor, text_pair):
    unfold(tree_visitor, "tree-break-it")
    for fault in ("state not rolled back", "bonus counted twice"):
        pick(tree_visitor, "fault", fault)
        assert sd.TREE_FAULTS[fault].sentence in tree_visitor.inner_text("#tree-fault")
        generate(tree_visitor)
        trace = trace_of(text_pair, fault=fault, watch="all")
        events = {}
        for index, event in enumerate(trace.events):
            if isinstance(event, sd.Violation):
                events.setdefault(event.invariant, []).append(index + 1)
        rows = tree_visitor.locator(f"{part('report-fired')} li").all()
        fired = {r.locator("b").inner_text(): [int(at) for at in r.locator("button").all_inner_texts()] for r in rows}
        assert fired == {name: at[:4] for name, at in events.items()}
        assert sd.TREE_FAULTS[fault].caught_by in fired
        tree_visitor.locator(f"{part('report-fired')} button").first.click()
        drawn(tree_visitor)
        assert "does not hold" in told(tree_visitor, "sentence")
        assert told(tree_visitor, "fault-mark") == f"fault: {fault}"
        assert "sound engine" in told(tree_visitor, "report-text")


def test_two_tree_visitors_have_their_own_runs(finished_tree, open_tree):
    other = open_tree(fresh=True)
    assert other.evaluate("sdvarTree.count") == 0
    asked = f"sdvarTree.askServer('token', [{finished_tree.evaluate('sdvarTree.header.run')!r}, 2, 1])"
    assert "rows" in finished_tree.evaluate(asked)
    run = finished_tree.evaluate("sdvarTree.header.run").rpartition(".")
    guessed = f"sdvarTree.askServer('frames', ['x' + {run[0]!r} + '.1', 0, 5])"
    assert "notice" in other.evaluate(guessed)


def test_without_models_the_tab_says_how_to_get_them_and_scales_works(visit, pair):
    with served(pair, text_loader=lambda: sd.load_pair("python-nowhere")) as url:
        page = opened(visit, url)
        page.wait_for_function("sdvarTree.notice")
        assert "Unknown pair" in told(page, "sentence")
        page.click("#tree-step")
        page.wait_for_timeout(300)
        assert "Unknown pair" in told(page, "sentence")
        page.get_by_role("tab", name="Scales", exact=True).click()
        page.click("#step")
        page.wait_for_function("sdvar.count === 1")


@pytest.mark.parametrize(("theme", "sizes"), [("light", LARGE_FIRST), ("dark", SMALL_FIRST)])
def test_nothing_is_cut_or_grave_and_the_large_window_does_not_scroll(open_tree, theme, sizes):
    """Opened and run at the first size, on a large screen or on a phone, then brought to the others."""
    page = open_tree(*sizes[0], theme)
    choose(page, length=40, temperature=1)
    generate(page)
    for width, height in sizes:
        resize(page, width, height)
        for condition in ("true", "sdvarTree.frame.kind === 'child_judged'", "sdvarTree.frame.kind === 'tree_drafted'"):
            seek(page, condition)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if height == 900:
                assert page.evaluate("document.documentElement.scrollHeight") <= height
            cut = page.evaluate(
                f"[...document.querySelectorAll('{STAGE} .card')].filter(c => c.scrollWidth > c.clientWidth + 1 || "
                "c.scrollHeight > c.clientHeight + 1).map(c => c.getAttribute('aria-label'))"
            )
            assert cut == [], (width, height)
        if width in (1440, 390):
            page.evaluate("sdvarTree.select(1)")
            settle(page)
            assert violations(page) == [], (width, height)


def test_every_control_of_the_tree_has_a_name(finished_tree):
    nameless = finished_tree.evaluate(
        f"[...document.querySelectorAll('{STAGE} :is(button, select, canvas, dialog, section)')].filter(e => "
        "!(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []
    finished_tree.keyboard.press("?")
    settle(finished_tree)
    assert violations(finished_tree) == []


def test_the_endpoint_writes_text(address, text_pair):
    client = Client(address, verbose=False)
    answer = client.predict(prompt=PROMPT.decode(), length=40, seed=7, api_name="/generate_text")
    trace = trace_of(text_pair)
    assert answer["bytes"] == list(trace.written)
    assert answer["target_calls"] == trace.target_calls
    with pytest.raises(Exception, match="at most 400 bytes"):
        client.predict(prompt="x", length=4000, api_name="/generate_text")
