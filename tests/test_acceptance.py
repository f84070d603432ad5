"""Acceptance rules: exact by enumeration, pure, and kind to unknown names."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdvar_core import philox
from sdvar_core.errors import RequestError
from sdvar_core.probability import of_token
from sdvar_core.randomness import Luck, Stream
from sdvar_core.speculative.acceptance import scale
from sdvar_core.speculative.rules import RULES, rule_named
from tests.enumeration import BranchingLuck, JointPairing, every_path


def random_distribution(rng: np.random.Generator, length: int, codes: int, zeros: bool) -> torch.Tensor:
    weights = rng.dirichlet(np.full(codes, 0.7), size=(1, length))
    if zeros and codes > 1:
        weights[..., rng.integers(codes)] = 0.0
        weights /= weights.sum(axis=-1, keepdims=True)
    return torch.from_numpy(weights)


def law_of_rule(name: str, p: torch.Tensor, q: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The exact law of what stands after propose and judge, over all drafts, tests and residual draws."""

    def walk(choices):
        luck = BranchingLuck(choices, lambda _: p, lambda _: q, joint=name == "scale").of_scale(0, p.shape[1])
        drafted = RULES[name].propose(q, luck)
        return tuple(RULES[name].judge(p, q, drafted, luck).tokens[0].tolist())

    law: dict[tuple[int, ...], float] = {}
    for weight, outcome in every_path(walk):
        law[outcome] = law.get(outcome, 0.0) + weight
    return law


@pytest.mark.parametrize(("length", "codes"), [(1, 1), (1, 2), (1, 6), (2, 4), (3, 3), (4, 2)])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("name", ["token", "scale"])
@pytest.mark.parametrize("seed", range(3))
def test_rule_has_the_law_of_the_target(length, codes, zeros, name, seed):
    rng = np.random.default_rng([seed, length, codes])
    p, q = (random_distribution(rng, length, codes, zeros) for _ in range(2))
    law = law_of_rule(name, p, q)
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)
    for outcome in np.ndindex(*[codes] * length):
        expected = np.prod([float(p[0, position, code]) for position, code in enumerate(outcome)])
        assert law.get(outcome, 0.0) == pytest.approx(expected, abs=1e-12)


class ManyPictures:
    """The luck of one scale for many pictures at once: the numbers of ``Luck``, made together."""

    def __init__(self, pictures: int, scale: int, length: int) -> None:
        self.pictures, self.scale, self.length = pictures, scale, length

    def uniforms(self, stream: Stream, attempt: int = 0) -> torch.Tensor:
        keys = [(seed, int(stream)) for seed in range(self.pictures)]
        return philox.uniforms(keys, (0, attempt, self.scale), self.length, torch.device("cpu"))


@pytest.mark.parametrize("seed", range(3))
def test_joint_redraws_and_drafts_have_their_joint_law(seed):
    """The loop itself, whose numbers the enumeration above chooses: many pictures, real luck, a chi-square over what
    was drafted and what stands."""
    rng = np.random.default_rng(seed)
    p, q = (random_distribution(rng, 2, 3, zeros=False) for _ in range(2))
    pictures, outcomes = 6_000, list(np.ndindex(3, 3))
    luck, few = ManyPictures(pictures, 0, 2), Luck(range(20)).of_scale(0, 2)
    streams = (Stream.TWIN, Stream.TWIN_TEST, Stream.LIKENESS, Stream.RESIDUAL, Stream.REDRAW)
    for stream, attempt in itertools.product(streams, range(3)):
        assert torch.equal(luck.uniforms(stream, attempt)[:20], few.uniforms(stream, attempt))
    many = [one.expand(pictures, -1, -1) for one in (p, q)]
    drafted = RULES["scale"].propose(many[1], luck)
    verdict = scale(*many, drafted, luck)
    place = torch.tensor([3, 1])
    counts = torch.bincount(9 * (drafted @ place) + verdict.tokens @ place, minlength=81).double()
    expected = np.zeros((9, 9))
    for row, x in enumerate(outcomes):
        large, small = (np.prod([float(one[0, place, code]) for place, code in enumerate(x)]) for one in (p, q))
        expected[row, row] += min(large, small)
        if small > large:
            expected[row] += (small - large) * JointPairing(p[0], q[0], x).law()
    expected = torch.from_numpy(expected.ravel() * pictures)
    assert float(counts[expected < 1e-9].sum()) == 0
    seen = expected > 5.0
    assert float(((counts - expected) ** 2 / expected)[seen].sum()) < 60.0 + int(seen.sum())
    assert float(counts[~seen].sum()) < 60.0 + 2.0 * float(expected[~seen].sum())


def test_a_redraw_shares_most_tokens_with_its_draft():
    """Of 200 tokens a tenth may differ: the scale as a whole never passes, but nine tenths of it stand."""
    q = torch.full((1, 200, 10), 0.1, dtype=torch.float64)
    p = q.clone()
    p[..., 0], p[..., 1] = 0.2, 0.0
    luck = Luck([4]).of_scale(2, 200)
    drafted = RULES["scale"].propose(q, luck)
    verdict = RULES["scale"].judge(p, q, drafted, luck)
    assert not verdict.passed.item()
    assert not verdict.kept.any()
    assert 0.05 < (verdict.tokens != drafted).double().mean().item() < 0.16


def test_leniency_eases_the_joint_test_alone():
    rng = np.random.default_rng(8)
    p, q = (random_distribution(rng, 6, 4, zeros=False).expand(400, -1, -1) for _ in range(2))
    luck = Luck(range(400)).of_scale(1, 6)
    drafted, rule = RULES["scale"].propose(q, luck), RULES["scale"]
    strict, eased = (rule.judge(p, q, drafted, luck, leniency=nats).passed for nats in (0.0, 0.3))
    ratio = (of_token(p, drafted) / of_token(q, drafted)).prod(dim=-1)
    assert torch.equal(eased, luck.uniforms(Stream.ACCEPT)[:, 0] < ratio * np.exp(6 * 0.3))
    assert (strict <= eased).all()
    assert strict.sum() < eased.sum()


def test_enumeration_notices_a_wrong_rule(monkeypatch):
    """The test above can fail: redrawing from p instead of the residual is found out."""
    monkeypatch.setattr("sdvar_core.speculative.acceptance.residual", lambda p, q: p)
    rng = np.random.default_rng(0)
    p, q = (random_distribution(rng, 1, 3, zeros=False) for _ in range(2))
    law = law_of_rule("token", p, q)
    assert max(abs(law.get((code,), 0.0) - float(p[0, 0, code])) for code in range(3)) > 1e-3


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(2, 9))
@settings(max_examples=50, deadline=None)
def test_coupled_and_greedy_let_the_target_speak(seed, length, codes):
    rng = np.random.default_rng(seed)
    p, q = (random_distribution(rng, length, codes, zeros=True) for _ in range(2))
    luck = Luck([seed]).of_scale(3, length)
    for name in ("coupled", "greedy"):
        rule = RULES[name]
        drafted, answer = rule.propose(q, luck), rule.answer(p, luck)
        verdict = rule.judge(p, q, drafted, luck)
        assert torch.equal(verdict.tokens, answer)
        assert torch.equal(verdict.kept, drafted == answer)
        assert verdict.passed.item() == bool((drafted == answer).all())
        assert (of_token(p, answer) > 0).all()


def test_coupled_answers_follow_the_target_distribution():
    """Gumbel-argmax has law p: a chi-square over 40,000 positions, far from any doubt."""
    p = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0], dtype=torch.float64)
    length = 40_000
    codes = RULES["coupled"].answer(p.expand(1, length, 5), Luck([5]).of_scale(0, length))
    counts = torch.bincount(codes[0], minlength=5).double()
    assert counts[4] == 0
    assert float(((counts[:4] - length * p[:4]) ** 2 / (length * p[:4])).sum()) < 20.0  # 3 degrees: p ≈ 2e-4


def test_streams_of_one_scale_are_different():
    luck = Luck([1]).of_scale(2, 50)
    drawn = [luck.uniforms(stream) for stream in (Stream.DRAFT, Stream.ACCEPT, Stream.RESIDUAL)]
    assert len({tuple(entry[0].tolist()) for entry in drawn}) == 3


def test_own_draft_is_always_kept():
    rng = np.random.default_rng(3)
    p = random_distribution(rng, 200, 7, zeros=False)
    luck = Luck([9]).of_scale(1, 200)
    for rule in (rule for rule in RULES.values() if rule.exact):
        drafted = rule.propose(p, luck)
        verdict = rule.judge(p, p.clone(), drafted, luck)
        assert verdict.kept.all()
        assert torch.equal(verdict.tokens, drafted)


def test_unknown_rule():
    with pytest.raises(RequestError, match="Unknown rule 'best'"):
        rule_named("best")
