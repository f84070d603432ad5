"""Target-only decoding draws the tokens of the original loop, ported plainly."""

import pytest

from sdvar_core.presets import IMAGENET_NAMES
from sdvar_core.request import Request
from sdvar_core.speculative.pair import Pair
from tests import reference_loop
from tests.official import small_var, small_vqvae


@pytest.mark.parametrize(
    ("large", "forms"), [(False, ("as loaded", "prepared", "prepared and packed")), (True, ("prepared",))]
)
def test_the_same_tokens_as_the_original_loop(large, forms):
    config = small_var(2, large)
    tokenizer = reference_loop.random_vqvae(small_vqvae(large))
    labels = [980] if large else [980, 3]
    request = Request(label=tuple(labels), seed=4, gamma=0, guidance=1.5, top_k=900, top_p=0.96)
    plain = reference_loop.random_var(config)
    expected = reference_loop.target_only(plain, tokenizer.quantizer, request, labels)
    assert len({int(token) for token in expected[-1].ravel()}) > 10
    for form in forms:
        model = reference_loop.random_var(config)
        if form != "as loaded":
            model.prepare(packed=form == "prepared and packed")
        pair = Pair("random", config.schedule, config.codes, IMAGENET_NAMES, model, model, tokenizer)
        for one, two in zip(reference_loop.ours(pair, request), expected, strict=True):
            assert (one == two.numpy()).all(), form


def test_the_command_prints_medians_and_equal_tokens(monkeypatch):
    monkeypatch.setattr(reference_loop, "vqvae_config", lambda depth: small_vqvae())
    lines = reference_loop.compare(2, 1, 1, "cpu", "float32").splitlines()
    assert lines[1].startswith("port of the original loop: ")
    assert "100.00 % of tokens equal" in lines[2]
    assert lines[3].startswith("prepared and packed: ")
