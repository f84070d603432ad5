"""The token inspector in a real browser: the exact p and q of a token, and what its codes look like."""

import numpy as np
import pytest

import sdvar_core as sd
from tests.browser import BROWSER_TEST, drawn, generate, go_to

pytestmark = BROWSER_TEST
LIGHT = True


def choose_rule(page, name):
    page.click("#rule input")
    page.get_by_role("option", name=name, exact=False).first.click()


def listened(pair, **settings):
    """Events of a run and, for each, p and q of picture 0."""
    heard = {}

    def listen(event, target, draft):
        heard[id(event)] = event, target, draft

    events = list(sd.decode(pair, sd.Request(**settings), listener=listen))
    return events, lambda event: [None if one is None else one[0].numpy() for one in heard[id(event)][1:]]


def wait_for_rows(page, swatches=False):
    wanted = "swatches" if swatches else "rows"
    page.wait_for_function(f"sdvar.inspected && sdvar.inspected.{wanted}", timeout=10_000)
    drawn(page)


def test_a_held_token_shows_the_exact_numbers_of_its_likeliest_codes(finished, pair):
    events, distributions = listened(pair, label=0, seed=7, gamma=3)
    number, event = next((n, e) for n, e in enumerate(events) if isinstance(e, sd.Judged) and not e.kept.all())
    index = int(np.flatnonzero(~event.kept[0])[0])
    go_to(finished, number)
    finished.evaluate("([s, i]) => sdvar.select(s, i)", [event.scale, index])
    wait_for_rows(finished, swatches=True)
    p, q = (one[index] for one in distributions(event))
    rows = finished.evaluate("sdvar.inspected.rows")
    codes = [row["code"] for row in rows]
    assert set(np.argsort(-p)[:8]) | set(np.argsort(-q)[:8]) <= set(codes)
    for row in rows:
        assert row["p"] == float(np.float32(p[row["code"]]))
        assert row["q"] == float(np.float32(q[row["code"]]))
    codes_shown = '[data-part="codes"] li:not([hidden])'
    shown = finished.eval_on_selector_all(codes_shown, "all => all.map(one => one.className)")
    assert shown[codes.index(int(event.drafted[0, index]))] == "guessed"
    assert shown[codes.index(int(event.tokens[0, index]))] == "stands"
    finished.wait_for_function(
        "[...document.querySelectorAll('[data-part=codes] li:not([hidden]) img')].every(i => i.naturalWidth === 32)"
    )
    assert len(shown) == len(codes)


def test_what_a_token_was_redrawn_from_is_shown(visitor, pair):
    choose_rule(visitor, "token")
    generate(visitor)
    assert visitor.evaluate("sdvar.header.settings.rule") == "token"
    events, distributions = listened(pair, label=0, seed=7, gamma=3, rule="token")
    number, event = next((n, e) for n, e in enumerate(events) if isinstance(e, sd.Judged) and not e.kept.all())
    index = int(np.flatnonzero(~event.kept[0])[0])
    go_to(visitor, number)
    visitor.evaluate("([s, i]) => sdvar.select(s, i)", [event.scale, index])
    wait_for_rows(visitor)
    p, q = (one[index] for one in distributions(event))
    excess = np.maximum(p - q, 0) / np.maximum(p - q, 0).sum()
    for row in visitor.evaluate("sdvar.inspected.rows"):
        assert row["redraw"] == pytest.approx(excess[row["code"]], rel=1e-5, abs=1e-9)
    assert visitor.is_visible('[data-part="of-redraw"]')
    assert "redrawn from where p exceeds q" in visitor.inner_text('[data-part="verdict"]')


def test_hovering_asks_once_the_pointer_rests_and_scrubbing_asks_nothing(finished):
    asked = []
    finished.on("request", lambda request: asked.append(request.url))
    for index in range(100):
        place = finished.evaluate("i => sdvar.cell(7, i)", index)
        finished.mouse.move(place["x"], place["y"])
    wait_for_rows(finished, swatches=True)
    asked = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert 2 <= len(asked) < 30
    asked.clear()
    finished.mouse.move(5, 5)
    finished.wait_for_timeout(400)
    asked.clear()
    finished.evaluate("for (let i = 0; i < 1000; i += 1) sdvar.goTo((i * 7) % sdvar.count)")
    finished.wait_for_timeout(400)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


def test_questions_that_cannot_be_are_answered_in_a_sentence(finished):
    questions = [None, [], ["x"], ["x", 0, 0], [1, 2, 3], {"a": 1}, ["x" * 10000, -1, -1], [[], {}, None]]
    for name in ("token", "swatches"):
        for question in questions:
            answer = finished.evaluate("([name, question]) => sdvar.askServer(name, question)", [name, question])
            assert list(answer) == ["notice"]
