"""The quantizer against its definition, written out slowly."""

import pytest
import torch
from torch.nn import functional

from sdvar_core.errors import ConfigurationError
from sdvar_core.nn.quantizer import LEAST_FREQUENCY, MultiScaleQuantizer, Rate, phi_indices
from sdvar_core.scales import OFFICIAL_256, Schedule

SMALL = Schedule((1, 2, 4))


@pytest.fixture
def quantizer() -> MultiScaleQuantizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MultiScaleQuantizer(SMALL, codes=12, channels=3, shared_phis=2).double()


def random_tensor(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_phi_indices_are_the_official_ones():
    assert phi_indices(10, 4) == (0, 0, 1, 1, 1, 2, 2, 3, 3, 3)
    assert phi_indices(1, 4) == (0,)
    assert phi_indices(10, 1) == (0,) * 10
    assert phi_indices(4, 2) == (0, 0, 1, 1)


def test_phi_is_half_identity(quantizer):
    phi, inputs = quantizer.phis[0], random_tensor(2, 3, 4, 4)
    expected = (inputs + functional.conv2d(inputs, phi.weight, phi.bias, padding=1)) / 2
    torch.testing.assert_close(phi(inputs), expected)


@pytest.mark.parametrize("scale", range(3))
def test_contribution_places_each_token_in_its_row_and_column(quantizer, scale):
    side = SMALL.sides[scale]
    tokens = torch.arange(side * side)[None] % 12
    grid = torch.empty(1, 3, side, side, dtype=torch.float64)
    for row in range(side):
        for column in range(side):
            grid[0, :, row, column] = quantizer.embedding.weight[tokens[0, row * side + column]]
    if scale < 2:
        grid = functional.interpolate(grid, size=(4, 4), mode="bicubic")
    expected = quantizer.phis[phi_indices(3, 2)[scale]](grid)
    torch.testing.assert_close(quantizer.contribution(tokens, scale), expected)


def test_the_last_scale_is_not_resized(quantizer):
    tokens = torch.arange(16)[None] % 12
    plain = quantizer.embedding(tokens).transpose(1, 2).reshape(1, 3, 4, 4)
    assert torch.equal(quantizer.contribution(tokens, 2), quantizer.phis[1](plain))


def test_empty_canvas_follows_the_module(quantizer):
    canvas = quantizer.empty_canvas(5)
    assert canvas.shape == (5, 3, 4, 4)
    assert canvas.dtype == torch.float64
    assert not canvas.any()
    assert quantizer.float().empty_canvas(1).dtype == torch.float32


def test_advance_never_works_in_place(quantizer):
    canvas = random_tensor(2, 3, 4, 4)
    before = canvas.clone()
    advanced = quantizer.advance(canvas, torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), 1)
    assert torch.equal(canvas, before)
    assert advanced.data_ptr() != canvas.data_ptr()
    assert not torch.equal(advanced, before)


@pytest.mark.parametrize("scale", range(3))
def test_features_are_area_means_in_row_order(quantizer, scale):
    side = SMALL.sides[scale]
    canvas = random_tensor(2, 3, 4, 4)
    means = canvas.reshape(2, 3, side, 4 // side, side, 4 // side).mean(dim=(3, 5))
    torch.testing.assert_close(quantizer.features(canvas, scale), means.flatten(2).transpose(1, 2))


def test_area_means_weigh_every_cell_where_sides_do_not_divide():
    quantizer = MultiScaleQuantizer(Schedule((3, 4)), codes=2, channels=1)
    canvas = torch.arange(16.0).reshape(1, 1, 4, 4)
    # side 3 from 4: windows floor(4i/3) … ceil(4(i+1)/3), as adaptive average pooling has them
    rows = [[0, 1], [1, 2], [2, 3]]
    expected = torch.stack([canvas[0, 0][r][:, c].mean() for r in rows for c in rows])
    torch.testing.assert_close(quantizer.features(canvas, 0)[0, :, 0], expected)


def test_encode_subtracts_what_the_canvas_adds(quantizer):
    latents = random_tensor(3, 3, 4, 4)
    tokens = quantizer.encode(latents)
    assert [part.shape for part in tokens] == [(3, 1), (3, 4), (3, 16)]
    canvas, residual = quantizer.empty_canvas(3), latents
    for scale, part in enumerate(tokens):
        vectors = quantizer.features(residual, scale)  # (batch, n², channels)
        distances = (vectors[:, :, None] - quantizer.embedding.weight).square().sum(dim=-1)
        assert torch.equal(part, distances.argmin(dim=-1))
        residual = residual - quantizer.contribution(part, scale)
        canvas = quantizer.advance(canvas, part, scale)
        torch.testing.assert_close(canvas + residual, latents)
    torch.testing.assert_close(quantizer.canvas_of(tokens), canvas)
    torch.testing.assert_close(quantizer.canvas_of(tokens[:2]) + quantizer.contribution(tokens[2], 2), canvas)


def test_a_priced_choice_is_the_least_distortion_plus_rate(quantizer):
    frequencies = torch.softmax(random_tensor(3, 12, seed=4) * 3, dim=1)
    rate = Rate(price=0.7, frequencies=frequencies)
    vectors = random_tensor(40, 3, seed=5)
    for scale, side in enumerate(SMALL.sides):
        distortion = (vectors[:, None] - quantizer.embedding.weight).square().sum(dim=-1)
        cost = (4 / side) ** 2 * distortion - 0.7 * frequencies[scale].log()
        assert torch.equal(quantizer.choose(vectors, scale, rate), cost.argmin(dim=-1))
    free = Rate(price=0.0, frequencies=frequencies)
    assert torch.equal(quantizer.choose(vectors, 2, free), quantizer.choose(vectors, 2))


def test_a_high_price_leaves_only_the_common_code(quantizer):
    frequencies = torch.full((3, 12), LEAST_FREQUENCY)
    frequencies[:, 7] = 1.0
    tokens = quantizer.encode(random_tensor(2, 3, 4, 4), Rate(1e6, frequencies))
    assert all((part == 7).all() for part in tokens)


def test_a_code_never_seen_stays_affordable(quantizer):
    costs = Rate(1.0, torch.zeros(3, 12)).costs(0)
    assert torch.isfinite(costs).all()


def test_training_pass_agrees_with_encode_and_counts_the_official_loss(quantizer):
    latents = random_tensor(2, 3, 4, 4)
    quantized = quantizer(latents)
    tokens = quantizer.encode(latents)
    assert all(torch.equal(one, other) for one, other in zip(quantized.tokens, tokens))
    torch.testing.assert_close(quantized.canvas, quantizer.canvas_of(tokens))
    loss = 0.0
    for scales in range(1, 4):
        loss += 1.25 * (quantizer.canvas_of(tokens[:scales]) - latents).square().mean() / 3
    torch.testing.assert_close(quantized.loss, loss)


def test_gradients_pass_straight_through_to_the_latents(quantizer):
    latents = random_tensor(2, 3, 4, 4).requires_grad_()
    weights = random_tensor(2, 3, 4, 4, seed=9)
    (quantizer(latents).canvas * weights).sum().backward()
    torch.testing.assert_close(latents.grad, weights)


def test_kept_scales_cut_each_picture_by_itself(quantizer):
    latents = random_tensor(3, 3, 4, 4).requires_grad_()
    quantized = quantizer(latents, kept=torch.tensor([1, 3, 2]))
    for picture, scales in enumerate((1, 3, 2)):
        expected = quantizer.canvas_of([part[picture : picture + 1] for part in quantized.tokens[:scales]])
        torch.testing.assert_close(quantized.canvas[picture : picture + 1], expected)
    quantized.canvas[0, 0].sum().backward()
    # a canvas of one scale can follow the mean of its own channel and nothing else
    torch.testing.assert_close(latents.grad[0, 0], torch.ones(4, 4, dtype=torch.float64))
    assert not latents.grad[0, 1:].any()
    assert not latents.grad[1:].any()


def test_official_sizes():
    quantizer = MultiScaleQuantizer(OFFICIAL_256, codes=16, channels=2)
    assert len(quantizer.phis) == 4
    assert quantizer.empty_canvas(2).shape == (2, 2, 16, 16)
    tokens = quantizer.encode(torch.zeros(1, 2, 16, 16))
    assert sum(part.numel() for part in tokens) == 680


@pytest.mark.parametrize("bad", [{"codes": 0}, {"channels": 0}, {"shared_phis": 0}])
def test_impossible_sizes_are_refused(bad):
    with pytest.raises(ConfigurationError, match="at least one code"):
        MultiScaleQuantizer(SMALL, **{"codes": 4, "channels": 2, "shared_phis": 1, **bad})
