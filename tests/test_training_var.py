"""Training of the transformers: the optimizer, the bank of tokens, and one task's steps on a toy."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from sdvar_core.checkpoints import load_model, save_model
from sdvar_core.models.var import VAR, VARConfig, initialise
from sdvar_core.models.vqvae import VQVAE, VQVAEConfig
from sdvar_core.training import token_bank
from sdvar_core.training import var as training
from sdvar_core.training.muon import Muon, optimizer_for, orthogonalised

TOKENIZER = VQVAEConfig(
    image_size=16,
    channels=8,
    multipliers=(1, 1),
    residual_blocks=1,
    latent_channels=4,
    codes=6,
    sides=(1, 2, 4),
    norm_groups=4,
    attention=False,
    patch=2,
    rate_price=0.05,
)
CONFIG = VARConfig(depth=2, width=16, heads=2, classes=10, codes=6, latent_channels=4, sides=(1, 2, 4))


def new_model(**changes):
    return initialise(VAR(dataclasses.replace(CONFIG, **changes)), torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(VQVAE(TOKENIZER), folder)
    return folder


@pytest.fixture
def bank_folder(tmp_path, tokenizer_folder, monkeypatch):
    monkeypatch.setattr(token_bank, "CHUNK", 20)
    monkeypatch.setattr(token_bank, "HELD_OUT_PICTURES", 10)
    model = load_model(tokenizer_folder, "vqvae")
    for name in (token_bank.HELD_OUT, "chunk-000", "chunk-001"):
        token_bank.make_chunk(model, name, tmp_path)
    return tmp_path


def new_task(bank_folder, tokenizer_folder, teacher=None, guidance=0.0):
    quantizer = load_model(tokenizer_folder, "vqvae").quantizer
    bank = token_bank.TokenBank(bank_folder, 40)
    return training.TransformerTask(new_model(), quantizer, bank, 0.2, 0, teacher, guidance)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 24, 8), (2, 8, 24)])
def test_orthogonalised_matrices_have_singular_values_around_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrices).float()
    assert found.shape == shape
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.3
    for matrix, update in zip(matrices, found):  # the same singular vectors: U Vᵀ · S is symmetric, as in polar form
        assert (matrix * update).sum() > 0.8 * torch.linalg.svdvals(matrix).sum()


def test_stacked_maps_learn_as_if_they_were_separate():
    generator = torch.Generator().manual_seed(0)
    whole = nn.Parameter(torch.randn(24, 8, generator=generator))
    parts = [nn.Parameter(part.clone()) for part in whole.detach().chunk(3)]
    optimizers = [Muon([{"params": [whole], "stacked": 3}], lr=0.1), Muon(parts, lr=0.1)]
    for _ in range(3):
        whole.grad = torch.randn(24, 8, generator=generator)
        for part, gradient in zip(parts, whole.grad.chunk(3)):
            part.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6)


def test_every_parameter_is_learned_once_and_muon_has_the_matrices_of_the_blocks():
    model = new_model()
    optimizer = optimizer_for(model)
    learned = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(learned) == sorted(id(parameter) for parameter in model.parameters())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    matrices = {names[id(p)] for group in optimizer.parts["muon"].param_groups for p in group["params"]}
    kinds = ("attention.query_key_value", "attention.output", "expand", "contract")
    assert matrices == {f"blocks.{layer}.{kind}.weight" for layer in range(2) for kind in kinds}


def test_a_saved_optimizer_goes_on_alike():
    def gradients(model, seed):
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)

    model, other = new_model(), new_model()
    optimizer, resumed = optimizer_for(model), optimizer_for(other)
    gradients(model, 1)
    optimizer.step()
    other.load_state_dict(model.state_dict())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one in (model, other):
        gradients(one, 2)
    for group in resumed.param_groups:  # a schedule reaches the groups after loading, too
        group["lr"] *= 1.0
    optimizer.step()
    resumed.step()
    for one, two in zip(model.parameters(), other.parameters()):
        assert torch.equal(one, two)


def test_teacher_forcing_gives_each_scale_the_canvas_of_the_scales_before(tokenizer_folder):
    quantizer = load_model(tokenizer_folder, "vqvae").quantizer
    tokens = [torch.randint(6, (3, side * side)) for side in TOKENIZER.sides]
    features = training.teacher_forcing(quantizer, tokens)
    assert features[0] is None
    for scale in range(1, len(tokens)):
        expected = quantizer.features(quantizer.canvas_of(tokens[:scale]), scale)
        assert torch.equal(features[scale], expected)
    with torch.autocast("cpu", torch.bfloat16):
        cast = training.teacher_forcing(quantizer, tokens)
    assert all(torch.equal(one, two) for one, two in zip(features[1:], cast[1:]))


def test_divergence_is_that_of_the_formula_and_zero_for_equals():
    teacher, student = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).double().unbind(0)
    expected = (teacher.softmax(-1) * (teacher.softmax(-1) / student.softmax(-1)).log()).sum(-1)
    assert torch.allclose(training.divergence(teacher, student), expected)
    assert training.divergence(teacher, teacher + 3).abs().max() < 1e-12


def test_chunks_hold_as_many_of_every_world_and_come_whole(bank_folder):
    assert not list(bank_folder.glob("*.partial"))
    tokens, labels = token_bank.read_chunk(bank_folder, "chunk-001")
    assert tokens.shape == (20, 21)
    assert tokens.dtype == torch.uint8
    assert tokens.max() < 6
    assert np.bincount(labels.numpy(), minlength=10).tolist() == [2] * 10
    assert not torch.equal(tokens, token_bank.read_chunk(bank_folder, "chunk-000")[0])


def test_a_chunk_is_the_same_whenever_it_is_made(bank_folder, tokenizer_folder, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    token_bank.make_chunk(load_model(tokenizer_folder, "vqvae"), "chunk-001", again)
    for one, two in zip(token_bank.read_chunk(bank_folder, "chunk-001"), token_bank.read_chunk(again, "chunk-001")):
        assert torch.equal(one, two)


def test_a_bank_takes_up_chunks_as_they_appear(bank_folder):
    late = (bank_folder / "chunk-001.npz").rename(bank_folder / "later")
    bank = token_bank.TokenBank(bank_folder, 40)
    assert (len(bank), bank.missing) == (20, ["chunk-001"])
    late.rename(bank_folder / "chunk-001.npz")
    bank.refresh()
    assert (len(bank), bank.missing) == (40, [])
    tokens, labels = bank.draw(7, torch.Generator().manual_seed(0))
    assert tokens.shape == (7, 21)
    assert (tokens.dtype, labels.dtype) == (torch.int64, torch.int64)


def test_nothing_is_started_when_all_chunks_are_there(bank_folder, tokenizer_folder):
    assert token_bank.start_making(tokenizer_folder, bank_folder, 40) == []


def new_teacher():
    teacher = new_model().requires_grad_(False).eval()
    teacher.head.weight.mul_(200)
    return teacher


@pytest.mark.parametrize(("distilled", "guidance"), [(False, 0.0), (True, 0.0), (True, 1.5)])
def test_a_task_learns_and_its_numbers_are_finite(bank_folder, tokenizer_folder, distilled, guidance):
    task = new_task(bank_folder, tokenizer_folder, new_teacher() if distilled else None, guidance)
    before = task.measure(pictures=10)
    for step in range(60):
        loss, _ = task.loss(0.5, step)
        task.optimizers[0].zero_grad()
        loss.backward()
        task.optimizers[0].step()
        task.after_step(0.5, step)
    after = task.measure(pictures=10)
    assert list(after) == ["held_out", "scale_1", "scale_2", "scale_3"]
    assert np.isfinite(list(after.values())).all()
    assert after["held_out"] < 0.9 * before["held_out"]
    weights = torch.tensor([1.0, 4.0, 16.0]) / 21
    by_scale = torch.tensor([after[f"scale_{scale}"] for scale in (1, 2, 3)])
    assert float((weights * by_scale).sum()) == pytest.approx(after["held_out"], rel=1e-5)


def test_a_guided_task_compares_what_is_sampled(bank_folder, tokenizer_folder):
    teacher = new_teacher()
    task = new_task(bank_folder, tokenizer_folder, teacher, guidance=1.5)
    tokens, labels = (part[:2].long() for part in task.held_out)
    schedule, features = teacher.schedule, training.teacher_forcing(task.quantizer, tokens.split([1, 4, 16], dim=1))
    with torch.no_grad():
        found = task._token_losses(task.model, tokens, labels, 3)
        p, q = ([one.teacher_forced(features, given) for given in (labels, torch.full_like(labels, 10))]
                for one in (teacher, task.model))  # fmt: skip
        for scale, strength in enumerate((0.0, 0.75, 1.5)):
            rows = schedule.positions(scale)
            guided = [((1 + strength) * one - strength * other)[:, rows] for one, other in (p, q)]
            assert torch.allclose(found[:, rows], training.divergence(*guided), atol=1e-5)
        assert task._token_losses(teacher, tokens, labels, 3).abs().max() < 1e-6


def test_a_resumed_task_draws_the_same_batches(bank_folder, tokenizer_folder):
    task, resumed = (new_task(bank_folder, tokenizer_folder) for _ in range(2))
    task.loss(0.0, 0)
    resumed.load_state_dict(task.state_dict())
    assert torch.equal(task.loss(0.0, 1)[0].detach(), resumed.loss(0.0, 1)[0].detach())


def test_the_command_trains_resumes_and_writes_a_checkpoint(
    bank_folder, tokenizer_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "SIZES", {"target": (1, 16, 2, 0.1), "draft": (1, 8, 1, 0.3)})
    monkeypatch.setattr("sdvar_core.training.report.loss_curves", lambda *given: None)
    common = ["--tokenizer", str(tokenizer_folder), "--bank", str(bank_folder), "--pictures", "40"]
    target = ["target", *common, "--run-dir", str(tmp_path / "run"), "--output", str(tmp_path / "target")]
    training.main([*target, "--minutes", "0.005"])
    first = json.loads((tmp_path / "target" / "evaluation.json").read_text())
    training.main([*target, "--minutes", "0.01"])
    second = json.loads((tmp_path / "target" / "evaluation.json").read_text())
    assert second["steps"] > first["steps"] > 0
    draft = ["draft", *common, "--run-dir", str(tmp_path / "draft-run"), "--output", str(tmp_path / "draft")]
    for options, kind in ((["0.005"], "KL to the target"), (["0.01", "--guidance", "1.5"], "at guidance 1.5")):
        training.main([*draft, "--teacher", str(tmp_path / "target"), "--minutes", *options])
        assert json.loads((tmp_path / "draft" / "evaluation.json").read_text())["loss"].endswith(kind)
    assert load_model(tmp_path / "target", "var").config == dataclasses.replace(CONFIG, depth=1)
    assert load_model(tmp_path / "draft", "var").config == dataclasses.replace(CONFIG, depth=1, width=8, heads=1)
    capsys.readouterr()
