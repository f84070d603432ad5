"""A race: several settings draw the same pictures in turns, and what each cost and gained is compared.

Target-only decoding under the same rule and seed runs in every turn. It is the baseline of time, and the exact picture
of the same noise.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdvar_core import tables
from sdvar_core.events import Event, Judged
from sdvar_core.measure.prediction import Prediction, prediction
from sdvar_core.measure.tables import milliseconds
from sdvar_core.measure.timing import timed_run
from sdvar_core.phases import Phase
from sdvar_core.request import Request
from sdvar_core.speculative.clock import Clock
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS
from sdvar_core.speculative.fidelity import fidelity, likelihood_along
from sdvar_core.speculative.next_scale import trace_of
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import RULES, rule_named
from sdvar_core.trace import Trace


@dataclass(frozen=True)
class Contestant:
    """One row of a race: fields of a Request, all but the picture and the sampling."""

    rule: str
    draft_length: str = "fixed"
    gamma: int = 0
    carry_over: str = "off"
    options: tuple[tuple[str, float], ...] = ()
    phases: tuple[Phase, ...] = ()

    @property
    def alone(self) -> "Contestant":
        """Target-only decoding under the same rule."""
        return Contestant(self.rule)

    @property
    def exact(self) -> bool:
        """Whether the tokens have the target's law."""
        verified = all(phase.do != "draft" for phase in self.phases)
        return verified and rule_named(self.rule).exact_with(dict(self.options))

    @property
    def shown_rule(self) -> str:
        """The rule and its options, or the plan, as a person reads them."""
        if self.phases:
            return ", ".join(f"{phase.do} until scale {phase.until}" for phase in self.phases)
        return ", ".join([self.rule, *(f"{name} {value:g}" for name, value in self.options)])

    @property
    def shown_gamma(self) -> str:
        """Gamma as a person reads it."""
        fixed = f"{self.gamma}" if self.draft_length == "fixed" else f"{self.draft_length} from {self.gamma}"
        return fixed if self.carry_over == "off" else f"{fixed}, {self.carry_over}"


@dataclass(frozen=True)
class Turn:
    """One picture of one contestant. seconds is the wall-clock of decoding without the picture decoder, baseline that
    of target-only decoding in the same turn. foretold: of the judged tokens, where a formula tells all of them.
    equal_tokens, psnr: against the exact picture of the same noise; gap: the likelihood gap in nats; NaN if not asked.
    """

    target_calls: int
    draft_calls: int
    kept: int
    judged: int
    seconds: float
    baseline: float
    foretold: Prediction | None = None
    equal_tokens: float = np.nan
    psnr: float = np.nan
    gap: float = np.nan


@dataclass(frozen=True)
class Result:
    """All turns of a contestant."""

    contestant: Contestant
    turns: tuple[Turn, ...] = field(repr=False)

    def all(self, name: str) -> np.ndarray:
        """A field of every turn, (picture,)."""
        return np.array([getattr(turn, name) for turn in self.turns], dtype=np.float64)

    @property
    def acceptance_rate(self) -> float:
        """Kept over judged tokens of all pictures; 0 where nothing was judged."""
        judged = self.all("judged").sum()
        return float(self.all("kept").sum() / judged) if judged else 0.0

    @property
    def predicted(self) -> tuple[float, float] | None:
        """The acceptance rate that p and q foretell, and its standard error; None where they do not."""
        judged, foretold = self.all("judged").sum(), [turn.foretold for turn in self.turns]
        if not judged or None in foretold:
            return None
        variance = sum(entry.variance for entry in foretold)
        return sum(entry.expected for entry in foretold) / judged, variance**0.5 / judged

    @property
    def speedup(self) -> float:
        """Median over pictures of how many times faster than target-only decoding this was."""
        return float(np.median(self.all("baseline") / self.all("seconds")))

    @property
    def psnr(self) -> float:
        """Of the mean squared error over all pictures, dB; infinite where every picture is equal."""
        error = np.mean(10.0 ** (-self.all("psnr") / 10.0))
        return float(-10.0 * np.log10(error)) if error else np.inf

    @property
    def gap(self) -> tuple[float, float]:
        """Mean likelihood gap in nats, and its standard error."""
        gaps = self.all("gap")
        return float(gaps.mean()), float(gaps.std() / max(1, len(gaps) - 1) ** 0.5)

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers of the row, as plain values; NaN becomes None."""
        values = {
            "exact": self.contestant.exact,
            "target_calls": float(self.all("target_calls").mean()),
            "draft_calls": float(self.all("draft_calls").mean()),
            "acceptance_rate": self.acceptance_rate,
            "predicted": self.predicted,
            "equal_tokens": float(self.all("equal_tokens").mean()),
            "psnr": self.psnr,
            "gap": self.gap,
            "seconds": float(np.median(self.all("seconds"))),
            "speedup": self.speedup,
        }
        return {name: None if value != value else value for name, value in values.items()}


def race(
    pair: Pair,
    entries: Sequence[Contestant],
    pictures: int,
    clock: Clock = time.perf_counter,
    judged: bool = False,
    **sampling: Any,
) -> list[Result]:
    """Every contestant draws the same pictures, one after the other for each picture, after one that does not count.

    judged: also foretell acceptance, and compare with the exact picture; outside what is timed.
    """
    alone = list(dict.fromkeys(entry.alone for entry in entries))
    turns: dict[Contestant, list[Turn]] = {entry: [] for entry in entries}
    for number, seed in enumerate([0, *range(pictures)]):
        settings = {"label": seed % len(pair.class_names), "seed": seed, **sampling}
        baselines = {entry: _run(pair, entry, settings, clock) for entry in alone}
        for entry in entries:
            baseline = baselines[entry.alone]
            run = baseline if entry == entry.alone else _run(pair, entry, settings, clock, listens=judged)
            if number:
                turns[entry].append(_turn(pair, run, baseline, judged))
    return [Result(entry, tuple(turns[entry])) for entry in entries]


@dataclass(frozen=True, eq=False)
class _Run:
    trace: Trace
    seconds: float
    heard: list[tuple[Event, Tensor, Tensor]]


def _run(pair: Pair, entry: Contestant, settings: dict[str, Any], clock: Clock, listens: bool = False) -> _Run:
    request, heard = Request(**vars(entry), **settings), []

    def listen(event: Event, target: Tensor | None, draft: Tensor | None) -> None:
        if listens and isinstance(event, Judged):
            heard.append((event, target, draft))

    return _Run(*timed_run(pair, request, clock, listen), heard)


def _turn(pair: Pair, run: _Run, baseline: _Run, judged: bool) -> Turn:
    trace = run.trace
    turn = Turn(trace.target_calls, trace.draft_calls, trace.kept, trace.judged, run.seconds, baseline.seconds)
    if not judged:
        return turn
    found = fidelity(*(trace_of(pair, one.trace.request, one.trace.events) for one in (run, baseline)))
    gap = likelihood_along(pair, [trace]).gap
    numbers = {"equal_tokens": float(found.equal_tokens[0]), "psnr": float(found.psnr[0]), "gap": float(gap[0])}
    return replace(turn, foretold=_foretold(pair, run), **numbers)


def _foretold(pair: Pair, run: _Run) -> Prediction | None:
    request = run.trace.request
    options = rule_named(request.rule).checked(dict(request.options))
    options["codebook"] = pair.tokenizer.quantizer.codebook.cpu()
    expected = variance = 0.0
    for event, p, q in run.heard:
        found = prediction(request.rule, p.cpu(), q.cpu(), torch.as_tensor(event.drafted, dtype=torch.int64), options)
        if found is None:
            return None
        expected, variance = expected + found.expected, variance + found.variance
    return Prediction(expected, variance)


# Who takes part


def exact_contestants(gammas: Sequence[int]) -> list[Contestant]:
    """Target-only, then every exact rule with every draft length and gamma, and with both ways to carry over."""
    exact = [rule for rule in RULES.values() if rule.exact]
    entries = [Contestant(rule.name) for rule in exact]
    for rule in exact:
        entries += [Contestant(rule.name, length, gamma) for length in DRAFT_LENGTHS for gamma in gammas]
        entries += [
            Contestant(rule.name, "fixed", gamma, carry_over=way)
            for way in ("stale", "refreshed")
            for gamma in gammas
            if gamma
        ]
    return list(dict.fromkeys(entries))


def all_rules(scales: int) -> list[Contestant]:
    """Every rule with its default options, at gamma 1, 2, 4, and as the draft length adapts itself from 2 on."""
    plans = [("fixed", 1), ("fixed", 2), ("fixed", 4), ("stepwise", 2)]
    return [Contestant(rule, length, min(gamma, scales)) for rule in RULES for length, gamma in plans]


def fewest_calls(scales: int) -> list[Contestant]:
    """Settings that go for few target calls: a draft as long as the pyramid, exact rules first, then what relaxes."""
    longest = {"draft_length": "fixed", "gamma": scales - 1}
    exact = [
        *(("coupled", way) for way in ("off", "refreshed")),
        ("token", "refreshed"),
        *(("scale", way) for way in ("off", "stale", "refreshed")),
    ]
    relaxed = [
        ("coupled", "tolerance", 0.05),
        *(("scale", "leniency", nats) for nats in (0.05, 0.1, 0.15, 0.2)),
        *(("likelihood", "bound", nats) for nats in (0.3, 0.5, 0.8)),
    ]
    return [
        *(Contestant(rule, carry_over=way, **longest) for rule, way in exact),
        *(
            Contestant(rule, carry_over="refreshed", options=((option, value),), **longest)
            for rule, option, value in relaxed
        ),
        Contestant("coupled", phases=(Phase(max(1, scales - 3), "draft"), Phase(scales, "target"))),
    ]


# Tables


def race_table(results: Sequence[Result]) -> str:
    """Calls, acceptance and wall-clock of every contestant."""
    header = ["rule", "γ", "target calls", "draft calls", "tokens kept", "ms", "speedup against γ=0"]
    rows = []
    for result in results:
        kept = f"{result.acceptance_rate:.3f}" if result.all("judged").any() else "–"
        calls = [f"{result.all(name).mean():.2f}" for name in ("target_calls", "draft_calls")]
        time_spent = [milliseconds(np.median(result.all("seconds"))), f"{result.speedup:.2f}"]
        rows.append([result.contestant.shown_rule, result.contestant.shown_gamma, *calls, kept, *time_spent])
    return tables.table(header, rows)


def fidelity_table(results: Sequence[Result]) -> Iterator[str]:
    """Calls and acceptance against what they cost in fidelity, line by line."""
    yield tables.head(
        ["rule", "γ", "exact", "target calls", "tokens kept", "predicted", "equal tokens", "PSNR, dB",
         "likelihood gap, nats", "speedup against γ=0"]
    )  # fmt: skip
    for result in results:
        entry, predicted = result.contestant, result.predicted
        yield tables.row(
            [
                entry.shown_rule,
                entry.shown_gamma,
                "yes" if entry.exact else "no",
                f"{result.all('target_calls').mean():.2f}",
                f"{result.acceptance_rate:.3f}" if result.all("judged").any() else "–",
                "–" if predicted is None else f"{predicted[0]:.3f} ± {predicted[1]:.3f}",
                f"{result.all('equal_tokens').mean():.3f}",
                "identical" if np.isinf(result.psnr) else f"{result.psnr:.1f}",
                "{:+.3f} ± {:.3f}".format(*result.gap),
                f"{result.speedup:.2f}",
            ]
        )
