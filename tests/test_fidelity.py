from dataclasses import replace

import numpy as np
import pytest

import sdvar_core as sd
from tests.tiny import stirred_pair

LABELS = (0, 1, 2)


@pytest.fixture(scope="module")
def runs() -> tuple[sd.Trace, sd.Trace]:
    """A relaxed run and the exact one of the same noise."""
    pair = stirred_pair()
    relaxed = sd.generate(pair, label=LABELS, gamma=3, options={"tolerance": 1.0})
    return relaxed, sd.generate(pair, label=LABELS, gamma=0)


def test_an_exact_run_is_identical(runs):
    exact = runs[1]
    again = sd.fidelity(sd.generate(stirred_pair(), label=LABELS, gamma=2), exact)
    assert again.identical.all()
    assert again.equal_tokens.tolist() == [1.0] * 3
    assert np.isinf(again.psnr).all()


def test_a_relaxed_run_is_measured_picture_by_picture(runs):
    relaxed, exact = runs
    found = sd.fidelity(relaxed, exact)
    assert not found.identical.all()
    for picture in range(3):
        pairs = [(one[picture], two[picture]) for one, two in zip(relaxed.tokens, exact.tokens)]
        equal = sum(int((one == two).sum()) for one, two in pairs)
        assert found.equal_tokens[picture] == pytest.approx(equal / 30)
        error = np.mean((relaxed.pictures[picture].astype(float) - exact.pictures[picture]) ** 2)
        assert found.psnr[picture] == pytest.approx(20 * np.log10(255) - 10 * np.log10(error) if error else np.inf)


def test_one_grey_level_is_48_db(runs):
    exact = runs[1]
    brighter = replace(exact, pictures=np.where(exact.pictures < 255, exact.pictures + 1, 254).astype(np.uint8))
    assert sd.fidelity(brighter, exact).psnr == pytest.approx([48.13] * 3, abs=0.01)


def test_only_finished_runs_of_the_same_noise_compare(runs):
    relaxed, exact = runs
    with pytest.raises(sd.RequestError, match="finished runs"):
        sd.fidelity(replace(relaxed, pictures=None), exact)
    with pytest.raises(sd.RequestError, match="same labels and seeds"):
        sd.fidelity(sd.generate(stirred_pair(), label=LABELS, seed=9), exact)
