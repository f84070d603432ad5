"""Every tree fault is caught by the invariant that the catalogue names, and no invariant fires on a sound run."""

import pytest
import torch

import sdvar_core as sd
from sdvar_core.speculative.tree_faults import CausalTopology, SlidingTopology, after_the_sibling
from tests.fakes import fake_text_pair
from tests.test_deltanet import new_model

PROMPT = b"\x01\x00\x07\x03"


@pytest.fixture(scope="module")
def pair() -> sd.TextPair:
    """A target, and a draft that is nearly as good, in float32 as the real pair is."""
    target, draft = (new_model(2, torch.float32, vocabulary=30) for _ in range(2))
    with torch.no_grad():
        for parameter in draft.parameters():
            parameter.add_(0.05 * parameter.std(), alpha=1.0) if parameter.numel() > 1 else None
    return sd.TextPair("tiny", draft, target, 30)


def run(pair: sd.TextPair, fault: str | None, **settings) -> sd.TextTrace:
    settings = {"prompt": PROMPT, "length": 24, "topk": 3, "steps": 3, "temperature": 1.0} | settings
    return sd.generate_text(pair, fault=fault, watch="all", **settings)


@pytest.mark.parametrize("fault", list(sd.TREE_FAULTS))
def test_every_fault_is_caught_first_by_the_invariant_named(pair, fault):
    trace = run(pair, fault)
    assert trace.violations[0].invariant == sd.TREE_FAULTS[fault].caught_by
    assert all(violation.sentence.endswith(".") for violation in trace.violations)
    told = [(violation.round, violation.invariant) for violation in trace.violations]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(("children", "temperature"), [("likeliest", 0.0), ("likeliest", 1.0), ("sampled", 1.0)])
@pytest.mark.parametrize("shape", ["fixed", "dynamic"])
def test_no_invariant_fires_on_a_sound_run(pair, children, temperature, shape):
    settings = {"children": children, "temperature": temperature, "shape": shape, "seed": 5, "length": 16}
    for more in ({}, {"nodes": 9, "steps": 5}, {"expansion": "linear"}, {"steps": 0}):
        assert not run(pair, None, **(settings | more)).violations


def test_watching_changes_nothing(pair):
    runs = [sd.generate_text(pair, prompt=PROMPT, length=25, watch=watch) for watch in ("none", "cheap", "all")]
    assert runs[0].same_run(runs[1])
    assert runs[0].same_run(runs[2])


def test_a_faulty_run_can_be_saved(pair, tmp_path):
    trace = run(pair, "bonus counted twice")
    trace.save(tmp_path / "run.json")
    assert sd.TextTrace.load(tmp_path / "run.json").same_run(trace)


def test_the_faulty_trees():
    causal, sliding = CausalTopology((-1, 0, 0, 1)), SlidingTopology((-1, 0, 0, 1))
    assert (causal.mask == causal.causal_mask).all()
    assert (causal.windows(3) == sd.Topology((-1, 0, 0, 1)).windows(3)).all()
    assert sliding.windows(2).tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert (sliding.mask == sd.Topology((-1, 0, 0, 1)).mask).all()
    assert after_the_sibling((-1, 0, 0, 0, 1)).parents == (-1, 0, 1, 2, 1)


def test_unknown_words():
    with pytest.raises(sd.RequestError, match="Unknown fault 'rain': choose one of plain causal mask"):
        sd.generate_text(fake_text_pair(), prompt=b"\1", fault="rain")
    with pytest.raises(sd.RequestError, match="watch must be cheap, all or none"):
        sd.generate_text(fake_text_pair(), prompt=b"\1", watch="closely")
