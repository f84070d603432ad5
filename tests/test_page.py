"""The page in a real browser, on the embedded pair: what a visitor sees is what the trace says."""

from dataclasses import replace

import numpy as np
import pytest
from gradio_client import Client

import sdvar_core as sd
from sdvar_core.presets import PAIRS
from tests.browser import BROWSER_TEST, choose, drawn, generate, go_to, resize, served, shown
from tests.fakes import fake_pair

pytestmark = BROWSER_TEST
LIGHT = True
WORLD, OTHER_WORLD = 0, 2
SIZES = [(1440, 900), (1366, 768), (1024, 768), (390, 844)]


def verdicts(page):
    return page.evaluate("sdvar.state.scales.map(s => s.verdicts ? Array.from(s.verdicts) : null)")


def final_event(trace, scale):
    return [e for e in trace.events if isinstance(e, sd.Judged | sd.Bonus) and e.scale == scale][-1]


def expected_verdicts(trace, scales):
    """As fold.js counts: 2 kept, 3 corrected, 4 bonus."""
    result = []
    for scale in range(scales):
        event = final_event(trace, scale)
        kept = event.kept[0] if isinstance(event, sd.Judged) else None
        result.append([4] * event.tokens.size if kept is None else np.where(kept, 2, 3).tolist())
    return result


def so_far(trace, index):
    return sd.Trace(trace.pair, trace.request, trace.schedule, trace.codes, trace.events[: index + 1])


def assert_counters(page, trace, index):
    part = so_far(trace, index)
    assert shown(page, "calls") == str(part.target_calls)
    assert shown(page, "scales") == f"{part.committed} of {len(part.schedule)}"
    assert shown(page, "kept") == (f"{part.kept} of {part.judged}" if part.judged else "–")
    reduction = shown(page, "reduction")
    assert float(reduction.removesuffix(" ×").replace("–", "0")) == pytest.approx(part.call_reduction, abs=0.0051)


def test_an_empty_page_says_what_it_is(visitor, pair):
    assert visitor.title() == "SDVAR"
    assert "draft" in visitor.inner_text('[data-part="intro-start"]')
    assert shown(visitor, "of") == f"of {len(pair.schedule)} target-only"
    assert visitor.evaluate("sdvar.cursor") == -1


def test_heatmaps_have_the_colours_of_the_verdicts(finished, pair):
    trace = sd.generate(pair, label=WORLD, seed=7, gamma=3)
    colours = finished.evaluate(
        "Object.fromEntries(['kept', 'bonus-soft'].map(n => [n, getComputedStyle(document.body)"
        ".getPropertyValue('--sd-' + n).trim()]))"
    )
    wanted = {2: colours["kept"], 4: colours["bonus-soft"]}
    for scale, row in enumerate(expected_verdicts(trace, len(pair.schedule))):
        for index in (0, len(row) // 2, len(row) - 1):
            colour = finished.evaluate("([s, i]) => sdvar.cell(s, i).colour", [scale, index])
            assert ("#" + "".join(f"{part:02x}" for part in colour) == wanted.get(row[index])) == (row[index] != 3)


def test_stepping_goes_event_by_event_and_back_and_scrubs_without_asking(visitor, pair):
    choose(visitor, pair, OTHER_WORLD, gamma=2, seed=11)
    trace = sd.generate(pair, label=OTHER_WORLD, seed=11, gamma=2)
    for index in range(len(trace.events)):
        visitor.click("#step")
        visitor.wait_for_function("n => sdvar.count === n && sdvar.cursor === n - 1", arg=index + 1)
        if index % 4 == 0:
            go_to(visitor, index)
            assert_counters(visitor, trace, index)
    visitor.wait_for_function("sdvar.finished && sdvar.baseline")
    asked = []
    visitor.on("request", lambda request: asked.append(request.url))
    visitor.keyboard.press("Home")
    assert visitor.evaluate("sdvar.cursor") == 0
    box = visitor.locator('[data-part="scrubber"]').bounding_box()
    middle = box["y"] + box["height"] / 2
    visitor.mouse.move(box["x"] + 10, middle)
    visitor.mouse.down()
    for share in np.linspace(0, 1, 30):
        visitor.mouse.move(box["x"] + 10 + share * (box["width"] - 20), middle)
    visitor.mouse.up()
    assert visitor.evaluate("sdvar.cursor") == len(trace.events) - 1
    visitor.keyboard.press("ArrowLeft")
    assert visitor.evaluate("sdvar.cursor") == len(trace.events) - 2
    visitor.wait_for_timeout(100)
    go_to(visitor, len(trace.events) - 2)
    assert_counters(visitor, trace, len(trace.events) - 2)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


def test_forward_at_the_end_asks_for_one_event(visitor):
    visitor.click("#step")
    visitor.wait_for_function("sdvar.count === 1")
    visitor.mouse.click(700, 880)
    for count in (2, 3, 4):
        visitor.keyboard.press("ArrowRight")
        visitor.wait_for_function("n => sdvar.count === n && sdvar.cursor === n - 1", arg=count)


def test_steps_pressed_quickly_are_all_made(visitor):
    for _ in range(5):
        visitor.evaluate("document.querySelector('#step').click()")
    visitor.wait_for_function("sdvar.count === 5 && sdvar.cursor === 4")
    visitor.wait_for_timeout(200)
    assert visitor.evaluate("sdvar.count") == 5


def test_rejections_are_found_by_key(finished, pair):
    trace = sd.generate(pair, label=WORLD, seed=7, gamma=3)
    rejections = [i for i, event in enumerate(trace.events) if isinstance(event, sd.Judged) and not event.kept.all()]
    finished.keyboard.press("Home")
    for index in rejections:
        finished.keyboard.press("]")
        assert finished.evaluate("sdvar.cursor") == index
    for index in rejections[-2::-1]:
        finished.keyboard.press("[")
        assert finished.evaluate("sdvar.cursor") == index


def test_playing_moves_and_pauses(finished):
    finished.keyboard.press("Home")
    finished.mouse.click(700, 880)
    finished.keyboard.press(" ")
    finished.wait_for_function("sdvar.cursor >= 2")
    finished.keyboard.press(" ")
    assert not finished.evaluate("sdvar.playing")


def test_keys_are_left_alone_while_typing(finished):
    last = finished.evaluate("sdvar.cursor")
    finished.click("#seed input")
    finished.keyboard.press("Home")
    finished.keyboard.press("ArrowLeft")
    assert finished.evaluate("sdvar.cursor") == last


def test_a_token_is_chosen_by_mouse_and_by_keyboard(finished, pair):
    trace = sd.generate(pair, label=WORLD, seed=7, gamma=3)
    judged = next(event for event in trace.of(sd.Judged) if event.scale >= 3)
    place = finished.evaluate("([s, i]) => sdvar.cell(s, i)", [judged.scale, 5])
    finished.mouse.click(place["x"], place["y"])
    drawn(finished)
    side = trace.schedule.sides[judged.scale]
    title = finished.inner_text('[data-part="readout-title"]')
    assert title == f"Token 6 of scale {judged.scale + 1} — row {5 // side + 1}, column {5 % side + 1}"
    numbers = finished.evaluate("n => (s => [s.p[5], s.q[5], s.tv[5]])(sdvar.state.scales[n])", judged.scale)
    event = final_event(trace, judged.scale)
    assert numbers == [float(event.target_probability[0, 5]), float(event.draft_probability[0, 5]),
                       float(event.total_variation[0, 5])]  # fmt: skip
    finished.focus('[data-part="pyramid"]')
    finished.keyboard.press("ArrowRight")
    assert finished.evaluate("sdvar.selection") == {"scale": judged.scale, "index": 6}
    finished.keyboard.press("Escape")
    finished.mouse.move(5, 5)
    assert finished.evaluate("sdvar.selection") is None


def test_a_wrong_seed_is_one_sentence_and_nothing_is_lost(visitor):
    generate(visitor)
    count = visitor.evaluate("sdvar.count")
    visitor.fill("#seed input", "-1")
    visitor.click("#generate")
    visitor.wait_for_function("sdvar.notice")
    assert "seed must be a whole number" in visitor.inner_text('[data-part="sentence"]')
    assert visitor.evaluate("sdvar.count") == count
    visitor.fill("#seed input", "8")
    generate(visitor)
    assert visitor.evaluate("sdvar.header.settings.seed") == 8


def test_stop_ends_within_one_event_and_keeps_what_is_there(revisit, slow):
    page = revisit(slow[0])
    page.wait_for_selector(".stage[data-ready=true]")
    page.click("#generate")
    page.wait_for_function("sdvar.count >= 4 && sdvar.busy")
    page.click("#stop")
    page.wait_for_function("!sdvar.busy", timeout=2000)
    count = page.evaluate("sdvar.count")
    assert not page.evaluate("sdvar.finished")
    page.wait_for_timeout(700)
    assert page.evaluate("sdvar.count") == count
    page.click("#step")
    page.wait_for_function("n => sdvar.count === n + 1", arg=count)


def test_two_visitors_have_their_own_runs(finished, open_page):
    other = open_page(fresh=True)
    assert other.evaluate("sdvar.count") == 0
    other.click("#step")
    other.wait_for_function("sdvar.count === 1")
    finished.keyboard.press("Home")
    assert finished.evaluate("sdvar.finished")
    assert finished.evaluate("sdvar.header.run") != other.evaluate("sdvar.header.run")


def test_the_first_event_is_on_the_screen_while_the_run_goes_on(revisit, slow):
    """How soon is measured by ``python -m tests.page_times``."""
    url, pace = slow
    page = revisit(url)
    page.wait_for_selector(".stage[data-ready=true]")
    page.click("#generate")
    page.wait_for_function("sdvar.cursor >= 0 && sdvar.count < 10 && sdvar.busy && !sdvar.finished")
    pace.seconds = 0.0
    page.wait_for_function("sdvar.finished")


@pytest.mark.parametrize(("theme", "sizes"), [("light", SIZES), ("dark", SIZES[::-1])])
def test_nothing_is_wider_than_the_window_and_the_large_one_does_not_scroll(open_page, theme, sizes):
    """Opened and run at the first size, on a large screen or on a phone, then brought to the others."""
    page = open_page(*sizes[0], theme)
    generate(page)
    for width, height in sizes:
        resize(page, width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if height == 900:
            assert page.evaluate("document.documentElement.scrollHeight") <= height
        cut = page.evaluate(
            "[...document.querySelectorAll('#stage .card')].filter(c => c.scrollWidth > c.clientWidth + 1 || "
            "c.scrollHeight > c.clientHeight + 1).map(c => c.getAttribute('aria-label'))"
        )
        assert cut == [], (width, height)


def pick(page, box, name):
    """Choose from a menu of the rail."""
    page.click(f"#{box} input")
    page.get_by_role("option", name=name, exact=True).click()
    page.wait_for_timeout(300)  # its note, and what hangs on it


def unfold(page, accordion):
    page.click(f"#{accordion} > button")
    page.wait_for_timeout(300)


def fired(page):
    """The invariants that the report names, each with its events, counted from 1."""
    rows = page.locator('[data-part="report-fired"] li').all()
    return {row.locator("b").inner_text(): [int(at) for at in row.locator("button").all_inner_texts()] for row in rows}


def violations_of(trace):
    """The events of every invariant that fired, counted from 1."""
    events = {}
    for index, event in enumerate(trace.events):
        if isinstance(event, sd.Violation):
            events.setdefault(event.invariant, []).append(index + 1)
    return events


def test_a_fault_is_switched_on_for_a_run_and_the_invariants_that_fire_are_told(visitor, pair):
    unfold(visitor, "break-it")
    choose(visitor, pair, WORLD, gamma=1)
    sound, alone = (sd.generate(pair, label=WORLD, seed=7, gamma=gamma) for gamma in (1, 0))
    for fault, invariant in (("canvas advanced twice", "canvas"), ("cache reset every round", "cache length")):
        pick(visitor, "fault", fault)
        assert sd.FAULTS[fault].sentence in visitor.inner_text("#fault")
        generate(visitor)
        trace = sd.generate(pair, label=WORLD, seed=7, gamma=1, fault=fault, watch="all")
        events = violations_of(trace)
        assert invariant in events
        assert fired(visitor) == {name: at[:6] for name, at in events.items()}
        visitor.click(f'[data-part="report-fired"] li:has-text("{invariant}") button')
        drawn(visitor)
        assert visitor.evaluate("sdvar.cursor") == events[invariant][0] - 1
        assert f"“{invariant}” does not hold" in visitor.inner_text('[data-part="sentence"]')
        assert visitor.inner_text('[data-part="fault-mark"]') == f"fault: {fault}"
        rates = [f"{100 * one.acceptance_rate:.0f}%" for one in (trace, sound)]
        assert visitor.inner_text('[data-part="report-kept"]') == "; the sound engine ".join(rates)
        differing = trace.differing_tokens(alone)
        assert visitor.inner_text('[data-part="report-picture"]').startswith(str(differing) if differing else "none")
    pick(visitor, "fault", "None")
    generate(visitor)
    assert visitor.is_hidden('[data-part="fault-mark"]')
    assert visitor.is_hidden('[data-part="report"]')
    assert shown(visitor, "against") == "identical"


def test_options_of_the_rule_and_a_plan_are_choices(visitor):
    unfold(visitor, "sampling")
    visitor.fill("#option-tolerance input[type=number]", "0.2")
    visitor.press("#option-tolerance input[type=number]", "Enter")
    visitor.wait_for_function("document.querySelector('#rule input').value === 'coupled · no longer exact'")
    generate(visitor)
    assert visitor.evaluate("sdvar.header.settings.options") == [["tolerance", 0.2]]
    assert not visitor.evaluate("sdvar.header.exact")
    pick(visitor, "rule", "typical")
    assert visitor.is_hidden("#option-tolerance")
    assert all(visitor.is_visible(f"#option-{name}") for name in ("least-kept", "epsilon", "delta"))
    pick(visitor, "draft-length", "entropy")
    assert sd.DRAFT_LENGTHS["entropy"].sentence in visitor.inner_text("#draft-length")
    pick(visitor, "carry-over", "refreshed")
    assert sd.CARRY_OVERS["refreshed"] in visitor.inner_text("#carry-over")
    unfold(visitor, "phases")
    pick(visitor, "plan", "draft first, target from n")
    assert "settings changed" in visitor.inner_text('[data-part="run-note"]')
    generate(visitor)
    until = [phase["until"] for phase in visitor.evaluate("sdvar.header.settings.phases")]
    assert until == [visitor.evaluate("sdvar.header.settings.handover") - 1, 10]
    assert visitor.evaluate("sdvar.header.settings.rule") == "typical"
    assert visitor.inner_text('[data-part="run-note"]').count("carry over: refreshed") == 1
    assert "settings changed" not in visitor.inner_text('[data-part="run-note"]')


def test_a_thousand_classes_are_found_by_name(revisit):
    """ImageNet's, of which Gradio knows two as words of its own."""
    pair = replace(fake_pair(), class_names=PAIRS["var-d16-d30"].class_names)
    with served(pair) as url:
        page = revisit(url)
        page.wait_for_selector(".stage[data-ready=true]")
        page.fill("#class input", "")
        page.locator("#class input").press_sequentially("volc")
        page.press("#class input", "Enter")
        generate(page)
        assert page.evaluate("sdvar.header.label") == "volcano"
        assert page.evaluate("sdvar.header.settings.label") == "volcano"


def test_the_endpoint_gives_a_picture_and_numbers(address, pair):
    client = Client(address, verbose=False)
    answer = client.predict(world=pair.class_names[1], seed=4, gamma=2, api_name="/generate")
    trace = sd.generate(pair, label=1, seed=4, gamma=2)
    assert answer["target_calls"] == trace.target_calls
    assert answer["tokens"] == [tokens[0].tolist() for tokens in trace.tokens]
    assert answer["picture"].startswith("data:image/png;base64,")
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert list(endpoints["named_endpoints"]) == ["/generate", "/generate_text"]
    assert endpoints["unnamed_endpoints"] == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"world": "atlantis"}, "atlantis"),
        ({"seed": -1}, "seed"),
        ({"gamma": -1}, "gamma"),
        ({"gamma": 11}, "gamma"),
        ({"gamma": "two"}, "gamma"),
        ({"guidance": "NaN"}, "guidance"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_wrong_input_to_the_endpoint_is_one_sentence(address, settings, words):
    client = Client(address, verbose=False)
    with pytest.raises(Exception, match=words) as caught:
        client.predict(**({"world": 0} | settings), api_name="/generate")
    assert "\n" not in str(caught.value)
