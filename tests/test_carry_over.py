"""What becomes of stale answers: the formula that refreshes them, and the runs that use it."""

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core.carry_over import refreshed
from sdvar_core.probability import total_variation
from tests.fakes import fake_pair, own_draft_pair


def distributions(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def test_the_formula_token_by_token():
    now, stale, then = (distributions(2, 3, 5, seed=seed) for seed in range(3))
    found = refreshed(now, stale, then)
    for picture, token in np.ndindex(2, 3):
        q, p, before = (one[picture, token] for one in (now, stale, then))
        worth = 1.0 - 0.5 * float((q - before).abs().sum())
        weights = [float(q[code] * (p[code] / before[code]) ** worth) for code in range(5)]
        assert found[picture, token].tolist() == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-6)


def test_a_draft_of_the_same_mind_gives_what_the_target_said():
    stale, then = distributions(1, 4, 6, seed=1), distributions(1, 4, 6, seed=2)
    assert torch.allclose(refreshed(then, stale, then), stale, atol=1e-9)


def test_a_draft_of_quite_another_mind_is_left_alone():
    then, now = torch.eye(4, dtype=torch.float64)[[0, 1], None, None]
    assert torch.equal(refreshed(now, distributions(1, 1, 4), then), now)


def test_zeros_give_a_distribution_and_stay():
    now, stale, then = distributions(1, 2, 4, seed=3), distributions(1, 2, 4, seed=4), distributions(1, 2, 4, seed=5)
    now[..., 0], then[..., 1], stale[..., 2] = 0.0, 0.0, 0.0
    found = refreshed(*(one / one.sum(dim=-1, keepdim=True) for one in (now, stale, then)))
    assert (found[..., 0] == 0.0).all()
    assert (found[..., 1:] > 0.0).all()
    assert torch.allclose(found.sum(dim=-1), torch.ones(1, 2, dtype=torch.float64))


def test_it_comes_closer_to_the_target_than_the_draft_and_the_stale_answer():
    """Target and draft differ by the same ratio before and after, as far as the draft can tell."""
    then, now, ratio = distributions(1, 50, 8, seed=6), distributions(1, 50, 8, seed=7), distributions(1, 50, 8, seed=8)
    now = 0.8 * then + 0.2 * now
    stale, target = (one * ratio / (one * ratio).sum(dim=-1, keepdim=True) for one in (then, now))
    found = total_variation(target, refreshed(now, stale, then)).mean()
    assert found < total_variation(target, stale).mean()
    assert found < total_variation(target, now).mean()


def drafts(pair: sd.Pair, **settings) -> dict[tuple[int, int], torch.Tensor]:
    """The q of every draft forward of a run, by round and scale; and nothing is carried over as it was."""
    found = {}

    def listen(event, target, draft):
        assert not isinstance(event, sd.Carried)
        if isinstance(event, sd.Drafted):
            found[event.round, event.scale] = draft

    list(sd.decode(pair, sd.Request(seed=5, gamma=3, guidance=0.0, **settings), listener=listen))
    return found


@pytest.mark.parametrize("rule", ["token", "coupled", "likelihood"])
def test_answers_correct_the_next_drafts_and_no_earlier_ones(rule):
    plain, corrected = (drafts(fake_pair(), rule=rule, carry_over=way) for way in ("off", "refreshed"))
    same = {key: torch.equal(plain[key], corrected[key]) for key in plain if key in corrected}
    assert all(equal for (number, _), equal in same.items() if number == 1)
    assert not same[2, min(scale for number, scale in same if number == 2)]


def test_the_target_as_its_own_draft_is_never_corrected():
    trace = sd.generate(own_draft_pair(), gamma=3, rule="scale", carry_over="refreshed", watch="all")
    assert trace.target_calls == 1
    assert trace.violations == []


@pytest.mark.parametrize("value", ["", "yes", 1, None, ["stale"]])
def test_another_way_is_refused(value):
    with pytest.raises(sd.RequestError, match="carry_over must be one of off, stale, refreshed"):
        sd.Request(carry_over=value)


def test_truth_values_are_names():
    assert sd.Request(carry_over=True) == sd.Request(carry_over="stale")
    assert sd.Request(carry_over=False) == sd.Request()
