"""Forks of a run: the same up to an event, bit for bit, and another choice from there on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdvar_core as sd
from sdvar_core.speculative.clock import clock_of
from sdvar_core.trace import same_event
from tests.fakes import fake_pair
from tests.tiny import stirred_pair

PAIRS = {"fake": fake_pair(), "stirred": stirred_pair()}
WHOLE = [name for name, rule in sd.RULES.items() if rule.whole]


def run(rule="coupled", gamma=2, seed=3, pair="fake", **more):
    return sd.generate(PAIRS[pair], label=1, seed=seed, gamma=gamma, rule=rule, **more)


def forked(trace, change, **more):
    """The events of a fork, watched by every invariant, and checked as a trace."""
    pair = PAIRS[trace.pair]
    events = list(sd.fork(pair, trace, change, watch="all", **more))
    assert not any(isinstance(event, sd.Violation) for event in events)
    return sd.trace_of(pair, sd.forked(trace.request, change), events).check()


def same(events, others):
    return len(events) == len(others) and all(map(same_event, events, others))


def judged_at(trace):
    return [index for index, event in enumerate(trace.events) if isinstance(event, sd.Judged)]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("gamma", [0, 1, 3])
@pytest.mark.parametrize("rule", sd.RULES)
def test_a_fork_that_changes_nothing_is_the_same_run(rule, gamma, pair):
    trace = run(rule, gamma, pair=pair)
    for event in range(len(trace.events) + 1):
        again = forked(trace, sd.Fork(event))
        assert same(again.events, trace.events)
        assert np.array_equal(again.pictures, trace.pictures)
    for event in (0, len(trace.events) // 2):
        assert same(forked(trace, sd.Fork(event, rule=rule, options=(), gamma=gamma)).events, trace.events)


@pytest.mark.parametrize("rule", sd.RULES)
@pytest.mark.parametrize("pair", PAIRS)
def test_one_overturned_verdict_changes_its_event_and_nothing_before(rule, pair):
    trace = run(rule, 3, pair=pair)
    for event in judged_at(trace):
        before = trace.events[event]
        for token in range(before.tokens.shape[1]):
            after = forked(trace, sd.Fork(event, token=token))
            assert same(after.events[:event], trace.events[:event])
            verdict = after.events[event]
            assert not same_event(verdict, before)
            turned = verdict.kept != before.kept
            assert turned.all() if rule in WHOLE else np.flatnonzero(turned).tolist() == [token]
            others = np.ones(before.tokens.shape[1], bool) if rule not in WHOLE else np.zeros_like(turned[0])
            others[token] = False
            assert np.array_equal(verdict.tokens[0, others], before.tokens[0, others])
            assert np.array_equal(verdict.drafted, before.drafted)
            if verdict.kept[0, token]:
                assert verdict.tokens[0, token] == verdict.drafted[0, token]
                assert verdict.passed[0] == (before.passed[0] or verdict.kept.all())
            else:
                assert verdict.tokens[0, token] != verdict.drafted[0, token]
                assert not verdict.passed[0]


@given(
    st.sampled_from(list(sd.RULES)),
    st.sampled_from(list(sd.RULES)),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 40),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_another_rule_and_another_gamma_hold_from_their_event_on(rule, later, gamma, longer, event, seed):
    trace = run(rule, gamma, seed)
    event = min(event, len(trace.events))
    after = forked(trace, sd.Fork(event, rule=later, gamma=longer))
    assert same(after.events[:event], trace.events[:event])
    assert after.finished
    changed = run(later, longer, seed)
    if event == 0:
        assert same(after.events, changed.events), "a fork at the first event is the other run"


def test_a_rule_judges_from_the_very_event_and_gamma_counts_from_the_next_round():
    trace = run("token", 2, pair="stirred")
    event = judged_at(trace)[0]
    after = forked(trace, sd.Fork(event, rule="top1", options={"least_kept": 0.01}, gamma=0))
    first = after.events[event]
    assert np.isnan(first.luck).all(), "top1 draws no test"
    own = after.events[event].round
    assert {type(one) for one in after.events if one.round > own} <= {sd.TargetCall, sd.Bonus, sd.RoundEnd}


def test_forks_follow_one_another_and_a_sooner_one_undoes_the_later():
    trace = run("coupled", 2)
    one, two = judged_at(trace)[:2]
    first = forked(trace, sd.Fork(one, token=0))
    second = forked(first, sd.Fork(one, gamma=1))
    assert second.request.forks == (sd.Fork(one, token=0), sd.Fork(one, gamma=1))
    assert same(second.events[: one + 1], first.events[: one + 1])
    late = forked(trace, sd.Fork(two + 1, gamma=0))
    assert forked(late, sd.Fork(two, rule="token")).request.forks == (sd.Fork(two, rule="token"),)


def test_the_seconds_before_a_fork_are_those_that_were_measured():
    trace = run("token", 2, pair="stirred")
    event = judged_at(trace)[-1]
    after = list(sd.fork(PAIRS["stirred"], trace, sd.Fork(event, gamma=1)))
    timed = (sd.Drafted, sd.TargetCall)
    for one, two in zip(after[:event], trace.events):
        assert not isinstance(one, timed) or one.seconds == two.seconds
    clock = clock_of([2.0, 3.0], lambda: 9.0)
    assert [clock() for _ in range(6)] == [0.0, 2.0, 0.0, 3.0, 9.0, 9.0]


def test_a_fork_of_measured_costs_keeps_what_came_before():
    pair = PAIRS["stirred"]
    for seed in range(4):
        trace = run("token", 3, seed, "stirred", draft_length="cost_model")
        for event in range(0, len(trace.events), 3):
            after = list(sd.fork(pair, trace, sd.Fork(event, rule="coupled")))
            assert same(after[:event], trace.events[:event])


def test_violations_are_not_counted():
    fault, pair = "no rollback", PAIRS["fake"]
    request = sd.Request(label=1, seed=3, gamma=3, rule="token")
    loud = sd.trace_of(pair, request, list(sd.decode(pair, request, fault=fault, watch="all")))
    assert loud.violations
    events = [event for event in loud.events if not isinstance(event, sd.Violation)]
    for number in range(0, len(events), 2):
        after = list(sd.fork(pair, loud, sd.Fork(number, gamma=1), fault=fault, watch="none"))
        assert same(after[:number], events[:number])


def test_a_fork_travels_in_a_trace_file(tmp_path):
    trace = run("typical", 2)
    event = judged_at(trace)[0]
    after = forked(trace, sd.Fork(event, rule="topk", options={"k": 2}, gamma=1, token=0))
    after.save(tmp_path / "fork.json")
    read = sd.Trace.load(tmp_path / "fork.json")
    assert read.same_run(after)
    assert read.request.forks == after.request.forks
    assert same(list(sd.decode(PAIRS["fake"], read.request)), after.events), "the request alone makes the run again"


def test_only_the_first_picture_of_a_batch_is_touched():
    trace = sd.generate(PAIRS["fake"], label=(0, 1), seed=3, rule="token")
    event = judged_at(trace)[0]
    verdict = forked(trace, sd.Fork(event, token=0)).events[event]
    assert np.array_equal(verdict.kept[1], trace.events[event].kept[1])
    assert verdict.kept[0, 0] != trace.events[event].kept[0, 0]


def test_exactness_is_lost_by_hand_and_by_relaxed_rules_only():
    exact = sd.Request(rule="token")
    assert sd.is_exact(exact)
    assert sd.is_exact(replace(exact, forks=(sd.Fork(5, rule="coupled", gamma=1),)))
    assert not sd.is_exact(replace(exact, forks=(sd.Fork(5, token=0),)))
    assert not sd.is_exact(replace(exact, forks=(sd.Fork(5, rule="top1"), sd.Fork(9, rule="token"))))
    assert not sd.is_exact(replace(exact, forks=(sd.Fork(5, rule="coupled", options={"tolerance": 0.1}),)))
    assert not sd.is_exact(sd.Request(phases=(sd.Phase(4, "draft"),)))
    assert not sd.is_exact(sd.Request(rule="unheard of"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"event": -1}, "event of a fork"),
        ({"event": 1.5}, "event of a fork"),
        ({"event": 0, "gamma": -1}, "gamma of a fork"),
        ({"event": 0, "token": "x"}, "token of a fork"),
        ({"event": 0, "rule": 3}, "rule of a fork"),
        ({"event": 0, "options": 3}, "options"),
        ({"event": 0, "rule": "unheard of"}, "Unknown rule"),
        ({"event": 0, "gamma": 99}, "gamma must be"),
        ({"event": 0, "options": {"k": 1}}, "has no option"),
        ({"event": 0, "rule": "topk", "options": {"k": 0}}, "k must be"),
        ({"event": 0, "token": 0}, "judges no scale"),
        ({"event": 99}, "ends after"),
        ({"event": 3, "token": 5}, "has no token 6"),
        ({"event": 0, "luck": 1}, "forks must be"),
        ("xyz", "forks must be"),
    ],
)
def test_a_fork_that_cannot_be_is_refused_in_one_sentence(change, words):
    with pytest.raises(sd.RequestError, match=words) as error:
        list(sd.decode(PAIRS["fake"], sd.Request(label=1, seed=3, forks=(change,))))
    assert "\n" not in str(error.value)


def test_forks_are_few_and_in_order():
    with pytest.raises(sd.RequestError, match="order"):
        sd.Request(forks=(sd.Fork(5), sd.Fork(4)))
    with pytest.raises(sd.RequestError, match="at most"):
        sd.Request(forks=tuple(sd.Fork(event) for event in range(17)))


def test_a_run_that_carries_over_cannot_fork_to_a_rule_without_shared_luck():
    trace = run("coupled", 3, carry_over=True)
    with pytest.raises(sd.RequestError, match="carry"):
        sd.fork(PAIRS["fake"], trace, sd.Fork(4, rule="token"))
    assert forked(trace, sd.Fork(4, rule="greedy")).finished


def test_a_token_that_alone_is_possible_cannot_be_rejected():
    trace = run("greedy", 3, pair="stirred", top_k=1)
    kept = [index for index in judged_at(trace) if trace.events[index].kept[0, 0]]
    with pytest.raises(sd.RequestError, match="no other code a chance"):
        list(sd.fork(PAIRS["stirred"], trace, sd.Fork(kept[0], token=0)))
