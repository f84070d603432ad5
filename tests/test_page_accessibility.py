"""Accessibility, by axe-core in the same browser: nothing serious or critical, in light and dark, in every state."""

from importlib.resources import files

import pytest

from tests.browser import BROWSER_TEST, drawn, generate, resize

pytestmark = BROWSER_TEST
LIGHT = True

GRAVE = ("serious", "critical")
SIZES = [(1440, 900), (390, 844)]


def violations(page):
    """Rule, impact, and up to five places of every grave violation. axe-core comes with axe-playwright-python."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        (one["id"], one["impact"], [node["target"] + [node["failureSummary"]] for node in one["nodes"][:5]])
        for one in found
        if one["impact"] in GRAVE
    ]


def settle(page):
    page.wait_for_timeout(400)  # until transitions of colours end
    drawn(page)


def test_axe_finds_what_is_wrong(visitor):
    visitor.evaluate("document.body.append(Object.assign(document.createElement('img'), { src: 'data:,' }))")
    assert "image-alt" in [name for name, *_ in violations(visitor)]


def at_every_size(page, sizes):
    """At each, nothing grave; the page is left at the last."""
    for width, height in sizes:
        resize(page, width, height)
        settle(page)
        assert violations(page) == [], (width, height)


@pytest.mark.parametrize(("theme", "sizes"), [("light", SIZES), ("dark", SIZES[::-1])])
def test_nothing_grave(open_page, theme, sizes):
    """Opened on a large screen or on a phone, and brought to the other one in every state."""
    page = open_page(*sizes[0], theme)
    at_every_size(page, sizes)
    generate(page)
    page.evaluate("(() => { while (sdvar.cursor > 0 && sdvar.frame.kind !== 'judged') sdvar.goTo(sdvar.cursor - 1);"
                  "sdvar.select(sdvar.state.current, 0); })()")  # fmt: skip
    page.wait_for_function("sdvar.inspected && sdvar.inspected.swatches")
    page.select_option('[data-part="mask-kind"]', "row0")
    page.click("[data-picture=difference]")
    page.click("[data-heat=tv]")
    page.click("#sampling button")
    at_every_size(page, sizes[::-1])
    page.keyboard.press("?")
    at_every_size(page, sizes)


def test_a_wrong_setting_is_told_accessibly(visitor):
    visitor.fill("#seed input", "-1")
    visitor.click("#generate")
    visitor.wait_for_function("sdvar.notice")
    settle(visitor)
    assert violations(visitor) == []
    assert visitor.get_attribute('[data-part="sentence"]', "aria-live") == "polite"


def test_every_control_of_the_stage_has_a_name(visitor):
    nameless = visitor.evaluate(
        "[...document.querySelectorAll('#stage :is(button, select, canvas, dialog, section)')].filter(e => "
        "!(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []
