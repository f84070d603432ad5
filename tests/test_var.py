"""The next-scale transformer: merged, scale-by-scale, teacher-forced and reference logits agree."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdvar_core.errors import ConfigurationError, SDVARError
from sdvar_core.models.var import VAR, VARConfig, initialise
from tests import reference

CONFIG = VARConfig(depth=2, width=16, heads=2, classes=3, codes=7, latent_channels=5, sides=(1, 2, 3, 5))
SCALES = len(CONFIG.sides)
LABELS = torch.tensor([1, CONFIG.classes])  # a class and "no class"
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def random_model(dtype=torch.float64, **changes):
    """A tiny model whose every weight matters: the authors' initial weights would leave the blocks nearly idle."""
    model = VAR(dataclasses.replace(CONFIG, **changes)).to(dtype).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    if model.config.attention_l2_norm:
        model.blocks[0].attention.scale_multiplier.fill_(9.0)  # beyond the clamp at log 100
        model.blocks[0].attention.scale_multiplier[0, 0] = 1.2
    return model


def random_features(dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(len(LABELS), length, CONFIG.latent_channels) for length in CONFIG.schedule.lengths]
    return [None] + [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes[1:]]


def by_scale(model, joined):
    return joined.split(model.schedule.lengths, dim=1)


def assert_close(found, expected, dtype=torch.float64):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("changes", [{}, {"shared_ada_ln": True}, {"attention_l2_norm": False}, {"mlp_ratio": 2.5}])
def test_teacher_forced_equals_the_reference_with_a_full_mask(dtype, changes):
    model, features = random_model(dtype, **changes), random_features(dtype)
    assert_close(model.teacher_forced(features, LABELS), reference.all_logits(model, features, LABELS), dtype)


@pytest.mark.parametrize("scales", range(1, SCALES + 1))
def test_the_first_scales_alone_equal_the_start_of_all(scales):
    model, features = random_model(), random_features()
    expected = model.teacher_forced(features, LABELS)[:, : model.schedule.offsets[scales]]
    assert_close(model.teacher_forced(features[:scales], LABELS), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("start", "count"), [(s, c) for s in range(SCALES) for c in range(1, SCALES - s + 1)])
def test_a_merged_call_equals_one_call_a_scale(dtype, start, count):
    model, features = random_model(dtype), random_features(dtype)
    conditioning = model.condition(LABELS)
    single, merged = model.new_cache(len(LABELS)), model.new_cache(len(LABELS))
    expected = [model([features[scale]], scale, conditioning, single)[0] for scale in range(SCALES)]
    if start:
        model(features[:start], 0, conditioning, merged)
    found = model(features[start : start + count], start, conditioning, merged)
    assert merged.scales == start + count
    for scale, logits in enumerate(found, start):
        assert_close(logits, expected[scale], dtype)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, SCALES), st.integers(0, SCALES), st.integers(0, 5)), min_size=1, max_size=8))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_any_run_of_calls_and_rollbacks_equals_teacher_forcing(dtype, steps):
    """Each step rolls back, draws new features for what was dropped, and calls with several scales at once."""
    model = random_model(dtype)
    conditioning, cache = model.condition(LABELS), model.new_cache(len(LABELS))
    features = random_features(dtype)
    for count, kept, seed in steps:
        cache.rollback(min(kept, cache.scales))
        start = cache.scales
        stop = min(start + count, SCALES)
        if start == stop:
            continue
        features = features[:start] + random_features(dtype, seed)[start:]
        found = model(features[start:stop], start, conditioning, cache)
        expected = by_scale(model, model.teacher_forced(features, LABELS))
        for scale, logits in enumerate(found, start):
            assert_close(logits, expected[scale], dtype)


@pytest.mark.parametrize("changed", range(1, SCALES))
def test_scales_see_themselves_and_coarser_scales_only(changed):
    """The input of scale s is made of tokens before s: those of s first enter as the features of s + 1."""
    model, features = random_model(), random_features()
    others = list(features)
    others[changed] = random_features(seed=1)[changed]
    before = by_scale(model, model.teacher_forced(features, LABELS))
    after = by_scale(model, model.teacher_forced(others, LABELS))
    for scale in range(SCALES):
        assert torch.equal(before[scale], after[scale]) == (scale < changed)


def test_every_token_of_a_scale_sees_its_whole_scale():
    model, features = random_model(), random_features()
    others = [None if feature is None else feature.clone() for feature in features]
    others[2][:, -1] += 1.0
    before, after = (by_scale(model, model.teacher_forced(given, LABELS))[2] for given in (features, others))
    assert ((before - after).abs().amax(dim=-1) > 1e-6).all()


def test_pictures_of_a_batch_do_not_touch_each_other():
    model, features = random_model(), random_features()
    whole = model.teacher_forced(features, LABELS)
    for row in range(len(LABELS)):
        alone = [None if feature is None else feature[row : row + 1] for feature in features]
        assert_close(model.teacher_forced(alone, LABELS[row : row + 1]), whole[row : row + 1])


def test_the_label_matters_and_no_class_is_a_label():
    model = random_model()
    first = [model([None], 0, model.condition(torch.tensor([label])), model.new_cache(1))[0] for label in range(4)]
    assert all(not torch.allclose(first[i], first[j]) for i in range(4) for j in range(i))


def test_logits_are_float32_under_autocast_and_follow_float32():
    model, features = random_model(torch.float32), random_features(torch.float32)
    expected = model.teacher_forced(features, LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.teacher_forced(features, LABELS)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.1 * expected.std()


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_gets_a_finite_gradient(autocast):
    model = random_model(torch.float32).train().requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = model.teacher_forced(random_features(torch.float32), torch.tensor([0, 2]))
    logits.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0 or name.endswith("blocks.0.attention.scale_multiplier"), name


def test_gradients_through_growing_copies_equal_those_of_the_reference():
    model, features = random_model().requires_grad_(True), random_features()
    names = [name for name, _ in model.named_parameters()]
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(2, CONFIG.schedule.total, CONFIG.codes, generator=generator, dtype=torch.float64)
    model.blocks[0].attention.scale_multiplier.data.clamp_(max=4.0)
    found = torch.autograd.grad((model.teacher_forced(features, LABELS) * weights).sum(), list(model.parameters()))
    slow = (reference.all_logits(model, features, LABELS) * weights).sum()
    expected = torch.autograd.grad(slow, list(model.parameters()), allow_unused=True)
    for name, one, other in zip(names, found, expected):
        if other is not None:  # the reference reads scale_multiplier as a number
            assert (one - other).abs().max() <= 1e-9 * (1 + other.abs().max()), name


def test_a_call_must_start_where_the_cache_ends():
    model, features = random_model(), random_features()
    conditioning, cache = model.condition(LABELS), model.new_cache(len(LABELS))
    with pytest.raises(SDVARError, match="holds 0 scales, but the call starts at scale 1"):
        model(features[1:2], 1, conditioning, cache)
    model(features[:2], 0, conditioning, cache)
    with pytest.raises(SDVARError, match="holds 2 scales"):
        model(features[:1], 0, conditioning, cache)
    assert cache.scales == 2


@pytest.mark.parametrize("count", [0, SCALES + 1])
def test_a_call_needs_one_scale_and_at_most_all(count):
    model, features = random_model(), random_features()
    with pytest.raises(SDVARError, match="can be given at once"):
        model((features * 2)[:count], 0, model.condition(LABELS), model.new_cache(len(LABELS)))


@pytest.mark.parametrize(
    ("scale", "shape"), [(0, (2, 1, 5)), (1, None), (1, (2, 9, 5)), (2, (2, 9, 4)), (2, (1, 9, 5))]
)
def test_features_of_a_wrong_shape_are_named(scale, shape):
    model, features = random_model(), random_features()
    features[scale] = None if shape is None else torch.zeros(shape, dtype=torch.float64)
    cache = model.new_cache(len(LABELS))
    with pytest.raises(SDVARError, match=f"features of scale {scale} must have the shape"):
        model(features, 0, model.condition(LABELS), cache)
    assert cache.scales == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 0}, "depth"),
        ({"width": 15}, "multiple of its 2 heads"),
        ({"heads": 2.0}, "heads"),
        ({"codes": True}, "codes"),
        ({"sides": ()}, "schedule needs sides"),
        ({"sides": (1, 3, 2)}, "must grow"),
        ({"mlp_ratio": 0.0}, "mlp_ratio"),
        ({"norm_eps": float("nan")}, "norm_eps"),
    ],
)
def test_a_configuration_checks_itself(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(CONFIG, **changes)


def test_a_configuration_takes_sides_from_json():
    assert dataclasses.replace(CONFIG, sides=[1, 2, 3, 5]) == CONFIG


@pytest.mark.parametrize("shared", [False, True])
def test_initial_weights_follow_the_generator_alone_and_leave_the_blocks_idle(shared):
    config = dataclasses.replace(CONFIG, shared_ada_ln=shared)
    first, second = (initialise(VAR(config), torch.Generator().manual_seed(5)) for _ in range(2))
    for (name, one), other in zip(first.named_parameters(), second.parameters()):
        assert torch.equal(one, other), name
    assert first.positions.std().item() == pytest.approx((1 / (3 * CONFIG.width)) ** 0.5, rel=0.25)
    gammas = [vectors[:, :2].abs().max() for vectors in first.condition(LABELS).blocks]
    assert max(gammas) < (0.2 if shared else 1e-3)  # a shared projection is not made small
    logits = first.teacher_forced(random_features(torch.float32), LABELS)
    assert logits.abs().max() < 0.5


def test_official_sizes_have_the_official_number_of_parameters():
    """d16: 310 million, as published; built without memory."""
    with torch.device("meta"):
        model = VAR(VARConfig(depth=16, width=1024, heads=16, classes=1000, codes=4096, latent_channels=32))
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(310e6, rel=2e-3)
    assert isinstance(model.blocks[0].attention.output, nn.Linear)
