"""Where calls are lost: how often each scale passes when its turn comes, and how far its proposal was from the target.

A run of S scales makes S target calls less one for each scale that passes, so that what passes is what is gained.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdvar_core.events import Judged
from sdvar_core.measure.race import Contestant
from sdvar_core.request import Request
from sdvar_core.speculative.next_scale import decode
from sdvar_core.speculative.pair import Pair
from sdvar_core.tables import table


@dataclass(frozen=True)
class Passes:
    """One scale of many runs. judged, passed: in how many runs; log_ratio: mean log Q/P of the proposed scale in nats,
    infinite where the target excludes a proposed token, as under top-k and top-p; acceptance: mean 1 − TV of its
    tokens."""

    judged: int
    passed: int
    log_ratio: float
    acceptance: float


def passes(pair: Pair, entry: Contestant, pictures: int, **sampling) -> list[Passes]:
    """Every scale of the pyramid over ``pictures`` runs of a contestant."""
    judged: list[list[Judged]] = [[] for _ in pair.schedule.lengths]
    for seed in range(pictures):
        request = Request(label=seed % len(pair.class_names), seed=seed, **vars(entry), **sampling)
        for event in decode(pair, request, watch="none"):
            if isinstance(event, Judged):
                judged[event.scale].append(event)
    return [_of_one_scale(events) for events in judged]


def _of_one_scale(events: Sequence[Judged]) -> Passes:
    with np.errstate(divide="ignore"):
        ratios = [np.log(event.draft_probability / event.target_probability).sum() for event in events]
    kept = [1.0 - event.total_variation.mean() for event in events]
    means = [float(np.mean(values)) if events else np.nan for values in (ratios, kept)]
    return Passes(len(events), sum(bool(event.passed.all()) for event in events), *means)


def pass_table(sides: Sequence[int], results: dict[str, list[Passes]]) -> str:
    """A row for each scale, and for each contestant how many passed of those judged, 1 − TV, and log Q/P."""
    header = ["scale", *(f"{name}: {what}" for name in results for what in ("passed of judged", "1−TV", "log Q/P"))]
    rows = []
    for scale, side in enumerate(sides):
        row = [f"{scale + 1} ({side}×{side})"]
        for found in (entries[scale] for entries in results.values()):
            numbers = [f"{found.acceptance:.3f}", f"{found.log_ratio:.2f}"] if found.judged else ["–", "–"]
            row += [f"{found.passed} of {found.judged}", *numbers]
        rows.append(row)
    totals = [sum(found.passed for found in entries) for entries in results.values()]
    rows.append(["all", *(cell for total in totals for cell in (str(total), "", ""))])
    return table(header, rows)
