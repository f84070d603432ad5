"""The token inspector's server side: exact numbers, few of them, and pictures of codes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from app.inspector import LIKELIEST, Swatches
from app.run import Run
from app.session import Visits, new_visit
from sdvar_core import RULES, Bonus, Drafted, Judged, Request, decode
from tests.fakes import FakeModel, fake_pair
from tests.tiny import tiny_pair

WIDE = 40  # codes: more than are shown


def wide_pair():
    pair = fake_pair(codes=WIDE)
    return fake_pair(codes=WIDE, draft=FakeModel(pair.schedule, WIDE, salt=2, sharpness=1.5))


def made(pair, **settings):
    run = Run("a.1", pair, Request(**({"label": 0, "seed": 3, "gamma": 2} | settings)))
    while not run.finished:
        run.advance()
    return run


def heard(pair, request):
    """Each event's p and q, as float64 arrays (n², codes)."""
    notes = {}

    def listen(event, target, draft):
        notes[id(event)] = event, *(None if entry is None else entry[0].numpy() for entry in (target, draft))

    events = list(decode(pair, request, listener=listen))
    return events, [notes.get(id(event), (event, None, None))[1:] for event in events]


@pytest.mark.parametrize("rule", ["coupled", "token", "scale", "greedy", "typical", "budget"])
def test_rows_hold_the_exact_numbers_of_the_likeliest_codes(rule):
    pair = wide_pair()
    run = made(pair, rule=rule)
    _, distributions = heard(pair, run.request)
    for number, (event, (p, q)) in enumerate(zip(run.events, distributions)):
        if not isinstance(event, Drafted | Judged | Bonus):
            assert run.token(number, 0) is None
            continue
        for index in (0, event.tokens.shape[1] - 1):
            rows = run.token(number, index)
            codes = [row["code"] for row in rows]
            assert len(set(codes)) == len(codes) <= 2 * LIKELIEST + 2
            assert {int(event.tokens[0, index]), int(getattr(event, "drafted", event.tokens)[0, index])} <= set(codes)
            for name, values in (("p", p), ("q", q)):
                assert all((name in row) == (values is not None) for row in rows)
                if values is not None:
                    assert set(np.argsort(-values[index])[:LIKELIEST]) <= set(codes)
                    assert [row[name] for row in rows] == [float(np.float32(values[index, code])) for code in codes]


def test_rows_say_what_a_rejected_token_was_redrawn_from():
    pair = wide_pair()
    run = made(pair, rule="token")
    _, distributions = heard(pair, run.request)
    judged = [(n, e, *distributions[n]) for n, e in enumerate(run.events) if isinstance(e, Judged)]
    assert any(not event.kept.all() for _, event, *_ in judged)
    for number, event, p, q in judged:
        for index in range(event.tokens.shape[1]):
            excess = np.maximum(p[index] - q[index], 0)
            rows = {row["code"]: row["redraw"] for row in run.token(number, index)}
            for code, value in rows.items():
                assert value == pytest.approx(excess[code] / excess.sum(), rel=1e-5, abs=1e-9)
            if not event.kept[0, index]:
                assert rows[int(event.tokens[0, index])] > 0


def test_only_rules_that_redraw_token_by_token_have_a_law_to_redraw_from():
    assert {rule.name for rule in RULES.values() if rule.redraw} == {"token", "neighbours", "budget"}
    assert "redraw" not in made(wide_pair(), rule="coupled").token(3, 0)[0]


def test_listening_changes_nothing():
    request = Request(label=0, seed=3, gamma=2, rule="token")
    plain, (listened, _) = list(decode(wide_pair(), request)), heard(wide_pair(), request)
    assert [type(event) for event in plain] == [type(event) for event in listened]
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(plain, listened) if hasattr(a, "tokens"))


def test_a_run_keeps_little():
    run = made(tiny_pair(), rule="token")
    kept = [one for one in run.shortlists if one is not None]
    size = sum(array.nbytes for one in kept for array in (one.codes, one.target, one.draft, one.redraw)
               if array is not None)  # fmt: skip
    tokens = sum(event.tokens.size for event in run.events if isinstance(event, Drafted | Judged | Bonus))
    assert size <= tokens * (2 * LIKELIEST + 2) * 14


def test_a_swatch_is_the_middle_of_a_canvas_of_one_code():
    pair, swatches = tiny_pair(), Swatches()
    for scale in range(len(pair.schedule)):
        made = swatches.of(pair, scale, [3, 5])
        pictures = pair.render_codes([3, 5], scale)
        for url, picture in zip(made.values(), pictures):
            shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
            side = picture.shape[0]
            middle = picture[side // 4 : side - side // 4, side // 4 : side - side // 4]
            assert np.abs(shown.mean((0, 1)) - middle.mean((0, 1))).max() < 6  # WebP is not exact
    first = pair.render([np.array([[3]])])  # at the first scale the canvas holds nothing else anyway
    assert np.array_equal(first[0], pair.render_codes([3], 0)[0])


def test_swatches_are_made_once_and_not_without_end(monkeypatch):
    pair, swatches, asked = tiny_pair(), Swatches(most=3), []
    render = type(pair).render_codes
    monkeypatch.setattr(type(pair), "render_codes", lambda *args: asked.append(args[1]) or render(*args))
    for codes in ([1, 2], [2, 1], [2, 4], [5, 6], [1]):
        assert list(swatches.of(pair, 1, codes)) == [str(code) for code in codes]
    assert asked == [[1, 2], [4], [5, 6], [1]]


@pytest.fixture
def visits():
    return Visits(tiny_pair)


@pytest.fixture
def visit(visits):
    *_, (_, visit) = visits.generate(new_visit(), {"label": 0, "seed": 1, "gamma": 2})
    return visit


def test_a_page_is_told_of_its_token(visits, visit):
    answer = visits.token(visit.name, 0, 0)
    assert answer["rows"][0]["q"] >= answer["rows"][-1]["q"]
    swatches = visits.swatches(visit.name, 0, 0)["swatches"]
    assert set(swatches) == {str(row["code"]) for row in answer["rows"]}
    assert all(url.startswith("data:image/webp;base64,") and len(url) < 4000 for url in swatches.values())


@pytest.mark.parametrize(
    "question",
    [(10**9, 0), (-1, 0), (0, -1), (0, 10**9), (None, 0), ("0", 0), (True, 0), (0, 0.0), (0, [0]), ({}, {})],
)
@pytest.mark.parametrize("ask", ["token", "swatches"])
def test_a_token_that_is_not_there_is_a_sentence(visits, visit, question, ask):
    assert set(getattr(visits, ask)(visit.name, *question)) == {"notice"}


@pytest.mark.parametrize("name", [None, "", "someone.1", {}, [], 3, "a" * 10**6])
@pytest.mark.parametrize("ask", ["token", "swatches"])
def test_a_token_of_nobody_is_a_sentence(visits, visit, name, ask):
    assert set(getattr(visits, ask)(name, 0, 0)) == {"notice"}


def test_swatches_wait_only_so_long(visits, visit, monkeypatch):
    monkeypatch.setattr("app.inspector.MOST_WAIT", 0.01)
    with visits._swatches._painting:
        assert "in a moment" in visits.swatches(visit.name, 0, 0)["notice"]
    assert "swatches" in visits.swatches(visit.name, 0, 0)
