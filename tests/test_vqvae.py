"""The tokenizer's shapes, its agreement with the official architecture, and its errors."""

import dataclasses
import io
import json

import numpy as np
import pytest
import torch

from sdvar_core.errors import ConfigurationError
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig
from sdvar_core.training import vqvae as training
from sdvar_core.training import worlds
from sdvar_core.training.codebook import Codebook
from sdvar_core.training.loop import LoopSettings, Training
from sdvar_core.training.vqvae import TINY_WORLDS, pixels_to_values, price_at, reconstruction_loss, values_to_pixels

SMALL = VQVAEConfig(
    image_size=32,
    channels=8,
    multipliers=(1, 2),
    residual_blocks=1,
    latent_channels=4,
    codes=16,
    sides=(1, 3, 8),
    norm_groups=4,
    patch=2,
)


def small_model(config: VQVAEConfig = SMALL) -> VQVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VQVAE(config).eval()


def random_pictures(batch: int = 2, size: int = 32) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(
    "changes",
    [{}, {"attention": False}, {"patch": 1, "multipliers": (1, 1, 2)}, {"patch": 4, "multipliers": (2,)}],
)
def test_pictures_to_tokens_and_back(changes):
    config = dataclasses.replace(SMALL, **changes)
    model = small_model(config)
    latents = model.encode_latents(random_pictures())
    assert latents.shape == (2, 4, 8, 8)
    tokens = model.tokens(random_pictures())
    assert [part.shape for part in tokens] == [(2, 1), (2, 9), (2, 64)]
    pictures = model.decode(model.quantizer.canvas_of(tokens))
    assert pictures.shape == (2, 3, 32, 32)


def test_decode_clamps_and_paint_does_not():
    model = small_model()
    canvas = torch.full((1, 4, 8, 8), 3.0)
    model.decoder.conv_out.bias.data.fill_(5.0)
    assert model.paint(canvas).max() > 1
    assert model.decode(canvas).max() == 1


def test_tokens_are_those_of_the_training_pass():
    model = small_model()
    painted, quantized = model(random_pictures())
    tokens = model.tokens(random_pictures())
    assert all(torch.equal(one, other) for one, other in zip(quantized.tokens, tokens))
    torch.testing.assert_close(painted, model.paint(model.quantizer.canvas_of(tokens)))


def test_tokens_follow_the_stored_prices():
    model = small_model(dataclasses.replace(SMALL, rate_price=1e6))
    model.quantizer.frequencies.zero_()
    model.quantizer.frequencies[:, 5] = 1.0
    assert all((part == 5).all() for part in model.tokens(random_pictures()))
    assert small_model().rate() is None


def test_decoding_one_picture_does_not_depend_on_its_neighbours():
    model = small_model().double()
    canvas = torch.randn(3, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model.decode(canvas)[1:2], model.decode(canvas[1:2]))


def test_the_official_configuration_has_the_official_parameters():
    with torch.device("meta"):
        model = VQVAE(VQVAEConfig())
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["quantizer.embedding.weight"] == (4096, 32)
    assert shapes["quantizer.frequencies"] == (10, 4096)
    assert shapes["quantizer.phis.3.weight"] == (32, 32, 3, 3)
    assert shapes["encoder.conv_in.weight"] == (160, 3, 3, 3)
    assert shapes["encoder.levels.2.blocks.0.shortcut.weight"] == (320, 160, 1, 1)
    assert shapes["encoder.levels.4.attentions.1.qkv.weight"] == (1920, 640, 1, 1)
    assert shapes["encoder.levels.3.resample.conv.weight"] == (320, 320, 3, 3)
    assert shapes["encoder.conv_out.weight"] == (32, 640, 3, 3)
    assert shapes["decoder.levels.0.attentions.2.projection.weight"] == (640, 640, 1, 1)
    assert shapes["decoder.levels.0.resample.conv.weight"] == (640, 640, 3, 3)
    assert shapes["decoder.levels.1.blocks.0.conv1.weight"] == (320, 640, 3, 3)
    assert shapes["decoder.levels.4.blocks.2.conv2.weight"] == (160, 160, 3, 3)
    assert shapes["decoder.conv_out.weight"] == (3, 160, 3, 3)
    assert shapes["quant_conv.weight"] == (32, 32, 3, 3)


def test_a_configuration_from_json_lists_equals_the_original():
    fields = dataclasses.asdict(SMALL)
    fields["sides"], fields["multipliers"] = list(SMALL.sides), list(SMALL.multipliers)
    assert VQVAEConfig(**fields) == SMALL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 64}, "image_size must be 8 × 4"),
        ({"norm_groups": 3}, "norm_groups must divide channels"),
        ({"codes": 0}, "codes must be at least 1"),
        ({"patch": 0}, "patch must be at least 1"),
        ({"multipliers": ()}, "multipliers need"),
        ({"multipliers": (1, 0)}, "multipliers need"),
        ({"sides": (1, 3, 3, 8)}, "must grow"),
        ({"sides": ()}, "at least 1"),
        ({"rate_price": -0.1}, "rate_price"),
        ({"rate_price": float("nan")}, "rate_price"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_pixels_survive_the_way_to_values_and_back():
    pictures = np.arange(2 * 8 * 4 * 3, dtype=np.uint8).reshape(2, 8, 4, 3)
    values = pixels_to_values(pictures)
    assert values.shape == (2, 3, 8, 4)
    assert -1 <= values.min() <= values.max() <= 1
    assert np.array_equal(values_to_pixels(values), pictures)


def test_the_price_rises_between_its_two_marks():
    assert [price_at(progress, 0.06) for progress in (0.0, 0.1, 0.4, 1.0)] == [0.0, 0.0, 0.06, 0.06]
    assert price_at(0.25, 0.06) == pytest.approx(0.03)


def test_the_loss_of_a_perfect_picture_is_zero_and_edges_cost_more():
    pictures = random_pictures()
    assert reconstruction_loss(pictures, pictures) == 0
    flat, edge = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    flat += 0.1
    edge[..., ::2] = 0.2  # the same mean error
    zero = torch.zeros(1, 3, 32, 32)
    assert reconstruction_loss(edge, zero) > reconstruction_loss(flat, zero)


def test_codes_move_to_the_means_of_what_chose_them():
    model = small_model(dataclasses.replace(SMALL, sides=(8,)))
    codebook = Codebook(model.quantizer)
    with torch.no_grad():
        quantized = model(random_pictures())[1]
    vectors, codes = quantized.residuals[0].flatten(0, 1), quantized.tokens[0].flatten()
    before = model.quantizer.embedding.weight.clone()
    codebook.update(quantized)
    used = codes.unique()
    for code in used:
        torch.testing.assert_close(model.quantizer.embedding.weight[code], vectors[codes == code].mean(dim=0))
    unused = torch.ones(16, dtype=torch.bool)
    unused[used] = False
    assert torch.equal(model.quantizer.embedding.weight[unused], before[unused])
    torch.testing.assert_close(model.quantizer.frequencies.sum(dim=1), torch.ones(1))


def test_dead_codes_start_again_on_vectors_of_the_batch():
    model = small_model()
    codebook = Codebook(model.quantizer)
    with torch.no_grad():
        quantized = model(random_pictures())[1]
    assert codebook.restart_dead(quantized, torch.Generator().manual_seed(0)) == 16
    vectors = torch.cat([residual.flatten(0, 1) for residual in quantized.residuals])
    distances = torch.cdist(model.quantizer.embedding.weight, vectors).min(dim=1).values
    torch.testing.assert_close(distances, torch.zeros(16), atol=1e-3, rtol=0)
    assert codebook.restart_dead(quantized, torch.Generator().manual_seed(0)) == 0


def test_a_few_steps_train_resume_and_report(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BATCH", 4)
    bank = worlds.render(np.arange(10), np.random.default_rng(0), 32)
    config = dataclasses.replace(SMALL, rate_price=0.02)
    settings = LoopSettings(tmp_path / "run", minutes=6 / 60, history_seconds=1.0)

    def train() -> Training:
        ticks = iter(range(100))  # a second a step
        task = training.TokenizerTask(config, bank.copy(), seed=0, device=torch.device("cpu"))
        run = Training(task, settings, lambda: float(next(ticks)), io.StringIO(), torch.device("cpu"))
        run.run()
        return run

    first, again = train(), train()
    assert first.step == again.step == 6
    assert torch.equal(first.task.codebook.counts, again.task.codebook.counts)
    assert torch.equal(first.average.quantizer.embedding.weight, again.average.quantizer.embedding.weight)
    evaluation = training.report(first.average, settings, tmp_path, torch.device("cpu"))
    assert len(evaluation["psnr_first_scales"]) == len(evaluation["entropy_by_scale"]) == 3
    assert set(evaluation["psnr_by_world"]) == set(worlds.WORLDS)
    assert evaluation["psnr"] == pytest.approx(np.mean(list(evaluation["psnr_by_world"].values())), abs=0.02)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == evaluation
    assert (tmp_path / "curves.png").exists()
    assert (tmp_path / "reconstructions.png").exists()


def test_entropy_is_in_nats():
    assert training._entropy(torch.tensor([0, 1, 2, 3]), 16) == pytest.approx(np.log(4))
    assert training._entropy(torch.tensor([3, 3, 3]), 16) == 0


def test_the_embedded_tokenizer_keeps_the_decided_sizes():
    assert TINY_WORLDS.schedule.total == 680
    assert TINY_WORLDS.reduction == 8
    assert sum(parameter.numel() for parameter in VQVAE(TINY_WORLDS).parameters()) * 4 <= 8 * 2**20
