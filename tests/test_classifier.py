"""The judge of samples: how it is trained, and that the shipped one knows the worlds."""

import json

import numpy as np
import pytest
import torch

from sdvar_core.checkpoints import load_model
from sdvar_core.models.classifier import Classifier, ClassifierConfig
from sdvar_core.presets import ASSETS
from sdvar_core.training import classifier, worlds
from sdvar_core.training.loop import LoopSettings, Training
from tests.fakes import tick_clock

SHIPPED = ASSETS / "tiny-worlds" / "classifier"
SMALL = ClassifierConfig(classes=10, width=8, levels=3)


def pictures(count: int = 4, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def small_task(seed: int = 0) -> classifier.ClassifierTask:
    bank = worlds.render(classifier.in_turn(60), np.random.default_rng(0), 32)
    return classifier.ClassifierTask(SMALL, bank, seed, torch.device("cpu"))


def test_softening_removes_detail_and_nothing_else():
    noise, flat = pictures(), torch.full((1, 3, 32, 32), 0.25)
    assert classifier.soften(flat, 8) == pytest.approx(flat, abs=1e-6)
    soft = classifier.soften(noise, 8)
    assert soft.shape == noise.shape
    assert soft.std() < 0.5 * noise.std()


def test_disturbing_is_seeded_stays_in_range_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    one, two = (classifier.disturb(pictures(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (4, 3, 32, 32)
    assert one.abs().max() <= 1.0
    assert not torch.equal(one, classifier.disturb(pictures(), torch.Generator().manual_seed(6)))
    assert torch.equal(before, torch.get_rng_state())


def test_initial_weights_come_from_the_seed_with_the_laws_of_torch():
    one, again, other = (small_task(seed).model for seed in (1, 1, 2))
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), again.parameters()))
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)) == name.startswith("norms")
    for layer in (*one.convolutions, one.head):
        bound = layer.weight[0].numel() ** -0.5
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)
        assert 0 < layer.bias.abs().max() <= bound


def test_a_small_classifier_learns(tmp_path):
    settings = LoopSettings(tmp_path, minutes=1.0, warmup_steps=5)  # the clock ticks once a step: 60 steps
    task = small_task()
    first = task.loss(0.0, 0)[0].item()
    with (tmp_path / "report").open("w") as progress:
        Training(task, settings, clock=tick_clock(), report=progress, device=torch.device("cpu")).run()
    assert task.loss(1.0, 60)[0].item() < 0.6 * first


def test_a_resumed_task_goes_on_where_it_was():
    one, two = small_task(), small_task()
    one.loss(0.0, 0)
    one.after_step(0.0, 0)
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.generator.get_state(), two.generator.get_state())
    assert one.random.integers(1 << 40) == two.random.integers(1 << 40)


def test_fresh_pictures_keep_their_labels():
    task = small_task()
    before = task.bank.copy()
    task.after_step(0.0, 0)
    assert 0 < (before != task.bank).any(axis=(1, 2, 3)).sum() <= classifier.REFRESHED
    assert task.labels.tolist() == [index % 10 for index in range(60)]


def test_names_are_those_of_the_largest_logit_over_several_batches():
    class Brightness(Classifier):
        def forward(self, values):
            level = values.mean(dim=(1, 2, 3), keepdim=False)
            return torch.stack([-level, level], dim=-1)

    bright = np.random.default_rng(0).random(230) < 0.5
    shown = np.where(bright, 200, 20).astype(np.uint8)[:, None, None, None].repeat(3, axis=-1)
    assert np.array_equal(classifier.named(Brightness(SMALL), shown), bright.astype(int))


def test_evaluation_counts_every_world(tmp_path):
    model = Classifier(SMALL).eval()
    evaluation = classifier.report(model, LoopSettings(tmp_path, 1.0), tmp_path, count=20)
    assert evaluation == json.loads((tmp_path / "evaluation.json").read_text())
    assert evaluation["pictures"] == 20
    assert list(evaluation["accuracy_by_world"]) == list(worlds.WORLDS)
    assert evaluation["accuracy"] == pytest.approx(np.mean(list(evaluation["accuracy_by_world"].values())))


def test_the_shipped_classifier_knows_the_worlds():
    model = load_model(SHIPPED, "classifier")
    labels = classifier.in_turn(200)
    unseen = worlds.render(labels, np.random.default_rng(987), classifier.SIZE)
    assert (classifier.named(model, unseen) == labels).mean() >= 0.99
    assert (classifier.named(model, unseen, side=48) == labels).mean() >= 0.97
    assert (SHIPPED / "model.safetensors").stat().st_size <= 1_000_000
    evaluation = json.loads((SHIPPED / "evaluation.json").read_text())
    assert evaluation["pictures"] >= 2000
    assert evaluation["accuracy"] >= 0.99
