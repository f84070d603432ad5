"""Where a pair runs: a plain rule; and what reduced precision and packed weights leave alone."""

import dataclasses

import pytest
import torch

import sdvar_core as sd
from sdvar_core.nn.packed_linear import PackedLinear, packing_available
from sdvar_core.placement import Hardware, Placement, choose, devices, precisions
from sdvar_core.speculative.clock import synchronised_clock
from sdvar_core.speculative.faulty_parts import with_shifted_positions, without_levels
from tests.test_var import LABELS, random_features, random_model
from tests.tiny import tiny_pair

PLAIN = Hardware()
CUDA = Hardware(cuda=True, cuda_bfloat16=True)


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        (("auto", "auto"), PLAIN, "cpu, float32"),
        (("auto", "auto"), Hardware(cpu_bfloat16=True), "cpu, float32"),
        (("cpu", "bfloat16"), Hardware(cpu_bfloat16=True), "cpu, bfloat16"),
        (("auto", "auto"), CUDA, "cuda, bfloat16"),
        (("auto", "auto"), Hardware(cuda=True), "cuda, float16"),
        (("cuda:1", "float32"), CUDA, "cuda:1, float32"),
        (("auto", "auto"), Hardware(mps=True), "mps, float32"),
        (("mps", "float16"), Hardware(mps=True), "mps, float16"),
        (("cpu", "auto"), CUDA, "cpu, float32"),
    ],
)
def test_the_rule(asked, found, expected):
    assert str(choose(*asked, found)) == expected


@pytest.mark.parametrize(
    ("asked", "found", "sentence"),
    [
        (("cuda", "auto"), PLAIN, "no cuda device"),
        (("mps", "auto"), CUDA, "no mps device"),
        (("tpu", "auto"), CUDA, "Unknown device 'tpu'"),
        (("cpu", "int8"), CUDA, "Unknown precision 'int8'"),
        (("cpu", "float16"), PLAIN, "float16 is slower"),
        (("cpu", "bfloat16"), PLAIN, "no bfloat16 instructions"),
    ],
)
def test_what_does_not_exist_is_refused(asked, found, sentence):
    with pytest.raises(sd.RequestError, match=sentence):
        choose(*asked, found)


def test_a_placement_knows_its_type_and_this_machine_has_one():
    assert Placement("cuda", "bfloat16").dtype == torch.bfloat16
    assert choose().device in ("cpu", "cuda", "mps")
    clock = synchronised_clock(torch.device("cpu"))
    assert clock() <= clock()


def all_logits(model, features) -> torch.Tensor:
    """Merged and single calls, from the public forward."""
    conditioning, cache = model.condition(LABELS), model.new_cache(len(LABELS))
    parts = [*model(features[:1], 0, conditioning, cache), *model(features[1:], 1, conditioning, cache)]
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("changes", [{}, {"shared_ada_ln": True}, {"attention_l2_norm": False}])
def test_prepared_in_float32_is_the_same_to_the_last_bit(changes):
    features = random_features(torch.float32)
    with torch.inference_mode():
        expected = all_logits(random_model(torch.float32, **changes), features)
        assert torch.equal(all_logits(random_model(torch.float32, **changes).prepare(), features), expected)


def test_training_forgets_what_was_prepared():
    model, features = random_model(torch.float32).prepare(), random_features(torch.float32)
    names = set(model.state_dict())
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    fresh = random_model(torch.float32)
    assert names == set(fresh.state_dict())
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(all_logits(model.eval(), features), all_logits(fresh, features))


@pytest.mark.skipif(not packing_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("changes", [{}, {"shared_ada_ln": True}])
def test_packed_weights_agree_with_plain_ones(changes):
    features = random_features(torch.float32)
    with torch.inference_mode():
        expected = all_logits(random_model(torch.float32, **changes), features)
        packed = random_model(torch.float32, **changes).prepare(packed=True)
        assert isinstance(packed.head, PackedLinear)
        assert isinstance(packed.blocks[0].attention.query_key_value, PackedLinear)
        assert (all_logits(packed, features) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("changes", [{}, {"shared_ada_ln": True}])
def test_reduced_precision_is_that_of_the_blocks_alone(dtype, changes):
    features = random_features(torch.float32)
    with torch.inference_mode():
        expected = all_logits(random_model(torch.float32, **changes), features)
        model = random_model(torch.float32, **changes).prepare(dtype)
        found = all_logits(model, features)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.1 * expected.std()
    assert not torch.equal(found, expected)
    block = model.blocks[0]
    assert block.expand.weight.dtype == block.attention.bias.dtype == dtype
    assert block.attention.scale_multiplier.dtype == model.head.weight.dtype == torch.float32
    assert model.new_cache(1).keys[0].dtype == dtype


@pytest.mark.parametrize("part", [with_shifted_positions, without_levels])
def test_a_prepared_model_can_still_be_broken(part):
    features = random_features(torch.float32)
    with torch.inference_mode():
        model = random_model(torch.float32).prepare()
        sound = all_logits(model, features)
        broken = all_logits(part(model), features)
        assert (broken - sound).abs().max() > 0.1
        assert torch.equal(broken, all_logits(part(random_model(torch.float32)), features))
        assert torch.equal(all_logits(model, features), sound)


def test_compiled_blocks_share_their_graphs_and_change_nothing():
    """With the backend that runs graphs as they are: what is captured, not what a compiler makes of it."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    features = random_features(torch.float32)
    with torch.inference_mode():
        expected = all_logits(random_model(torch.float32, depth=4), features)
        found = all_logits(random_model(torch.float32, depth=4).prepare().compile_blocks("eager"), features)
    assert torch.equal(found, expected)
    assert 2 <= torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 6


@pytest.mark.parametrize("rule", ["coupled", "token", "greedy"])
def test_whole_runs_in_reduced_precision(rule):
    pair = tiny_pair()
    for model in (pair.draft, pair.target):
        model.prepare(torch.bfloat16)
    pair = dataclasses.replace(pair, precision="bfloat16")
    trace = sd.generate(pair, label=3, seed=2, gamma=1, rule=rule)
    assert trace.finished
    if rule == "coupled":
        assert trace.differing_tokens(sd.generate(pair, label=3, seed=2, gamma=0)) <= 1


def test_what_a_machine_offers():
    assert devices(PLAIN) == ("cpu",)
    assert devices(Hardware(mps=True)) == ("cpu", "mps")
    assert precisions("cpu", PLAIN) == ("float32",)
    assert precisions("cpu", Hardware(cpu_bfloat16=True)) == ("float32", "bfloat16")
    assert precisions("cuda:0", CUDA)[0] == "bfloat16", "what the rule takes is first"
    assert precisions("cuda", PLAIN) == ()
