"""Measures a pair of models: ``python -m sdvar_core.evaluate``, then acceptance, likelihood, identity or samples.

Every command prints a table in markdown; ``--json`` keeps its figures.
"""

import argparse
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdvar_core import tables
from sdvar_core.carry_over import CARRY_OVERS
from sdvar_core.checkpoints import load_model
from sdvar_core.command_line import add_common_arguments, count, pair_of, sampling_of
from sdvar_core.errors import SDVARError
from sdvar_core.models.classifier import Classifier
from sdvar_core.models.var import VAR, initialise
from sdvar_core.presets import PAIRS
from sdvar_core.request import Request
from sdvar_core.speculative.fidelity import Likelihood, agreement_along, likelihood_along
from sdvar_core.speculative.next_scale import generate
from sdvar_core.speculative.pair import Pair, ScaleModel
from sdvar_core.speculative.rules import RULES
from sdvar_core.trace import Trace
from sdvar_core.training import vqvae, worlds
from sdvar_core.training.classifier import named
from sdvar_core.training.sheets import contact_sheet

BATCH = 10  # pictures decoded together where the number of calls does not matter
WINDOW_GAP = 0.1  # nats: the draft alone must be at least this far from the target
WINDOW_KEPT = (0.75, 0.95)  # token acceptance wanted at most scales


def requests_for(labels: Sequence[int], batch: int = BATCH, **settings: Any) -> list[Request]:
    """Requests for pictures of the given labels with seeds 0, 1, …, ``batch`` pictures a request."""
    parts = [tuple(labels[start : start + batch]) for start in range(0, len(labels), batch)]
    return [Request(label=part, seed=index * batch, **settings) for index, part in enumerate(parts)]


def in_turn(pair: Pair, pictures: int) -> list[int]:
    """Labels that name the classes one after the other."""
    return [index % len(pair.class_names) for index in range(pictures)]


def alone(pair: Pair, model: ScaleModel) -> Pair:
    """The pair in which ``model`` is the target: with gamma = 0 it draws everything itself."""
    return replace(pair, target=model)


def untrained(model: VAR) -> VAR:
    """A model of the same configuration with initial weights."""
    return initialise(VAR(model.config), torch.Generator().manual_seed(0)).eval().requires_grad_(False)


# Acceptance and likelihood


def target_only(pair: Pair, pictures: int, **sampling: Any) -> list[Trace]:
    """Pictures of all classes in turn, drawn by the target."""
    return [generate(pair, request) for request in requests_for(in_turn(pair, pictures), gamma=0, **sampling)]


def likelihoods(pair: Pair, exact: Sequence[Trace], gamma: int, **sampling: Any) -> dict[str, Likelihood]:
    """Of the target-only runs ``exact``, then of as many pictures of every rule and of the draft alone."""
    pictures = sum(trace.request.batch for trace in exact)
    measured = {"target-only": likelihood_along(pair, exact)}
    for rule in RULES:
        requests = requests_for(in_turn(pair, pictures), rule=rule, gamma=gamma, **sampling)
        measured[f"{rule}, γ={gamma}"] = likelihood_along(pair, [generate(pair, request) for request in requests])
    drawn = target_only(alone(pair, pair.draft), pictures, **sampling)
    return measured | {"draft-only": likelihood_along(pair, drawn)}


def in_window(gap: float, kept: np.ndarray) -> bool:
    """Whether a pair differs enough to be worth watching: the draft's gap in nats, token acceptance (scale,)."""
    inside = (kept >= WINDOW_KEPT[0]) & (kept <= WINDOW_KEPT[1])
    return gap >= WINDOW_GAP and 2 * int(inside.sum()) > len(kept)


# Identity


@dataclass(frozen=True)
class IdentityRow:
    """``coupled`` against target-only decoding, picture by picture; ``calls`` has the target calls of each run."""

    draft: str
    gamma: int
    differing_tokens: int
    differing_pictures: int
    calls: tuple[int, ...]


def identity(
    pair: Pair, drafts: Mapping[str, ScaleModel], seeds: int, gammas: Sequence[int], **settings: Any
) -> Iterator[IdentityRow]:
    """Rows for each draft and gamma over ``seeds`` pictures. Single pictures, since a batch commits the least progress
    of its pictures and so counts too many calls."""
    requests = requests_for(in_turn(pair, seeds), batch=1, rule="coupled", gamma=0, **settings)
    references = [generate(pair, request) for request in requests]
    for name, draft in drafts.items():
        for gamma in gammas:
            runs = [generate(replace(pair, draft=draft), replace(request, gamma=gamma)) for request in requests]
            differing = [run.differing_tokens(reference) for run, reference in zip(runs, references)]
            calls = tuple(run.target_calls for run in runs)
            yield IdentityRow(name, gamma, sum(differing), sum(tokens > 0 for tokens in differing), calls)


DRAFTS = {
    "trained": lambda pair: pair.draft,
    "untrained": lambda pair: untrained(pair.draft),
    "target": lambda pair: pair.target,
}
"""The drafts that must not matter."""


# Samples


def sample(pair: Pair, model: ScaleModel, per_class: int, **sampling: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (count, height, width, 3) that ``model`` draws alone, and the labels (count,) asked for."""
    labels = np.repeat(np.arange(len(pair.class_names)), per_class)
    requests = requests_for(labels.tolist(), gamma=0, **sampling)
    return np.concatenate([generate(alone(pair, model), request).pictures for request in requests]), labels


def first_of_each(pictures: np.ndarray, labels: np.ndarray, shown: int) -> np.ndarray:
    """The first ``shown`` pictures of every label, in the order of labels."""
    return np.concatenate([pictures[labels == label][:shown] for label in np.unique(labels)])


def named_correctly(pair: Pair, classifier: Classifier, pictures: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Share of pictures that the classifier names as asked: of all, and by class."""
    correct = named(classifier, pictures) == labels
    by_class = {name: round(float(correct[labels == label].mean()), 4) for label, name in enumerate(pair.class_names)}
    return {"accuracy": round(float(correct.mean()), 5), "accuracy_by_class": by_class, "pictures": len(pictures)}


def reconstruction(pair: Pair, per_class: int) -> dict[str, Any]:
    """PSNR of the tokenizer on unseen tiny worlds, dB: of all, and by world."""
    labels = np.repeat(np.arange(len(worlds.WORLDS)), per_class)
    pictures = worlds.render(labels, np.random.default_rng((6, 6)), pair.tokenizer.config.image_size)
    figures = vqvae.evaluate(pair.tokenizer, pictures, labels, torch.device("cpu"))
    return {name: figures[name] for name in ("psnr", "psnr_by_world", "pictures")}


# Commands: each yields the lines that a person reads and returns the figures behind them

Report = Generator[str, None, dict[str, Any]]


def report_acceptance(pair: Pair, options: argparse.Namespace) -> Report:
    """How close the draft is to the target, on the target's own samples."""
    figures = agreement_along(pair, target_only(pair, options.pictures, **sampling_of(options)))
    means = {field.name: getattr(figures, field.name).mean(axis=1) for field in fields(figures)}
    yield f"Token acceptance on {options.pictures} pictures of the target, guidance {options.guidance:g}\n"
    header = ["scale", "tokens", "token kept (1−TV)", "whole scale passes", "entropy of p", "entropy of q", "KL(p‖q)",
              "log Q/P of a drafted scale"]  # fmt: skip
    rows = [
        [side, side * side, f"{kept:.3f}", f"{passes:.2g}", *(f"{value:.3f}" for value in nats)]
        for side, kept, passes, *nats in zip(pair.schedule.sides, *means.values())
    ]
    yield tables.table(header, rows)
    return {name: values.tolist() for name, values in means.items()}


def report_likelihood(pair: Pair, options: argparse.Namespace) -> Report:
    """How likely the target finds what each kind of run made, and whether the pair lies in the window."""
    pictures = options.pictures
    exact = target_only(pair, pictures, **sampling_of(options))
    measured = likelihoods(pair, exact, options.gamma, **sampling_of(options))
    yield f"Likelihood gap, {pictures} pictures a row, guidance {options.guidance:g}; about 0 is exact\n"
    gaps = {name: float(entry.gap.mean()) for name, entry in measured.items()}
    errors = {name: float(entry.gap.std() / max(1, pictures - 1) ** 0.5) for name, entry in measured.items()}
    rows = [
        [name, f"{gaps[name]:+.3f} ± {errors[name]:.3f}", f"{entry.surprise.mean():.3f}"]
        for name, entry in measured.items()
    ]
    yield tables.table(["run", "likelihood gap, nats", "nats a token, scales weighed equally"], rows)
    yield "\n`greedy` always takes the likeliest code, so that its gap is below 0.\n"
    kept = agreement_along(pair, exact).kept.mean(axis=1)
    window = in_window(gaps["draft-only"], kept)
    yield f"Token acceptance by scale: {' '.join(f'{value:.2f}' for value in kept)}\n"
    wanted = f"draft-only gap ≥ {WINDOW_GAP} nats, token acceptance {WINDOW_KEPT[0]} to {WINDOW_KEPT[1]} at most scales"
    yield f"window: {'yes' if window else 'no'} ({wanted})"
    return {"gap": gaps, "standard_error": errors, "kept": kept.tolist(), "window": window}


def report_identity(pair: Pair, options: argparse.Namespace) -> Report:
    """Whether ``coupled`` is token-identical to target-only decoding, whatever the draft is."""
    drafts = {name: DRAFTS[name](pair) for name in options.drafts}
    rule = "`coupled`" if options.carry_over == "off" else f"`coupled` with carry-over ({options.carry_over})"
    yield f"{rule} against target-only, {options.seeds} seeds a row, guidance {options.guidance:g}\n"
    yield tables.head(["draft", "γ", "runs", "differing tokens", "mean target calls", "fewest", "most"])
    rows = []
    settings = sampling_of(options) | {"carry_over": options.carry_over}
    for row in identity(pair, drafts, options.seeds, options.gammas, **settings):
        calls = [f"{np.mean(row.calls):.2f}", min(row.calls), max(row.calls)]
        yield tables.row([row.draft, row.gamma, len(row.calls), row.differing_tokens, *calls])
        rows.append(asdict(row))
    yield f"\nDiffering tokens in all: {sum(row['differing_tokens'] for row in rows)}"
    return {"rows": rows}


def report_samples(pair: Pair, options: argparse.Namespace) -> Report:
    """What both models draw, whether a classifier recognises it, and how well pictures survive the tokenizer."""
    classifier = load_model(options.classifier, "classifier")
    figures: dict[str, Any] = {"guidance": options.guidance}
    for role, model in (("target", pair.target), ("draft", pair.draft)):
        pictures, labels = sample(pair, model, options.per_class, **sampling_of(options))
        figures[role] = named_correctly(pair, classifier, pictures, labels)
        shown = first_of_each(pictures, labels, options.shown)
        columns = len(shown) // len(pair.class_names)
        contact_sheet(shown, columns, options.output / f"{role}-samples.webp", pair.class_names, options.cell)
    figures["reconstruction"] = reconstruction(pair, options.per_class)
    (options.output / "samples.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    yield f"{options.per_class} pictures a world, guidance {options.guidance:g}\n"
    by_class = [figures[role]["accuracy_by_class"] for role in ("target", "draft")]
    psnr = figures["reconstruction"]["psnr_by_world"]
    rows = [[name, *(f"{100 * part[name]:.1f}" for part in by_class), f"{psnr[name]:.1f}"] for name in pair.class_names]
    means = [f"{100 * figures[role]['accuracy']:.1f}" for role in ("target", "draft")]
    rows.append(["**all**", *means, f"{figures['reconstruction']['psnr']:.1f}"])
    yield tables.table(["world", "target named, %", "draft named, %", "reconstruction, dB"], rows)
    return figures


COMMANDS = {
    "acceptance": report_acceptance,
    "likelihood": report_likelihood,
    "identity": report_identity,
    "samples": report_samples,
}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=run.__doc__) for name, run in COMMANDS.items()}
    for command in parsers.values():
        add_common_arguments(command)
        command.add_argument("--json", type=Path, help="keep the figures in this file")
    for name in ("acceptance", "likelihood"):
        parsers[name].add_argument("--pictures", type=count, default=20)
    parsers["likelihood"].add_argument("--gamma", type=int, default=4)
    parsers["identity"].add_argument("--seeds", type=count, default=100)
    parsers["identity"].add_argument("--gammas", type=int, nargs="+", default=[1, 2, 3, 4])
    parsers["identity"].add_argument("--drafts", nargs="+", choices=DRAFTS, default=list(DRAFTS))
    parsers["identity"].add_argument("--carry-over", choices=CARRY_OVERS, nargs="?", const="stale", default="off")
    samples = parsers["samples"]
    samples.add_argument("--output", type=Path, required=True, help="folder of the contact sheets and samples.json")
    samples.add_argument("--per-class", type=count, default=20, help="pictures of every world that are judged")
    samples.add_argument("--shown", type=count, default=8, help="pictures of every world on a sheet")
    samples.add_argument("--cell", type=count, help="width of a picture on a sheet in pixels (default: its own)")
    folder = PAIRS["tiny-worlds"].target.parent / "classifier"
    samples.add_argument("--classifier", type=Path, default=folder, help="checkpoint folder of the classifier")
    return parser.parse_args(arguments)


def print_report(report: Report) -> dict[str, Any]:
    """Prints a report line by line as it is made; returns its figures."""
    while True:
        try:
            print(next(report), flush=True)
        except StopIteration as end:
            return end.value


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command."""
    options = _parse(arguments)
    try:
        figures = print_report(COMMANDS[options.command](pair_of(options), options))
    except SDVARError as error:
        raise SystemExit(str(error)) from None
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
