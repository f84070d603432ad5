"""Two runs of a visit: forks and comparisons, what is sent of them, and what happens to wishes that cannot be."""

import json

import pytest

import sdvar_core as sd
from app.address import read_address
from app.choices import OPTIONS, PLANS, asked
from app.frames import frame
from app.menu import Menu
from app.session import Visits, new_visit
from tests.fakes import fake_pair
from tests.test_session import SETTINGS, without_time
from tests.tiny import stirred_pair

WISH = {"event": 0, "rule": None, "options": None, "gamma": None, "token": None}


@pytest.fixture
def visits():
    return Visits(fake_pair)


def last(values):
    """The last payload and visit, and the frames of the run on the right."""
    values, frames = list(values), []
    for payload, _ in values:
        json.dumps(payload, allow_nan=False)
        frames = (frames if payload["first"] else []) + payload["frames"]
    return *values[-1], frames


def judged_at(frames):
    return [one["index"] for one in frames if one["kind"] == "judged"]


def unforked(frames):
    return [{name: one[name] for name in one if name != "fork"} for one in without_time(frames)]


def made(visits, settings=SETTINGS):
    return last(visits.generate(new_visit(), settings))


def test_a_fork_comes_beside_the_run_and_is_the_same_before_its_event(visits):
    _, visit, before = made(visits)
    for event in judged_at(before):
        payload, after, frames = last(visits.fork(visit, WISH | {"event": event, "token": 0}))
        assert payload["kept"]["header"]["run"] == visit.name == after.kept.name
        assert payload["kept"]["count"] == len(before)
        assert after.run == visit.run + 1
        assert without_time(frames[:event]) == without_time(before[:event])
        assert [one.get("milliseconds") for one in frames[:event]] == [
            one.get("milliseconds") for one in before[:event]
        ]
        assert frames[event]["tokens"] != before[event]["tokens"]
        assert frames[event]["fork"]["by_hand"] == [0]
        assert f"Forked at event {event + 1}: here the verdict of token 1 of scale" in frames[event]["fork"]["sentence"]
        assert "fork" not in {key for one in frames[:event] + frames[event + 1 :] for key in one}
        assert not payload["header"]["exact"]
        assert payload["kept"]["header"]["exact"]
        assert payload["finished"]


def test_a_fork_that_changes_nothing_is_the_same_run(visits):
    _, visit, before = made(visits)
    payload, _, frames = last(visits.fork(visit, WISH | {"event": 4}))
    assert unforked(frames) == without_time(before)
    assert payload["header"]["exact"]
    assert frames[4]["fork"]["sentence"] == "Forked at event 5: nothing is changed."


def test_a_fork_with_another_rule_says_so_and_tells_who_judges(visits):
    _, visit, before = made(visits)
    event = judged_at(before)[0]
    wish = WISH | {"event": event, "rule": "topk", "options": {"k": 3, "least_kept": 0.5}, "gamma": 1}
    _, after, frames = last(visits.fork(visit, wish))
    told = frames[event]["fork"]
    assert told["rule"] == "topk"
    assert (
        "from here on rule topk judges with k 3, least kept 0.5, and γ is 1 from the next round on" in told["sentence"]
    )
    assert after.asked.request.forks == (sd.Fork(event, "topk", {"k": 3, "least_kept": 0.5}, 1),)
    assert visits.token(after.name, event, 0)["rows"]


def test_an_unfinished_run_is_finished_before_it_forks(visits):
    payload, visit = next(visits.step(new_visit(), SETTINGS))
    payload, after, _ = last(visits.fork(visit, WISH | {"gamma": 0}))
    whole = made(visits)[2]
    assert payload["kept"]["finished"]
    assert after.kept.count == len(whole)
    assert without_time(visits.frames(after.kept.name, 0, 99)["frames"]) == without_time(whole[:32])


def test_the_kept_run_forks_again_and_one_that_is_chosen_forks_further(visits):
    _, visit, before = made(visits)
    one, two = judged_at(before)[:2]
    _, forked, frames = last(visits.fork(visit, WISH | {"event": one, "token": 0}))
    _, again, _ = last(visits.fork(forked, WISH | {"event": two, "gamma": 0}))
    assert again.kept.name == visit.name, "it is the left run that forks"
    assert again.asked.request.forks == (sd.Fork(two, gamma=0),)
    _, forked, frames = last(visits.fork(again, WISH | {"event": one, "token": 0}))
    payload, chosen = visits.choose(forked, "right")
    assert payload["kept"] is None
    assert (payload["header"]["run"], chosen.kept) == (forked.name, None)
    _, further, more = last(visits.fork(chosen, WISH | {"event": two, "gamma": 0}))
    assert further.asked.request.forks == (sd.Fork(one, token=0), sd.Fork(two, gamma=0))
    assert without_time(more[:two]) == without_time(frames[:two])


def test_comparing_keeps_the_run_on_the_left_until_the_next_comes(visits):
    _, visit, before = made(visits)
    payload, waiting = visits.beside(visit)
    assert (payload["header"], payload["count"]) == (None, 0)
    assert payload["kept"]["header"]["run"] == visit.name
    assert payload["kept"]["count"] == len(before)
    payload, after, _ = last(visits.generate(waiting, SETTINGS | {"rule": "token"}))
    assert payload["kept"]["header"]["settings"]["rule"] == "coupled"
    assert payload["header"]["settings"]["rule"] == "token"
    assert visits.shown(after).header["settings"]["rule"] == "token"
    again, _, _ = last(visits.generate(after, SETTINGS | {"rule": "greedy"}))
    assert again["kept"]["header"]["run"] == visit.name
    payload, chosen = visits.choose(after, "left")
    assert payload["header"]["run"] == visit.name
    assert chosen == visit
    assert visits.frames(after.name, 0, 1).keys() == {"notice"}


def test_while_the_second_run_is_to_come_the_first_one_is_shared(visits):
    _, visit, _ = made(visits)
    _, waiting = visits.beside(visit)
    assert visits.shown(waiting).header["run"] == visit.name
    for side in ("right", "up", None, {}):
        payload, after = visits.choose(waiting, side)
        assert payload["notice"]
        assert after == waiting
    assert visits.choose(waiting, "left")[1] == visit


def test_both_runs_are_computed_again_when_they_made_room():
    visits = Visits(fake_pair, most_runs=1)
    _, visit, before = made(visits)
    event = judged_at(before)[0]
    _, forked, frames = last(visits.fork(visit, WISH | {"event": event, "token": 0}))
    made(visits)
    assert "notice" in visits.frames(forked.name, 0, 1)
    assert visits.shown(forked).trace.request == forked.asked.request
    *_, (_, after) = visits.forward(forked)
    for name, right in ((after.name, frames), (after.kept.name, before)):
        assert without_time(visits.frames(name, 0, 32)["frames"]) == without_time(right[:32])


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (None, "cannot be"),
        ([], "cannot be"),
        ({"event": 0, "luck": 1}, "cannot be"),
        (WISH | {"rule": "x" * 10**6}, "cannot be"),
        ({}, "one of the events 1 to"),
        (WISH | {"event": -1}, "one of the events 1 to"),
        (WISH | {"event": 10**9}, "one of the events 1 to"),
        (WISH | {"event": True}, "one of the events 1 to"),
        (WISH | {"event": "0"}, "one of the events 1 to"),
        (WISH | {"rule": "luck"}, "Unknown rule"),
        (WISH | {"rule": ["token"]}, "rule of a fork"),
        (WISH | {"options": {"tolerance": None}}, "tolerance"),
        (WISH | {"options": "x"}, "options"),
        (WISH | {"gamma": 99}, "gamma"),
        (WISH | {"gamma": "two"}, "gamma"),
        (WISH | {"token": 0}, "judges no scale"),
        (WISH | {"event": 3, "token": 99}, "has no token 100"),
        (WISH | {"token": -1}, "token"),
    ],
)
def test_a_wish_that_cannot_be_is_one_sentence_and_everything_stays(visits, wish, words):
    _, visit, before = made(visits)
    *_, (payload, after) = visits.fork(visit, wish)
    assert words in payload["notice"]
    assert "\n" not in payload["notice"]
    assert len(payload["notice"]) < 300
    assert after == visit
    assert (payload["header"]["run"], payload["count"], payload["kept"]) == (visit.name, len(before), None)
    assert "frames" in visits.frames(visit.name, 0, 1)


def test_without_a_run_there_is_nothing_to_fork_or_compare(visits, tmp_path):
    visit = new_visit()
    for payload, after in (*visits.fork(visit, WISH), visits.beside(visit), visits.choose(visit, "left")):
        assert payload["notice"]
        assert after == visit
    sd.generate(fake_pair(), label=0).save(tmp_path / "run.json")
    _, opened = visits.open(visit, tmp_path / "run.json")
    ((payload, after),) = visits.fork(opened, WISH)
    assert "trace file" in payload["notice"]
    assert after == opened
    payload, beside = visits.beside(opened)
    assert payload["kept"]["header"]["opened"]
    payload, _, _ = last(visits.generate(beside, SETTINGS))
    assert payload["kept"]["header"]["opened"]
    sd.generate(fake_pair((1, 2)), label=0, gamma=1).save(tmp_path / "other.json")
    _, foreign = visits.open(visit, tmp_path / "other.json")
    assert "other scales" in visits.beside(foreign)[0]["notice"]


def test_stop_ends_a_fork_and_reset_ends_the_comparison(visits):
    _, visit, _ = made(visits)
    values = visits.fork(visit, WISH)
    _, forked = next(values)
    visits.stop(forked)
    frames = [one for payload, _ in values for one in payload["frames"]]
    assert frames == []
    payload, after = visits.reset(forked)
    assert (payload["kept"], after.kept) == (None, None)
    assert "notice" in visits.frames(visit.name, 0, 1)


def test_a_fork_keeps_the_fault_and_is_compared_with_what_is_sound():
    pair = stirred_pair(0.1)
    visits, settings = Visits(lambda: pair), SETTINGS | {"label": 1, "seed": 3, "gamma": 3, "fault": "no rollback"}
    _, visit, before = made(visits, settings)
    violations = [one["index"] for one in before if one["kind"] == "violation"]
    event = next(index for index in judged_at(before) if index > violations[0])
    _, after, frames = last(visits.fork(visit, WISH | {"event": event, "token": 0}))
    assert after.asked.fault == "no rollback"
    assert without_time(frames[:event]) == without_time(before[:event])
    assert frames[event]["fork"]["by_hand"] == [0], "violations are counted on the page, and not in the request"
    ((payload, _),) = visits.compare(after)
    assert payload["baseline"]["sound"]["differing"] == 0


@pytest.mark.parametrize("rule", ["scale", "likelihood"])
def test_where_a_rule_judges_whole_every_token_is_by_hand(visits, rule):
    _, visit, before = made(visits, SETTINGS | {"rule": rule})
    event = next(index for index in judged_at(before) if before[index]["scale"] > 0)
    _, _, frames = last(visits.fork(visit, WISH | {"event": event, "token": 1}))
    count = fake_pair().schedule.lengths[frames[event]["scale"]]
    assert frames[event]["fork"]["by_hand"] == list(range(count))


def test_a_forked_trace_opens_again_and_tells_of_its_fork(visits, tmp_path):
    _, visit, before = made(visits)
    event = judged_at(before)[0]
    _, after, frames = last(visits.fork(visit, WISH | {"event": event, "token": 0}))
    visits.shown(after).trace.save(tmp_path / "fork.json")
    payload, _ = visits.open(new_visit(), tmp_path / "fork.json")
    assert unforked(payload["frames"]) == unforked(frames)
    assert payload["frames"][event]["fork"] == frames[event]["fork"]
    assert not payload["header"]["exact"]
    trace = visits.shown(after).trace
    assert frame(trace, None, 0.0).get("fork") is None, "only the event itself tells"


# --- The address ------------------------------------------------------------------------------------------------

DEFAULTS = SETTINGS | {"carry_over": "off", "plan": next(iter(PLANS)), "handover": 2, "fault": "none"}


def read(pair=None, **query):
    return read_address(query, DEFAULTS, Menu(lambda: pair or fake_pair()))


def test_an_address_says_everything_that_makes_a_run():
    address = read(rule="typical", epsilon="0.2", delta="0.5", plan="speculate, unverified from n", handover="3",
                   fault="no rollback", fork="4*gamma-1**6*rule-topk*k-2*token-1")  # fmt: skip
    assert address.notice is None
    found = asked(DEFAULTS | address.settings, 4)
    assert dict(found.request.options) == {"epsilon": 0.2, "delta": 0.5}
    assert found.request.phases == (sd.Phase(2, "speculate"), sd.Phase(4, "draft"))
    assert found.fault == "no rollback"
    assert address.forks == (sd.Fork(3, gamma=1), sd.Fork(5, rule="topk", options={"k": 2.0}, token=0))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan", "<b>"),
        ("handover", "0"),
        ("handover", "5"),
        ("handover", "1e3"),
        ("fault", "gremlin"),
        ("tolerance", "nan"),
        ("tolerance", "2"),
        ("epsilon", "0.1"),
        ("k", "3"),
        ("fork", ""),
        ("fork", "x"),
        ("fork", "0"),
        ("fork", "3*"),
        ("fork", "3*gamma-x"),
        ("fork", "3*gamma-99"),
        ("fork", "3*token-0"),
        ("fork", "3*rule-<script>"),
        ("fork", "3*constructor-1"),
        ("fork", "3*tolerance-inf"),
        ("fork", "5*gamma-1**4*gamma-1"),
        ("fork", "**".join(["3"] * 17)),
        ("fork", "3" * 10**5),
        ("fork", None),
    ],
)
def test_a_hostile_value_is_left_out_and_told_in_one_sentence(name, text):
    address = read(**{"seed": "3", name: text})
    assert address.settings == {"seed": 3}
    assert address.forks == ()
    assert address.notice == f"The address holds values that do not fit and were left out: {name}."


def test_an_option_that_the_page_does_not_know_to_be_of_the_rule_is_none():
    assert not set(OPTIONS) & set(DEFAULTS), "an option has the default of the rule that the address names"
    assert read(rule="budget", bound="3.5").settings == {"rule": "budget", "bound": 3.5}


def test_an_address_with_a_fork_restores_both_runs_and_the_cursor(visits):
    _, visit, before = made(visits)
    event = judged_at(before)[0]
    _, forked, frames = last(visits.fork(visit, WISH | {"event": event, "token": 0, "gamma": 1}))
    address = read(fork=f"{event + 1}*gamma-1*token-1", event="3")
    *_, (payload, after) = visits.restore(new_visit(), DEFAULTS | address.settings, address.event, address.forks)
    assert without_time(payload["frames"]) == without_time(frames)
    assert payload["cursor"] == 2
    assert payload["kept"]["count"] == len(before)
    assert after.asked.request == forked.asked.request
    assert after.kept.asked == visit.asked
    *_, (payload, _) = visits.restore(new_visit(), DEFAULTS, 3, (sd.Fork(0, token=0),))
    assert "judges no scale" in payload["notice"]
