import math

import pytest

import sdvar_core as sd
from sdvar_core.errors import RequestError
from sdvar_core.speculative.costs import Costs, Timing
from sdvar_core.speculative.draft_length import (
    Outcome,
    confident,
    cost_model,
    draft_length_named,
    expected_scales,
    fixed,
    hit_rate,
    pass_rate,
    stepwise,
)
from tests.fakes import fake_pair, own_draft_pair, tick_clock

COSTS = Costs.expected((1, 4, 9, 16, 25))


def outcomes(*verdicts: str) -> list[Outcome]:
    """Rounds from their verdicts: "++-" is two passes and a failure."""
    return [Outcome(0, text.count("+"), text.endswith("-")) for text in verdicts]


def test_fixed():
    assert [fixed(3, outcomes(*["-"] * count), count, COSTS) for count in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("gamma", "verdicts", "expected"),
    [
        (2, [], 2),
        (2, ["++"], 3),
        (2, ["-"], 1),
        (2, ["+-"], 1),
        (1, ["-"], 1),
        (2, ["++", "+++"], 4),
        (2, ["++", "-", "-"], 1),
        (0, [], 0),
    ],
)
def test_stepwise(gamma, verdicts, expected):
    assert stepwise(gamma, outcomes(*verdicts), 0, COSTS) == expected


@pytest.mark.parametrize("gamma", range(1, 6))
def test_hit_rate_starts_at_gamma_and_follows_the_passes(gamma):
    assert hit_rate(gamma, [], 0, COSTS) == gamma
    assert hit_rate(gamma, outcomes("-"), 0, COSTS) <= gamma
    assert hit_rate(gamma, outcomes(*["-"] * 20), 0, COSTS) == 1
    assert hit_rate(gamma, outcomes(*["++"] * 20), 0, COSTS) == 5  # all that there are


def test_hit_rate_never_drafts_when_told_not_to():
    assert hit_rate(0, [], 0, COSTS) == 0


def test_pass_rate_is_a_moving_average_over_scales():
    start = 0.5**0.5
    assert pass_rate(2, []) == start
    assert pass_rate(2, outcomes("+-")) == pytest.approx(0.7 * (0.7 * start + 0.3))


def test_entropy_goes_on_while_the_draft_is_sure():
    assert confident([])
    assert confident([[0.0, 0.0], [0.01]])
    assert not confident([[2.0]])
    assert not confident([[0.0], [100.0]])
    assert confident([[-1e-17]])  # an entropy of 0, rounded
    least = 0.5**2 / 0.2  # 1 − √(0.2·H) = 1/2
    assert confident([[least - 1e-9]])
    assert not confident([[least + 1e-9]])


def test_cost_model_weighs_expected_scales_against_seconds():
    free_drafts = Costs((0.0,) * 5, (1.0,) * 5, target_call=10.0)
    assert cost_model(4, [], 0, free_drafts) == 4
    assert cost_model(4, [], 2, free_drafts) == 2  # one scale is left for the target
    dear_drafts = Costs((100.0,) * 5, (1.0,) * 5, target_call=10.0)
    assert cost_model(4, [], 0, dear_drafts) == 0
    failing, passing = outcomes(*["-"] * 20), outcomes(*["++"] * 20)
    even = Costs((1.0,) * 5, (1.0,) * 5, target_call=3.0)
    assert cost_model(4, failing, 0, even) == 0
    assert cost_model(4, passing, 0, even) == 4
    assert cost_model(0, passing, 0, free_drafts) == 0
    still = Costs((0.0,) * 5, (0.0,) * 5)
    assert cost_model(2, [], 0, still) == 2


def test_expected_scales():
    assert expected_scales(0, 0.3) == 1.0
    assert expected_scales(3, 1.0) == 4.0
    assert expected_scales(2, 0.5) == 1.75


def test_costs_are_stretched_to_what_was_measured():
    before = Costs((1.0, 2.0), (2.0, 4.0), draft_call=1.0, target_call=2.0)
    assert before.measured([], []) == before
    assert before.of_draft(0, 2) == 4.0
    after = before.measured([Timing(0, 1, 1.0), Timing(1, 2, 1.5)], [Timing(0, 2, 16.0)])
    assert after.of_draft(0, 1) + after.of_draft(1, 2) == pytest.approx(2.5)
    assert after.of_target(0, 2) == pytest.approx(16.0)
    assert after.target == (4.0, 8.0)
    assert before.measured([], [Timing(0, 2, 16.0)]).draft == (2.0, 4.0)  # stretched like the other model


@pytest.mark.parametrize(("draft", "target"), [((1.0,), (1.0, 2.0)), ((-1.0,), (1.0,)), ((math.nan,), (1.0,))])
def test_impossible_costs(draft, target):
    with pytest.raises(RequestError, match="one number of seconds"):
        Costs(draft, target)


def test_given_costs_decide_whatever_the_clock_says():
    pair, request = own_draft_pair(), sd.Request(gamma=3, draft_length="cost_model")
    free, dear = (Costs((each,) * 4, (1.0,) * 4, target_call=10.0) for each in (0.0, 99.0))
    calls = [sum(isinstance(e, sd.TargetCall) for e in sd.decode(pair, request, costs=costs)) for costs in (free, dear)]
    assert calls == [1, 4]
    with pytest.raises(RequestError, match="4 scales"):
        sd.decode(pair, request, costs=Costs((1.0,), (1.0,)))


def test_measured_costs_repeat_themselves_under_the_same_clock():
    request = sd.Request(gamma=3, draft_length="cost_model", rule="token", seed=4)
    one, two = (sd.generate(fake_pair(), request, clock=tick_clock()) for _ in range(2))
    assert one.same_run(two)


@pytest.mark.parametrize("name", list(sd.DRAFT_LENGTHS))
def test_no_controller_passes_gamma_by_more_than_the_picture_or_drafts_at_zero(name):
    for seed in range(5):
        settings = {"seed": seed, "draft_length": name, "rule": "token"}
        assert sd.generate(fake_pair(), gamma=0, **settings).draft_calls == 0
        trace = sd.generate(fake_pair(), gamma=2, **settings)
        if name in ("fixed", "entropy", "cost_model"):
            assert max(end.gamma for end in trace.of(sd.RoundEnd)) <= 2


def test_entropy_stops_in_the_middle_of_a_round():
    gammas = set()
    for seed in range(20):
        trace = sd.generate(fake_pair(), gamma=3, draft_length="entropy", seed=seed)
        gammas |= {end.gamma for end in trace.of(sd.RoundEnd) if end.committed < 4}
    assert 1 in gammas  # unsure after the first
    sure = sd.generate(fake_pair(), gamma=3, draft_length="entropy", temperature=1e-3)
    assert sure.of(sd.RoundEnd)[0].gamma == 3


def test_draft_phases_do_not_ask_the_controller():
    phases = [sd.Phase(3, "draft"), sd.Phase(4, "speculate")]
    trace = sd.generate(fake_pair(), gamma=1, draft_length="entropy", phases=phases)
    assert trace.of(sd.RoundEnd)[0].gamma == 3


def test_unknown():
    with pytest.raises(RequestError, match="Unknown draft length 'guess'"):
        draft_length_named("guess")
