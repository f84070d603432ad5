"""Visitors and their runs: what is sent, what is kept apart, and what is computed again."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from app.answers import MOST_FRAMES
from app.choices import FURTHER, OPTIONS, PLANS, Asked, asked, choices_of
from app.session import Visits
from app.visit import Visit, new_visit
from sdvar_core import FAULTS, RULES, Phase, Request, RequestError, generate
from tests.fakes import fake_pair
from tests.tiny import stirred_pair, tiny_pair

SETTINGS = {"label": "paper", "seed": 5, "gamma": 2, "rule": "coupled", "draft_length": "fixed", "guidance": 1.5,
            "temperature": 1.0, "top_k": 0, "top_p": 1.0}  # fmt: skip


@pytest.fixture
def visits():
    return Visits(fake_pair)


def gathered(values):
    """The last visit and all frames of a list of (payload, visit), checked to be without gaps."""
    frames, visit = [], None
    for payload, visit in values:
        assert payload["first"] == len(frames) or not payload["frames"]
        frames.extend(payload["frames"])
        assert payload["count"] == len(frames) == visit.count
        json.dumps(payload)
    return frames, visit


def steps(visits, visit, number, settings=SETTINGS):
    frames = []
    for _ in range(number):
        for payload, after in visits.step(visit, settings):
            visit = after
            frames.extend(payload["frames"])
    return frames, visit


def without_time(frames):
    timed = {"milliseconds", "counters"}
    return [{name: value for name, value in frame.items() if name not in timed} for frame in frames]


def test_generate_sends_the_whole_run_and_then_the_comparison(visits):
    values = list(visits.generate(new_visit(), SETTINGS))
    assert all(payload["baseline"] is None for payload, _ in values), "the picture does not wait for the comparison"
    values.extend(visits.compare(values[-1][1]))
    frames, visit = gathered(values)
    trace = generate(fake_pair(), Request(**SETTINGS))
    assert len(frames) == len(trace.events)
    assert frames[-1]["counters"]["target_calls"] == trace.target_calls
    assert visit.asked.request == trace.request
    first, last = values[0][0], values[-1][0]
    assert first["busy"]
    assert first["count"] == 1, "the first event is sent at once"
    assert not last["busy"]
    assert last["finished"]
    assert last["baseline"]["equal"]
    assert len({payload["sequence"] for payload, _ in values}) == len(values)


def test_steps_make_the_same_run(visits):
    frames, _ = gathered(visits.generate(new_visit(), SETTINGS))
    stepped, visit = steps(visits, new_visit(), len(frames))
    assert without_time(stepped) == without_time(frames)
    (payload, _), *rest = visits.step(visit, SETTINGS)
    assert "finished" in payload["notice"]
    assert payload["frames"] == []
    assert not rest


def test_generate_goes_on_where_steps_stopped(visits):
    stepped, visit = steps(visits, new_visit(), 4)
    values = list(visits.generate(visit, SETTINGS))
    assert values[0][0]["first"] == 4
    assert values[0][0]["header"]["run"] == visit.name
    whole, _ = gathered(visits.generate(new_visit(), SETTINGS))
    rest = [frame for payload, _ in values for frame in payload["frames"]]
    assert without_time(stepped + rest) == without_time(whole)


def test_a_changed_setting_starts_a_new_run(visits):
    _, visit = steps(visits, new_visit(), 3)
    payload, after = next(visits.step(visit, SETTINGS | {"gamma": 1}))
    assert (payload["first"], payload["count"]) == (0, 1)
    assert after.name != visit.name


def test_forward_goes_on_with_the_run_that_is_shown(visits):
    _, visit = steps(visits, new_visit(), 3)
    payload, after = next(visits.forward(visit))
    assert (payload["first"], payload["count"]) == (3, 4)
    assert after.name == visit.name
    ((payload, _),) = visits.forward(new_visit())
    assert "press Generate" in payload["notice"]


def test_generate_again_starts_anew(visits):
    frames, visit = gathered(visits.generate(new_visit(), SETTINGS))
    again, after = gathered(visits.generate(visit, SETTINGS))
    assert without_time(again) == without_time(frames)
    assert after.run == visit.run + 1


def test_stop_keeps_what_is_there(visits):
    values = visits.generate(new_visit(), SETTINGS)
    payload, visit = next(values)
    visits.stop(visit)
    frames = payload["frames"] + [frame for payload, _ in values for frame in payload["frames"]]
    assert len(frames) == 1, "the next event is not made"
    more = list(visits.generate(visit, SETTINGS))
    assert more[0][0]["first"] == 1
    assert more[-1][0]["finished"]


def test_reset_forgets_and_silences_a_stream(visits):
    values = visits.generate(new_visit(), SETTINGS)
    _, visit = next(values)
    payload, after = visits.reset(visit)
    assert (payload["header"], payload["count"], payload["frames"]) == (None, 0, [])
    assert after == Visit(visit.handle, visit.run + 1)
    assert list(values) == []
    assert "notice" in visits.frames(visit.name, 0, 1)


def test_a_run_that_made_room_is_computed_again_without_a_word():
    visits = Visits(fake_pair, most_runs=2)
    first, mine = steps(visits, new_visit(), 5)
    for _ in range(2):
        steps(visits, new_visit(), 1)
    assert "made room" in visits.frames(mine.name, 0, 5)["notice"]
    (payload, after), *_ = visits.step(mine, SETTINGS)
    assert (payload["first"], payload["count"], payload["notice"]) == (5, 6, None)
    assert after.name == mine.name
    assert without_time(visits.frames(mine.name, 0, 5)["frames"]) == without_time(first)


def test_a_page_that_missed_frames_gets_them_by_number(visits):
    frames, visit = gathered(visits.generate(new_visit(), SETTINGS))
    assert visits.frames(visit.name, 2, 5)["frames"] == frames[2:5]
    assert len(visits.frames(visit.name, 0, 10**9)["frames"]) == min(MOST_FRAMES, len(frames))


@pytest.mark.parametrize(
    "question",
    [(None, 0, 1), ("", 0, 1), ("someone.1", 0, 1), ({}, 0, 1), ("a" * 10**6, 0, 1)],
)
def test_frames_of_nobody_are_a_sentence(visits, question):
    assert set(visits.frames(*question)) == {"notice"}


@pytest.mark.parametrize("bounds", [(-1, 2), (3, 3), (0, None), ("0", 1), (0.0, 1), (True, 2)])
def test_frames_of_wrong_bounds_are_a_sentence(visits, bounds):
    _, visit = steps(visits, new_visit(), 3)
    assert set(visits.frames(visit.name, *bounds)) == {"notice"}


def test_visitors_have_handles_that_cannot_be_guessed_and_see_only_their_own(visits):
    _, one = steps(visits, new_visit(), 3)
    _, other = steps(visits, new_visit(), 1)
    assert len(one.handle) >= 20
    assert one.handle != other.handle
    assert "notice" in visits.frames(f"{other.handle}.{other.run + 1}", 0, 1)
    visits.forget(other)
    assert "frames" in visits.frames(one.name, 0, 3)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label", "atlantis", "atlantis"),
        ("seed", -1, "seed"),
        ("seed", 1.5, "seed"),
        ("seed", None, "seed"),
        ("gamma", -1, "gamma"),
        ("gamma", 11, "gamma"),
        ("gamma", "two", "gamma"),
        ("guidance", float("nan"), "guidance"),
        ("top_p", 0, "top_p"),
        ("temperature", 0, "temperature"),
        ("temperature", -1, "temperature"),
        ("rule", "luck", "luck"),
        ("draft_length", "long", "long"),
        ("fault", "gremlin", "gremlin"),
        ("fault", ["no rollback"], "Unknown fault"),
        ("fault", "level embedding missing", "level_embedding"),
        ("plan", "none at all", "Unknown plan"),
        ("plan", None, "Unknown plan"),
        ("tolerance", 1.5, "tolerance"),
        ("tolerance", None, "tolerance"),
        ("tolerance", "much", "tolerance"),
    ],
)
@pytest.mark.parametrize("press", ["generate", "step"])
def test_wrong_settings_are_answered_in_one_sentence_and_nothing_is_lost(visits, name, value, words, press):
    _, visit = steps(visits, new_visit(), 3)
    ((payload, after),) = getattr(visits, press)(visit, SETTINGS | {name: value})
    assert words in payload["notice"]
    assert "\n" not in payload["notice"]
    assert payload["keep"]
    assert after == visit
    (going_on, _), *_ = visits.step(visit, SETTINGS)
    assert going_on["count"] == 4


def test_pictures_are_those_of_the_pair(visits):
    frames, _ = gathered(visits.generate(new_visit(), SETTINGS))
    with_picture = {"drafted", "judged", "bonus"}
    assert all(("picture" in frame) == (frame["kind"] in with_picture) for frame in frames)
    assert np.isfinite(frames[-1]["counters"]["decoder_ms"])


def test_warming_up_leaves_no_run_behind(visits):
    visits.warm_up()
    assert not visits._runs


def test_the_comparison_shows_the_difference_after_every_scale_where_there_is_one():
    pair = tiny_pair()
    visits = Visits(lambda: pair)
    for rule in ("coupled", "token"):
        *_, (_, visit) = visits.generate(new_visit(), SETTINGS | {"label": 0, "rule": rule})
        ((payload, _),) = visits.compare(visit)
        shown = payload["baseline"]
        run, alone = (generate(pair, Request(label=0, seed=5, gamma=gamma, rule=rule)) for gamma in (2, 0))
        assert shown["equal"] == (run.differing_tokens(alone) == 0) == (rule == "coupled")
        if shown["equal"]:
            assert shown["differences"] == []
            continue
        assert len(shown["differences"]) == len(pair.schedule)
        for scale, url in enumerate(shown["differences"]):
            before, exact = (pair.render(trace.tokens[: scale + 1])[0].astype(int) for trace in (run, alone))
            expected = np.minimum(4 * np.abs(before - exact).max(axis=-1), 255)
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L"))
            assert np.abs(picture - expected).mean() < 12  # WebP is not exact
            assert picture.any() == expected.any()


def broken(visits, fault, visit=None, **settings):
    """A whole run with a fault: its frames, its last payload, and the visit after it."""
    values = list(visits.generate(visit or new_visit(), SETTINGS | {"label": 1, "fault": fault} | settings))
    frames, after = gathered(values)
    values.extend(visits.compare(after))
    return frames, values[-1][0], after


def fired(frames):
    return [frame["invariant"] for frame in frames if frame["kind"] == "violation"]


@pytest.fixture(scope="module")
def stirred():
    return stirred_pair(0.1)


def test_a_run_with_a_fault_shows_what_fired_and_the_next_run_is_sound_again(stirred):
    visits = Visits(lambda: stirred)
    frames, payload, visit = broken(visits, "no rollback", seed=3, gamma=3)
    assert {"cache length", "merged logits"} <= set(fired(frames)), "dear invariants look on too"
    assert payload["header"]["fault"]["name"] == "no rollback"
    assert payload["finished"]
    sound, payload, after = broken(visits, "none", visit, seed=3, gamma=3)
    assert fired(sound) == []
    assert payload["header"]["fault"] is None
    assert after.run == visit.run + 1
    assert after.asked.request == visit.asked.request, "a fault is no part of the request"


def test_a_run_with_a_fault_is_compared_with_the_sound_engine(stirred):
    visits, settings = Visits(lambda: stirred), {"label": 1, "seed": 3, "gamma": 3}
    _, payload, _ = broken(visits, "positions shifted by one scale", **settings)
    request = Request(**SETTINGS | settings)
    sound, alone = (generate(stirred, Request(**SETTINGS | settings | {"gamma": gamma})) for gamma in (3, 0))
    faulty = generate(stirred, request, fault="positions shifted by one scale")
    assert payload["baseline"]["differing"] == faulty.differing_tokens(alone) > 0
    assert payload["baseline"]["sound"] == {"kept": sound.kept, "judged": sound.judged, "differing": 0}
    assert broken(visits, "none", **settings)[1]["baseline"]["equal"]


@pytest.mark.parametrize("fault", list(FAULTS))
def test_no_fault_is_a_crash_and_its_steps_make_the_same_run(stirred, fault):
    visits = Visits(lambda: stirred)
    frames, payload, visit = broken(visits, fault, seed=3, gamma=2, rule="token", top_k=5)
    assert payload["finished"]
    assert payload["notice"] is None
    visits.forget(visit)
    settings = SETTINGS | {"label": 1, "seed": 3, "rule": "token", "top_k": 5, "fault": fault}
    stepped, halfway = steps(visits, new_visit(), 3, settings)
    visits.forget(halfway)  # to be computed again
    rest = [frame for shown, _ in visits.generate(halfway, settings) for frame in shown["frames"]]
    assert without_time(stepped + rest) == without_time(frames)


def test_a_fault_may_end_a_run_early(stirred):
    visits = Visits(lambda: stirred)
    frames, payload, _ = broken(visits, "stop when nothing is accepted", seed=3, gamma=2, rule="token")
    assert fired(frames) == ["finished"]
    assert payload["finished"]
    assert payload["baseline"] is None


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("handover", [1, 3, 4])
def test_a_plan_reaches_the_request_and_can_be_read_back(visits, plan, handover):
    settings = SETTINGS | {"plan": plan, "handover": handover, "gamma": 1}
    frames, visit = gathered(visits.generate(new_visit(), settings))
    assert frames[-1]["counters"]["committed"] == 4
    read = choices_of(visit.asked.request, None, 4)
    assert asked(SETTINGS | {"gamma": 1} | read, 4) == visit.asked
    if handover == 3 and PLANS[plan].handed:
        assert [phase.until for phase in visit.asked.request.phases] == [2, 4]
        assert (read["plan"], read["handover"]) == (plan, 3)


def test_plans_are_the_phases_that_they_name():
    def phases(plan):
        return asked({"plan": plan, "handover": 3}, 4).request.phases

    assert [phases(plan) for plan in PLANS] == [
        (),
        (Phase(4, "target"),),
        (Phase(4, "draft"),),
        (Phase(2, "draft"), Phase(4, "target")),
        (Phase(2, "target"), Phase(4, "draft")),
        (Phase(2, "speculate"), Phase(4, "draft")),
    ]


@pytest.mark.parametrize("handover", [0, 5, 2.5, None, "3", True, float("nan")])
def test_a_wrong_handover_is_one_sentence_where_it_matters(handover):
    plans = [name for name, plan in PLANS.items() if plan.handed]
    for plan in plans:
        with pytest.raises(RequestError, match="a whole number from 1 to 4"):
            asked({"plan": plan, "handover": handover}, 4)
    assert asked({"plan": "target alone", "handover": handover}, 4).request.phases == (Phase(4, "target"),)


def test_options_of_the_rule_reach_the_request_and_others_do_not(visits):
    everything = dict.fromkeys(OPTIONS, 0.25) | {"k": 3}
    for rule in set(RULES) - {"neighbours"}:  # neighbours needs a codebook
        _, visit = gathered(visits.generate(new_visit(), SETTINGS | everything | {"rule": rule}))
        assert dict(visit.asked.request.options) == {name: everything[name] for name in RULES[rule].options}
    payload, visit = next(visits.generate(new_visit(), SETTINGS | {"tolerance": 0.5}))
    assert not payload["header"]["exact"]
    for inexact in ({"plan": "draft alone"}, {"fault": "no rollback"}):
        payload, _ = next(visits.generate(new_visit(), SETTINGS | inexact))
        assert not payload["header"]["exact"]
    payload, visit = next(visits.generate(new_visit(), SETTINGS | {"tolerance": 0, "delta": 7}))
    assert payload["header"]["exact"]
    assert visit.asked == Asked(Request(**SETTINGS)), "defaults are left out"
    assert {"plan", "fault", *OPTIONS} <= set(FURTHER)
