"""The measuring commands: they see a bad draft, a broken rule and a pair outside the window, and print their tables."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import sdvar_core as sd
from sdvar_core import evaluate, tables
from sdvar_core.probability import of_token
from sdvar_core.speculative import fidelity
from tests.fakes import fake_pair, own_draft_pair
from tests.tiny import save_tiny_models, tiny_var

SAMPLING = {"guidance": 1.5}


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def test_likelihood_gap_is_zero_for_exact_runs_and_large_for_the_draft():
    pair = fake_pair()
    measured = evaluate.likelihoods(pair, evaluate.target_only(pair, 300, **SAMPLING), gamma=2, **SAMPLING)
    assert set(measured) == {"target-only", "draft-only", *(f"{rule}, γ=2" for rule in sd.RULES)}
    for name in ("target-only", "coupled, γ=2", "token, γ=2"):
        mean, error = mean_and_error(measured[name].gap)
        assert error < 0.05
        assert abs(mean) < 4 * error
    mean, error = mean_and_error(measured["draft-only"].gap)
    assert mean > 0.5 > 10 * error
    assert measured["greedy, γ=2"].gap.mean() < 0.0


def test_likelihood_gap_weighs_scales_equally():
    p = [torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[0.9, 0.1]] * 4])]
    tokens = [np.array([[0]]), np.array([[1, 0, 0, 0]])]
    expected_surprise = [np.log(2), -(np.log(0.1) + 3 * np.log(0.9)) / 4]
    entropies = [np.log(2), -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))]
    p = [entry.double() for entry in p]
    assert fidelity.surprise(p, tokens)[:, 0] == pytest.approx(expected_surprise)
    gap = fidelity.likelihood_gap(p, tokens)
    assert gap == pytest.approx([np.mean(expected_surprise) - np.mean(entropies)], abs=1e-6)


@pytest.mark.parametrize("rule", ["coupled", "token"])
def test_reading_along_sees_what_the_run_saw(rule):
    """Teacher-forced probabilities of the committed tokens are those that decoding recorded."""
    pair = fake_pair()
    trace = sd.generate(pair, label=(0, 1, 2), seed=5, gamma=2, rule=rule, temperature=0.8, top_p=0.9)
    recorded = [
        event.standing_probability if isinstance(event, sd.Judged) else event.probability
        for event in trace.of(sd.Judged | sd.Bonus)
    ]
    read = fidelity.read_along(pair, pair.target, trace.request, trace.tokens)
    for p, entries, probability in zip(read, trace.tokens, recorded, strict=True):
        assert of_token(p, torch.as_tensor(entries, dtype=torch.int64)).numpy() == pytest.approx(probability, abs=1e-6)


def test_a_model_agrees_with_itself_and_not_with_another():
    pair = own_draft_pair()
    same = fidelity.agreement_along(pair, evaluate.target_only(pair, 25, **SAMPLING))
    assert same.kept.shape == same.passes.shape == same.divergence.shape == (4, 25)
    assert same.kept == pytest.approx(1.0)
    assert same.passes == pytest.approx(1.0)
    assert same.divergence == pytest.approx(0.0, abs=1e-12)
    assert same.deficit == pytest.approx(0.0, abs=1e-9)
    assert np.array_equal(same.target_entropy, same.draft_entropy)
    pair = fake_pair()
    other = fidelity.agreement_along(pair, evaluate.target_only(pair, 25, **SAMPLING))
    assert (other.divergence > 0).all()
    assert (other.deficit > 0).all()
    assert (other.passes <= other.kept + 1e-12).all()
    assert other.passes[0] == pytest.approx(other.kept[0])  # one token: both are its 1 − TV


def test_agreement_predicts_the_measured_acceptance():
    pair = fake_pair((1, 2))
    exact = evaluate.target_only(pair, 600)
    traces = [sd.generate(pair, replace(trace.request, gamma=1, rule="token")) for trace in exact]
    measured = np.mean([trace.acceptance_rate for trace in traces])  # of scale 0, one token a picture
    assert 0.2 < measured < 0.8
    assert fidelity.agreement_along(pair, exact).kept[0].mean() == pytest.approx(measured, abs=0.08)  # 4 deviations


def test_divergence_against_the_definition():
    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(6), size=7) for _ in range(2))
    p[0, 0] = 0.0
    terms = np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(q)), 0.0)
    assert fidelity.divergence(torch.from_numpy(p), torch.from_numpy(q)).numpy() == pytest.approx(terms.sum(axis=1))
    q[1] = [0, 0.2, 0.2, 0.2, 0.2, 0.2]
    assert fidelity.divergence(torch.from_numpy(p), torch.from_numpy(q))[1] == np.inf


@pytest.mark.parametrize(
    ("gap", "kept", "inside"),
    [
        (0.1, [0.75, 0.95, 0.2], True),
        (0.099, [0.8, 0.8, 0.8], False),
        (0.5, [0.8, 0.96, 0.74], False),
        (0.5, [0.8, 0.8, 0.99, 0.1], False),  # half of the scales are not most
    ],
)
def test_window(gap, kept, inside):
    assert evaluate.in_window(gap, np.array(kept)) is inside


def test_requests_share_no_seed_and_keep_the_order_of_labels():
    labels = [2, 0, 1, 1, 0]
    requests = evaluate.requests_for(labels, batch=2, gamma=0, guidance=2.0)
    assert [label for request in requests for label in request.labels] == labels
    assert [seed for request in requests for seed in request.seeds] == list(range(5))
    assert {(request.gamma, request.guidance) for request in requests} == {(0, 2.0)}


def test_identity_counts_no_difference_and_the_calls_of_single_pictures():
    pair, own = fake_pair(), own_draft_pair()
    drafts = {"another": pair.draft, "own": own.target}
    rows = list(evaluate.identity(pair, drafts, 12, [1, 3], carry_over=False, **SAMPLING))
    assert [(row.draft, row.gamma) for row in rows] == [("another", 1), ("another", 3), ("own", 1), ("own", 3)]
    assert all(row.differing_tokens == row.differing_pictures == 0 for row in rows)
    assert [set(row.calls) for row in rows[2:]] == [{2}, {1}]
    alone = [sd.generate(pair, label=seed % 3, seed=seed, gamma=3).target_calls for seed in range(12)]
    assert list(rows[1].calls) == alone


def test_identity_notices_a_rule_that_keeps_everything(monkeypatch):
    def judge(target, draft, drafted, luck, **options):
        verdict = sd.RULES["greedy"].judge(target, draft, drafted, luck)
        return replace(verdict, kept=torch.ones_like(verdict.kept), tokens=drafted, passed=verdict.passed | True)

    monkeypatch.setitem(sd.RULES, "coupled", replace(sd.RULES["coupled"], judge=judge))
    pair = fake_pair()
    (row,) = evaluate.identity(pair, {"another": pair.draft}, 6, [2])
    assert row.differing_tokens > 10
    assert row.differing_pictures == 6


def test_untrained_draft_is_the_same_every_time_and_not_the_trained_one():
    trained = tiny_var(3)
    one, two = (evaluate.untrained(trained).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], value) for name, value in trained.state_dict().items())


def test_draft_alone_draws_with_the_draft():
    pair = fake_pair()
    calls = pair.draft.calls, pair.target.calls
    sd.generate(evaluate.alone(pair, pair.draft), gamma=0)
    assert pair.draft.calls > calls[0]
    assert pair.target.calls == calls[1]


def test_first_of_each_label():
    pictures, labels = np.arange(6), np.array([0, 0, 0, 1, 1, 1])
    assert evaluate.first_of_each(pictures, labels, 2).tolist() == [0, 1, 3, 4]


def test_markdown_tables():
    text = tables.table(["a", "b"], [["x", 1], ["y|z", 2.5]])
    assert text == "| a | b |\n| --- | ---: |\n| x | 1 |\n| y\\|z | 2.5 |"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return folder, save_tiny_models(folder)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["acceptance", "--pictures", "3"], ["| 4 | 16 |", "KL(p‖q)"]),
        (["likelihood", "--pictures", "3", "--gamma", "1"], ["| draft-only |", "window: no", "| coupled, γ=1 |"]),
        (["identity", "--seeds", "2", "--gammas", "2"], ["| target | 2 | 2 | 0 | 1.00 |", "in all: 0"]),
        (["identity", "--seeds", "3", "--gammas", "2", "--carry-over"], ["with carry-over", "in all: 0"]),
    ],
)
def test_commands_print_their_tables_and_keep_their_figures(folders, tmp_path, capsys, command, lines):
    evaluate.main([*command, *folders[1], "--json", str(tmp_path / "figures.json")])
    printed = capsys.readouterr().out
    assert all(line in printed for line in lines)
    assert json.loads((tmp_path / "figures.json").read_text())


def test_samples_command_writes_sheets_and_figures(folders, tmp_path, capsys):
    classifier = ["--classifier", str(folders[0] / "classifier")]
    command = ["samples", "--per-class", "1", "--shown", "2", "--cell", "16", "--output", str(tmp_path), *classifier]
    evaluate.main([*command, *folders[1]])
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "samples.json").read_text())
    assert figures["target"]["pictures"] == figures["draft"]["pictures"] == 10
    assert set(figures["reconstruction"]) == {"psnr", "psnr_by_world", "pictures"}
    assert f"| **all** | {100 * figures['target']['accuracy']:.1f} |" in printed
    assert all((tmp_path / f"{role}-samples.webp").stat().st_size > 0 for role in ("target", "draft"))


def test_a_missing_checkpoint_is_one_sentence(folders, tmp_path):
    with pytest.raises(SystemExit) as caught:
        evaluate.main(["acceptance", *folders[1], "--draft-dir", str(tmp_path / "nowhere")])
    assert "Cannot read nowhere/config.json" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
