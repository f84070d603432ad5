"""The race: calls counted from traces, times from an injected clock, acceptance foretold by formulas of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core.measure import race
from sdvar_core.measure.prediction import CHANCES, coupling, prediction
from sdvar_core.phases import Phase
from sdvar_core.randomness import Luck
from sdvar_core.speculative.rules import RULES
from tests.fakes import fake_pair, own_draft_pair, tick_clock


def test_every_exact_rule_races_with_its_own_baseline():
    entries = race.exact_contestants([1, 2])
    exact = [name for name, rule in sd.RULES.items() if rule.exact]
    assert entries[: len(exact)] == [race.Contestant(rule) for rule in exact]
    carrying = [entry for entry in entries if entry.carry_over != "off"]
    assert {entry.rule for entry in carrying} == set(exact)
    assert len(entries) == len(exact) * (1 + 2 * len(sd.DRAFT_LENGTHS)) + len(carrying)
    assert race.exact_contestants([0, 1]).count(race.Contestant("token", "fixed", 0)) == 1


def test_race_counts_calls_and_time():
    pair = own_draft_pair()
    results = race.race(pair, race.exact_contestants([1, 3]), 4, clock=tick_clock(), guidance=1.5)
    by_name = {result.contestant: result for result in results}
    alone = by_name[race.Contestant("coupled", "fixed", 0)]
    assert alone.all("target_calls").tolist() == [4] * 4
    assert alone.all("draft_calls").tolist() == [0] * 4
    assert alone.speedup == 1.0
    assert alone.acceptance_rate == 0.0
    whole = by_name[race.Contestant("coupled", "fixed", 3)]
    assert whole.all("target_calls").tolist() == [1] * 4
    assert whole.all("draft_calls").tolist() == [3] * 4
    assert whole.acceptance_rate == 1.0
    # A run ticks once at each end and twice a call: 9 ticks from start to end for 4 calls, with or without a draft.
    assert alone.all("seconds").tolist() == whole.all("seconds").tolist() == whole.all("baseline").tolist() == [9.0] * 4


def test_race_agrees_with_generate():
    pair = fake_pair()
    (result,) = (
        entry
        for entry in race.race(pair, race.exact_contestants([2]), 5)
        if entry.contestant == race.Contestant("token", "stepwise", 2)
    )
    traces = [sd.generate(pair, label=s % 3, seed=s, gamma=2, rule="token", draft_length="stepwise") for s in range(5)]
    assert result.all("target_calls").tolist() == [trace.target_calls for trace in traces]
    assert result.acceptance_rate == sum(t.kept for t in traces) / sum(t.judged for t in traces)


def test_speedup_is_the_median_of_pairs():
    result = race.Result(
        race.Contestant("token", "fixed", 1),
        tuple(race.Turn(1, 1, *counts) for counts in [(1, 1, 1.0, 2.0), (1, 2, 2.0, 2.0), (1, 1, 10.0, 5.0)]),
    )
    assert result.speedup == 1.0
    row = race.race_table([result, replace(result, contestant=race.Contestant("token", "stepwise", 3))])
    assert "| token | 1 | 1.00 | 1.00 | 0.750 | 2000 | 1.00 |" in row
    assert "| token | stepwise from 3 |" in row
    assert race.Contestant("coupled", "fixed", 4, carry_over="stale").shown_gamma == "4, stale"


def distributions(seed, shape):
    generator = torch.Generator().manual_seed(seed)
    p, q = (torch.randn(*shape, generator=generator, dtype=torch.float64).softmax(dim=-1) for _ in range(2))
    return p, q


def test_coupling_is_the_double_sum():
    p, q = distributions(0, (1, 6, 7))
    p, q = p.clone(), q.clone()
    p[0, 0, :3], q[0, 1, 2:4], q[0, 2] = 0.0, 0.0, p[0, 2]
    p[0, 3], q[0, 3] = p[0, 3].flip(-1), p[0, 3]
    p, q = (one / one.sum(dim=-1, keepdim=True) for one in (p, q))
    both = torch.maximum(p[..., None, :] / p[..., :, None], q[..., None, :] / q[..., :, None])
    slow = (1.0 / both.sum(dim=-1)).nan_to_num(0.0).sum(dim=-1)
    assert torch.allclose(coupling(p, q, {}), slow, atol=1e-12, rtol=0)
    assert float(coupling(p, q, {})[0, 2]) == pytest.approx(1.0)


@pytest.mark.parametrize("rule", [*CHANCES, "scale"])
def test_rules_keep_what_is_foretold(rule):
    pictures, tokens, codes = 3000, 2, 6
    one_p, one_q = distributions(3, (1, tokens, codes))
    p, q = (one.expand(pictures, tokens, codes) for one in (one_p, 0.5 * one_p + 0.5 * one_q))
    chosen = RULES[rule]
    options = chosen.checked({name: value for name, value in {"k": 2, "bound": 0.2}.items() if name in chosen.options})
    with_codebook = options | {"codebook": torch.arange(float(codes))[:, None]}
    luck = Luck(tuple(range(pictures))).of_scale(0, tokens)
    drafted = chosen.propose(q, luck)
    kept = chosen.judge(p, q, drafted, luck, **(with_codebook if chosen.codebook else options)).kept
    found = prediction(rule, p, q, drafted, with_codebook)
    assert float(kept.sum()) == pytest.approx(found.expected, abs=4.0 * found.variance**0.5 + 1e-9)
    assert found.variance > 0.0 or rule in ("greedy", "kl")


def test_a_race_that_is_judged_compares_with_the_exact_picture():
    pair = own_draft_pair()
    entries = [
        race.Contestant("coupled"),
        race.Contestant("coupled", gamma=2),
        race.Contestant("token", gamma=2),
        race.Contestant("likelihood", gamma=2),
        race.Contestant("coupled", gamma=2, carry_over="refreshed"),
        race.Contestant("coupled", phases=(Phase(2, "draft"), Phase(4, "target"))),
    ]
    alone, same, token, likelihood, carrying, handed = race.race(pair, entries, 3, judged=True)
    for result in (alone, same, carrying):
        assert result.all("equal_tokens").tolist() == [1.0] * 3
        assert result.psnr == np.inf
    assert alone.predicted is None
    for result in (same, token):
        assert result.predicted == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-6))
    assert likelihood.predicted is None
    assert [result.contestant.exact for result in (alone, same, token, likelihood, carrying, handed)] == [
        True, True, True, False, True, False]  # fmt: skip
    assert np.isfinite(handed.gap).all()
    rows = list(race.fidelity_table([alone, same, handed]))
    assert "| coupled | 0 | yes | 4.00 | – | – | 1.000 | identical |" in rows[1]
    assert rows[3].startswith("| draft until scale 2, target until scale 4 | 0 | no | 2.00 | – | – |")


def test_foretold_acceptance_is_measured():
    result = race.race(fake_pair(), [race.Contestant("token", gamma=2)], 40, judged=True)[0]
    expected, error = result.predicted
    assert abs(result.acceptance_rate - expected) < 3.0 * error
    assert result.all("judged").sum() > 40
