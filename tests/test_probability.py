import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdvar_core import probability


def random_rows(seed: int, rows: int, codes: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, codes)) * 2)


@given(st.integers(0, 999), st.integers(2, 30), st.floats(0.1, 3), st.integers(0, 40), st.floats(0.05, 1.0))
@settings(max_examples=80, deadline=None)
def test_distribution_against_plain_python(seed, codes, temperature, top_k, top_p):
    logits = random_rows(seed, 3, codes)
    found = probability.distribution(logits, temperature, top_k, top_p)
    for row in range(3):
        weights = {code: math.exp(float(logits[row, code]) / temperature) for code in range(codes)}
        order = sorted(weights, key=lambda code: -weights[code])
        order = order[:top_k] if top_k else order
        total = sum(weights[code] for code in order)
        mass, kept = 0.0, {}
        for code in order:
            if mass < top_p - 1e-12 or not kept:
                kept[code] = weights[code] / total
            mass += weights[code] / total
        for code in range(codes):
            assert float(found[row, code]) == pytest.approx(kept.get(code, 0.0) / sum(kept.values()), abs=1e-9)


def test_draw_is_inversion_and_avoids_impossible_codes():
    row = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0], dtype=torch.float64)
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.9, 1 - 2**-53], dtype=torch.float64)
    assert probability.draw(row.expand(5, 5), uniforms).tolist() == [1, 1, 3, 3, 3]


@given(st.integers(0, 999), st.integers(2, 12))
@settings(max_examples=50, deadline=None)
def test_residual_divergence_and_entropy(seed, codes):
    p, q = (random_rows(seed + shift, 4, codes).softmax(-1) for shift in (0, 1000))
    rest = probability.residual(p, q)
    assert torch.allclose(rest.sum(-1), torch.ones(4, dtype=torch.float64), atol=1e-12)
    assert (rest[p < q] == 0).all()
    variation = probability.total_variation(p, q)
    assert torch.allclose(variation, 1 - torch.minimum(p, q).sum(-1), atol=1e-12)
    assert torch.allclose(probability.entropy(p), -(p * p.log()).sum(-1))
    assert torch.equal(probability.residual(p, p), p)


def test_guidance_grows_from_nothing():
    assert probability.guidance_at(1.5, 0, 10) == 0.0
    assert probability.guidance_at(1.5, 9, 10) == 1.5
    assert probability.guidance_at(1.5, 0, 1) == 0.0
    conditional, unconditional = torch.tensor([2.0]), torch.tensor([1.0])
    assert probability.guide(conditional, unconditional, 1.5).item() == 3.5


def test_entropy_of_certainty_is_zero():
    assert probability.entropy(torch.tensor([1.0, 0.0])).item() == 0.0
