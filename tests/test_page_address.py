"""The address bar in a real browser: what is shared is what another visitor sees."""

from urllib.parse import parse_qs, urlencode, urlsplit

import sdvar_core as sd
from tests.browser import BROWSER_TEST, generate, go_to

pytestmark = BROWSER_TEST
LIGHT = True


def query(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_address(page, **wanted):
    page.wait_for_function(
        "wanted => Object.entries(wanted).every(([k, v]) => new URLSearchParams(location.search).get(k) === v)",
        arg=wanted,
    )


def set_controls(page):
    page.locator("#world .wrap label").nth(4).click()
    page.fill("#seed input", "21")
    page.press("#seed input", "Tab")
    page.click("#rule input")
    page.get_by_role("option", name="greedy").click()
    page.fill("#gamma input[type=number]", "2")
    page.press("#gamma input[type=number]", "Enter")


def test_a_fresh_browser_restores_settings_and_cursor(visitor, open_page, pair):
    set_controls(visitor)
    wait_for_address(visitor, world=pair.class_names[4], seed="21", rule="greedy", gamma="2")
    assert "event" not in query(visitor)
    generate(visitor)
    go_to(visitor, 9)
    wait_for_address(visitor, event="10")
    other = open_page(query=urlsplit(visitor.url).query, fresh=True)
    other.wait_for_function("sdvar.count === 10 && sdvar.cursor === 9 && !sdvar.busy")
    assert other.evaluate("sdvar.header.settings") == visitor.evaluate("sdvar.header.settings")
    tokens = "JSON.stringify(sdvar.state.scales.map(s => s.tokens && Array.from(s.tokens)))"
    assert other.evaluate(tokens) == visitor.evaluate(tokens)
    assert other.input_value("#seed input") == "21"
    assert other.input_value("#gamma input[type=number]") == "2"
    assert other.is_checked(f"#world input[value='{pair.class_names[4]}']")
    assert other.input_value("#rule input").startswith("greedy")
    assert "likeliest" in other.inner_text("#rule .info-text")
    wait_for_address(other, event="10", __theme="light")
    other.click("#generate")  # goes on to the end of the same run
    other.wait_for_function("sdvar.finished")
    trace = sd.generate(pair, label=4, seed=21, rule="greedy", gamma=2)
    assert other.evaluate("sdvar.count") == len(trace.events)


def test_settings_without_an_event_only_set_the_controls(open_page, pair):
    page = open_page(query=urlencode({"seed": 33, "world": pair.class_names[2], "top_k": 5, "__theme": "light"}))
    page.wait_for_function("document.querySelector('#seed input').value === '33'")
    page.wait_for_timeout(500)
    assert page.evaluate("sdvar.count") == 0
    generate(page)
    settings = page.evaluate("sdvar.header.settings")
    assert (settings["seed"], settings["label"], settings["top_k"]) == (33, pair.class_names[2], 5)


def test_a_hostile_address_is_one_sentence_and_the_rest_is_taken(open_page):
    hostile = {
        "seed": "-1",
        "rule": "{{value}}",
        "world": "<img src=x onerror=alert(1)>",
        "gamma": "2",
        "event": "zero",
    }
    page = open_page(query=urlencode(hostile))
    page.wait_for_function("sdvar.notice")
    text = page.inner_text('[data-part="sentence"]')
    assert text == "The address holds values that do not fit and were left out: world, seed, rule, event."
    assert page.input_value("#gamma input[type=number]") == "2"
    assert page.input_value("#seed input") == "7"
    generate(page)
    assert query(page)["gamma"] == "2"


def test_a_page_that_nobody_touched_keeps_its_address(visitor):
    visitor.wait_for_timeout(600)
    assert query(visitor) == {"__theme": "light"}


def test_reset_empties_the_stage_and_takes_the_event_out(visitor):
    generate(visitor)
    visitor.wait_for_function("new URLSearchParams(location.search).has('event')")
    visitor.click("#reset")
    visitor.wait_for_function("sdvar.count === 0")
    visitor.wait_for_function("document.querySelector('[data-part=intro-start]').offsetParent !== null")
    visitor.wait_for_function("!new URLSearchParams(location.search).has('event')")
    assert query(visitor)["seed"] == "7"
