"""Relaxed rules against slow references written token by token from the formulas of design section 3."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdvar_core.errors import RequestError
from sdvar_core.randomness import Luck, Stream
from sdvar_core.speculative.rules import RULES

CODES = 6


class Case:
    """A random question to a rule, as tensors for the rule and as plain numbers for the reference."""

    def __init__(self, seed: int, length: int) -> None:
        rng = np.random.default_rng(seed)
        self.p, self.q = (torch.from_numpy(rng.dirichlet(np.full(CODES, 0.5), size=(2, length))) for _ in range(2))
        self.luck = Luck([seed, seed + 1]).of_scale(2, length)
        self.drafted = RULES["token"].propose(self.q, self.luck)
        self.codebook = torch.from_numpy(rng.normal(size=(CODES, 3)))
        self.answer = RULES["token"].answer(self.p, self.luck)
        self.uniforms = self.luck.uniforms(Stream.ACCEPT)

    def rows(self):
        """(picture, position, p, q, x, u, target's answer) of every token."""
        for picture in range(2):
            for position in range(self.p.shape[1]):
                where = picture, position
                yield (
                    *where,
                    self.p[where].tolist(),
                    self.q[where].tolist(),
                    int(self.drafted[where]),
                    float(self.uniforms[where]),
                    int(self.answer[where]),
                )


def entropy(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def lent_mass(p, x, codebook, k, bound):
    order = sorted((c for c in range(CODES) if c != x), key=lambda c: float((codebook[c] - codebook[x]).norm()))
    mass = 0.0
    for code in order[:k]:
        if mass + p[code] > bound:
            break
        mass += p[code]
    return mass


KEEPS = {
    "top1": lambda c, p, q, x, u, o: x == max(range(CODES), key=lambda code: p[code]),
    "topk": lambda c, p, q, x, u, o: x in sorted(range(CODES), key=lambda code: -p[code])[: o["k"]],
    "kl": lambda c, p, q, x, u, o: sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0) <= o["bound"],
    "typical": lambda c, p, q, x, u, o: p[x] >= min(o["epsilon"], o["delta"] * math.exp(-entropy(p))),
    "neighbours": lambda c, p, q, x, u, o: u < min(1, (p[x] + lent_mass(p, x, c.codebook, o["k"], o["bound"])) / q[x]),
    "budget": lambda c, p, q, x, u, o: u < min(1, p[x] / q[x]),
}
OPTIONS = {
    "top1": {"least_kept": 0.4},
    "topk": {"least_kept": 0.6, "k": 2},
    "kl": {"least_kept": 0.5, "bound": 0.6},
    "typical": {"least_kept": 0.5, "epsilon": 0.2, "delta": 0.5},
    "neighbours": {"least_kept": 0.5, "k": 3, "bound": 0.3},
    "budget": {"bound": 1.5},
}


@pytest.mark.parametrize("name", list(KEEPS))
@given(seed=st.integers(0, 10**6), length=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_kept_tokens_and_passing(name, seed, length):
    case, options = Case(seed, length), OPTIONS[name]
    extra = {"codebook": case.codebook} if RULES[name].codebook else {}
    verdict = RULES[name].judge(case.p, case.q, case.drafted, case.luck, **options, **extra)
    kept = np.zeros((2, length), bool)
    for picture, position, p, q, x, u, _ in case.rows():
        kept[picture, position] = KEEPS[name](case, p, q, x, u, options)
    assert np.array_equal(verdict.kept.numpy(), kept)
    for picture in range(2):
        if name == "budget":
            variation = 0.5 * float((case.p[picture] - case.q[picture]).abs().sum())
            passes = kept[picture].all() or variation <= options["bound"]
        else:
            passes = kept[picture].mean() >= options["least_kept"]
        assert bool(verdict.passed[picture]) == passes
    for picture, position, p, q, x, _, answer in case.rows():
        stands = int(verdict.tokens[picture, position])
        if kept[picture, position] or (name in ("top1", "topk") and verdict.passed[picture]):
            assert stands == x
        elif name in ("budget", "neighbours"):
            assert p[stands] > q[stands] or p == q  # a residual draw
        else:
            assert stands == answer


@given(seed=st.integers(0, 10**6), length=st.integers(1, 6), bound=st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_likelihood(seed, length, bound):
    case = Case(seed, length)
    verdict = RULES["likelihood"].judge(case.p, case.q, case.drafted, case.luck, bound=bound)
    for picture in range(2):
        rows = [row for row in case.rows() if row[0] == picture]
        surprise = np.mean([(-math.log(p[x]) if p[x] else math.inf) - entropy(p) for _, _, p, _, x, _, _ in rows])
        assert bool(verdict.passed[picture]) == (surprise <= bound)
        expected = case.drafted if surprise <= bound else case.answer
        assert torch.equal(verdict.tokens[picture], expected[picture])
        assert bool(verdict.kept[picture].all()) == bool(verdict.kept[picture].any()) == (surprise <= bound)


@given(seed=st.integers(0, 10**6), length=st.integers(1, 6), tolerance=st.sampled_from([0.0, 0.2, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_tolerance_of_coupled(seed, length, tolerance):
    case = Case(seed, length)
    verdict = RULES["coupled"].judge(case.p, case.q, case.drafted, case.luck, tolerance=tolerance)
    assert torch.equal(verdict.tokens, case.answer)
    changed = (case.drafted != case.answer).double().mean(dim=1)
    assert torch.equal(verdict.passed, changed <= tolerance)


def test_options_are_checked_and_exactness_depends_on_them():
    coupled = RULES["coupled"]
    assert coupled.checked({}) == {"tolerance": 0.0}
    assert coupled.exact_with({})
    assert coupled.exact_with({"tolerance": 0.0})
    assert not coupled.exact_with({"tolerance": 0.1})
    assert not RULES["topk"].exact_with({})
    for rule, option, value in [
        ("top1", "least_kept", 0.0),
        ("top1", "least_kept", 1.5),
        ("topk", "k", 0),
        ("topk", "k", 2.5),
        ("kl", "bound", -1.0),
        ("typical", "epsilon", math.nan),
        ("neighbours", "bound", "much"),
        ("coupled", "tolerance", True),
    ]:
        with pytest.raises(RequestError, match=f"{option} must be"):
            RULES[rule].checked({option: value})
