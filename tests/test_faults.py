"""Every mistake of the catalogue is noticed by a named invariant, and nothing is noticed in a sound run."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core.probability import distribution
from tests.fakes import fake_pair
from tests.tiny import stirred_pair

FEW, MANY = (1, 2), tuple(range(10)) * 3
SETTINGS = {"label": FEW, "top_k": 5}

# Fault → the invariants that must notice it. Where all of them are dear, only watch="all" does.
CAUGHT_BY = {
    "own tokens as query": {"query", "merged logits", "same prefix"},
    "first input missing": {"merged logits"},
    "cache reset every round": {"cache length"},
    "mask from row 0": {"merged logits"},
    "canvas advanced twice": {"canvas", "next input", "same prefix"},
    "next input never advanced": {"next input", "same prefix", "merged logits"},
    "logits sliced at absolute offset": {"merged logits"},
    "guidance doubled too late": {"merged logits"},
    "output overwritten by input": {"merged logits"},
    "acceptance averaged over the batch": {"whole scales", "judgement"},
    "forced acceptance at γ=1": {"ceiling", "judgement"},
    "stop when nothing is accepted": {"finished"},
    "positions shifted by one scale": {"merged logits"},
    "level embedding missing": {"merged logits"},
    "guidance missing at verification": {"guidance", "merged logits"},
    "cond and uncond swapped": {"merged logits"},
    "no rollback": {"cache length", "merged logits"},
    "rollback one scale too far": {"cache length"},
    "stale draft cache": {"cache length", "same prefix"},
    "q recorded before top-k": {"drawn"},
    "draw and test share a uniform": {"luck"},
    "one uniform for a scale": {"luck"},
}
HARMLESS = {"cache reset every round", "rollback one scale too far", "stale draft cache"}  # they cost time only
TOKEN_RULES_ONLY = {"q recorded before top-k", "draw and test share a uniform"}


@pytest.fixture(scope="module")
def pair() -> sd.Pair:
    return stirred_pair(0.1)


@pytest.fixture(scope="module")
def near_pair() -> sd.Pair:
    return stirred_pair(0.03)


# What a fault is looked at with: γ and the pictures. Thirty of them, so that the ceiling of acceptance can be tested.
BATCHES = [(1, FEW), (1, FEW[::-1]), (1, MANY), (2, FEW), (3, FEW[::-1])]


def watched_run(pair: sd.Pair, fault: str, rule: str, gamma: int, labels: tuple[int, ...], watch: str) -> sd.Trace:
    settings = SETTINGS | {"label": labels, "seed": 10 * labels[0]}
    return sd.generate(pair, rule=rule, gamma=gamma, fault=fault, watch=watch, clock=lambda: 0.0, **settings)


def unwatched(trace: sd.Trace) -> sd.Trace:
    return replace(trace, events=tuple(event for event in trace.events if not isinstance(event, sd.Violation)))


def told(trace: sd.Trace) -> set[str]:
    return {violation.invariant for violation in trace.violations}


def test_the_table_is_whole():
    assert set(CAUGHT_BY) == set(sd.FAULTS)
    assert len(sd.FAULTS) >= 16
    assert set().union(*CAUGHT_BY.values()) <= set(sd.INVARIANTS)


@pytest.mark.parametrize("fault", list(sd.FAULTS))
def test_every_fault_is_caught(pair, fault):
    found = set()
    for rule, (gamma, labels) in itertools.product(("coupled", "token"), BATCHES):
        trace = watched_run(pair, fault, rule, gamma, labels, "all")
        found |= told(trace)
        if gamma == 1:  # fewer eyes see less of the same run
            cheap = watched_run(pair, fault, rule, gamma, labels, "cheap")
            assert told(cheap) == {name for name in told(trace) if not sd.INVARIANTS[name].dear}
            assert unwatched(cheap).same_run(unwatched(trace))
    assert CAUGHT_BY[fault] <= found


@pytest.mark.parametrize("fault", list(sd.FAULTS))
def test_without_a_watch_nothing_is_told_and_the_run_is_the_same(pair, fault):
    for rule, gamma in (("coupled", 1), ("token", 2)):
        trace = watched_run(pair, fault, rule, gamma, FEW[::-1], "none")
        assert trace.violations == []
        assert trace.same_run(unwatched(watched_run(pair, fault, rule, gamma, FEW[::-1], "cheap")))


@pytest.mark.parametrize("rule", list(sd.RULES))
def test_no_invariant_fires_on_two_hundred_sound_pictures(pair, rule):
    for seed, gamma, draft_length in zip((0, 50, 100, 150), (1, 2, 3, 4), ("fixed", "stepwise", "entropy", "hit_rate")):
        labels = tuple(index % 10 for index in range(50))
        trace = sd.generate(
            pair, label=labels, seed=seed, gamma=gamma, rule=rule, draft_length=draft_length, watch="all"
        )
        assert trace.violations == []


PLANS = [
    (),
    (sd.Phase(2, "draft"), sd.Phase(4, "target")),
    (sd.Phase(2, "target"), sd.Phase(4, "draft")),
    (sd.Phase(1, "draft"), sd.Phase(3, "speculate"), sd.Phase(4, "draft")),
    (sd.Phase(4, "draft"),),
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("draft_length", list(sd.DRAFT_LENGTHS))
def test_no_invariant_fires_in_any_plan(near_pair, plan, draft_length):
    for seed, rule in enumerate(sd.RULES):
        settings = {"phases": plan, "draft_length": draft_length, "seed": seed, "top_k": 6, "top_p": 0.9, "gamma": 3}
        for way in ("stale", "refreshed"):
            trace = sd.generate(near_pair, rule=rule, watch="all", label=(0, 5), carry_over=way, **settings)
            assert trace.violations == []


def test_no_invariant_fires_where_changed_tokens_pass(pair):
    for share, seed in itertools.product((0.3, 1.0), range(4)):
        options = {"tolerance": share}
        for carry_over in sd.CARRY_OVERS:
            trace = sd.generate(pair, seed=seed, gamma=2, options=options, carry_over=carry_over, watch="all")
            assert trace.violations == []


@pytest.fixture(scope="module")
def alone(pair) -> dict[int, sd.Trace]:
    """The sound target alone, by seed."""
    return {seed: sd.generate(pair, gamma=0, seed=seed, **SETTINGS) for seed in (3, 40, 80)}


def differences(pair: sd.Pair, alone: dict[int, sd.Trace], fault: str) -> int:
    """Tokens in which ``coupled`` with a fault differs from the sound target alone; a missing scale counts as one."""
    count = 0
    for gamma, (seed, sound) in itertools.product((1, 2, 3), alone.items()):
        run = sd.generate(pair, gamma=gamma, seed=seed, fault=fault, **SETTINGS)
        count += len(sound.tokens) - len(run.tokens)
        count += sum(int((one != two).sum()) for one, two in zip(run.tokens, sound.tokens))
    return count


@pytest.mark.parametrize("fault", [name for name in sd.FAULTS if name not in TOKEN_RULES_ONLY])
def test_a_fault_changes_the_picture_unless_it_only_costs_time(pair, alone, fault):
    assert (differences(pair, alone, fault) == 0) == (fault in HARMLESS)


def first_token_law(fault: str | None, **settings) -> np.ndarray:
    """How often each code is the first token of a run of two scales, over 3200 pictures."""
    pair, counts = fake_pair((1, 1), codes=4, short=True), np.zeros(4)
    for run in range(50):
        request = sd.Request((0,) * 64, 64 * run, 1, "token", guidance=0.0, **settings)
        events = list(sd.decode(pair, request, fault=fault, watch="none"))
        counts += np.bincount(sd.trace_of(pair, request, events).tokens[0][:, 0], minlength=4)
    return counts / counts.sum()


@pytest.mark.parametrize(
    ("fault", "settings"), [("draw and test share a uniform", {}), ("q recorded before top-k", {"top_k": 2})]
)
def test_a_fault_of_luck_or_of_q_changes_the_law(fault, settings):
    target = fake_pair((1, 1), codes=4, short=True).target
    law = distribution(target.logits(None, 0, torch.tensor([0])), 1.0, settings.get("top_k", 0))[0, 0].numpy()
    assert np.abs(first_token_law(None, **settings) - law).max() < 0.025  # three standard errors
    assert np.abs(first_token_law(fault, **settings) - law).max() > 0.05


def test_a_harmless_fault_costs_reading(pair):
    sound, reset = (sd.generate(pair, gamma=1, seed=3, fault=fault) for fault in (None, "cache reset every round"))
    assert {call.read_from for call in reset.of(sd.TargetCall)} == {0}
    assert max(call.read_from for call in sound.of(sd.TargetCall)) > 0


@pytest.mark.parametrize("fault", list(sd.FAULTS.values()), ids=lambda fault: fault.name)
def test_a_fault_says_what_it_is(fault):
    assert fault.sentence.count(". ") == 1
    assert fault.sentence.endswith(".")
    assert fault.look.endswith(".")
    assert fault.origin.endswith(".")


def test_a_fault_leaves_the_pair_alone(pair):
    before = sd.generate(pair, gamma=2, seed=1, watch="all", **SETTINGS)
    for fault in sd.FAULTS:
        sd.generate(pair, gamma=2, seed=1, fault=fault, **SETTINGS)
    assert sd.generate(pair, gamma=2, seed=1, watch="all", **SETTINGS).same_run(before)


def test_unknown_faults_and_models_without_the_part_are_refused():
    with pytest.raises(sd.RequestError, match="Unknown fault 'gremlin'"):
        sd.decode(fake_pair(), sd.Request(), fault="gremlin")
    with pytest.raises(sd.RequestError, match="level_embedding of a next-scale transformer"):
        sd.decode(fake_pair(), sd.Request(), fault="level embedding missing")
