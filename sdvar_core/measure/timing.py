"""How long the parts of a run take: seconds are medians of repeats, after one run that does not count."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sdvar_core.errors import SDVARError
from sdvar_core.request import Request
from sdvar_core.speculative.clock import Clock, synchronised_clock
from sdvar_core.speculative.costs import Costs
from sdvar_core.speculative.decoder import Listener, nobody
from sdvar_core.speculative.next_scale import decode
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.trace import Trace


def timed_run(pair: Pair, request: Request, clock: Clock, listener: Listener = nobody) -> tuple[Trace, float]:
    """A run without its picture, and the seconds it took."""
    began = clock()
    events = tuple(decode(pair, request, clock, watch="none", listener=listener))
    seconds = clock() - began
    return Trace(pair.name, request, pair.schedule, pair.codes, events).check(), seconds


def median_seconds(actions: Sequence[Callable[[], object]], repeats: int, clock: Clock) -> list[float]:
    """Median seconds of each of some actions that take turns, after one round that does not count."""
    spent = np.empty((1 + repeats, len(actions)))
    for turn in spent:
        for index, action in enumerate(actions):
            began = clock()
            action()
            turn[index] = clock() - began
    return np.median(spent[1:], axis=0).tolist()


def prefix_of(pair: Pair, request: Request) -> Prefix:
    """All tokens of a target-only run, and so the inputs of every scale."""
    trace, _ = timed_run(pair, replace(request, gamma=0), synchronised_clock(pair.device))
    prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
    for scale, entries in enumerate(trace.tokens):
        tokens = torch.as_tensor(entries, dtype=torch.int64, device=prefix.canvas.device)
        prefix = prefix.extended(tokens, last=scale + 1 == len(pair.schedule))
    return prefix


def reading(reader: Reader, prefix: Prefix, start: int, calls: Sequence[int]) -> Callable[[], None]:
    """An action that reads from scale ``start`` on, one call up to each of ``calls``, and rolls back."""

    def action() -> None:
        for stop in calls:
            reader.read(prefix.inputs, stop)
        reader.cache.rollback(start)

    return action


def scale_seconds(pair: Pair, request: Request, prefix: Prefix, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of one call for each scale on a cache of the coarser ones: forward, guidance and softmax.

    Of the draft and of the target, which take turns.
    """
    readers = [Reader(pair, model, request) for model in (pair.draft, pair.target)]
    clock, spent = synchronised_clock(pair.device), []
    for scale in range(len(pair.schedule)):
        actions = [reading(reader, prefix, scale, [scale + 1]) for reader in readers]
        spent.append(median_seconds(actions, repeats, clock))
        for reader in readers:
            reader.read(prefix.inputs, scale + 1)
    draft, target = zip(*spent)
    return list(draft), list(target)


def decoder_seconds(pair: Pair, prefix: Prefix, repeats: int) -> float:
    """Seconds of the picture decoder."""
    with torch.inference_mode():
        clock = synchronised_clock(pair.device)
        return median_seconds([lambda: pair.tokenizer.decode(prefix.canvas)], repeats, clock)[0]


@dataclass(frozen=True)
class Verification:
    """Seconds to read the scales ``start`` … ``start + gamma`` in one call, and in one call each."""

    start: int
    gamma: int
    merged: float
    separate: float


def verifications(
    pair: Pair, request: Request, prefix: Prefix, gammas: Sequence[int], repeats: int
) -> Iterator[Verification]:
    """Merged against separate verification by the target, for every start and gamma that fit the pyramid."""
    reader, scales = Reader(pair, pair.target, request), len(pair.schedule)
    clock = synchronised_clock(pair.device)
    for start in range(scales):
        for gamma in gammas:
            if start + gamma < scales:
                stop = start + gamma + 1
                ways = [[stop], range(start + 1, stop + 1)]
                actions = [reading(reader, prefix, start, calls) for calls in ways]
                yield Verification(start, gamma, *median_seconds(actions, repeats, clock))
        reader.read(prefix.inputs, start + 1)


def costs_of(draft: Sequence[float], target: Sequence[float], entries: Sequence[Verification]) -> Costs:
    """Costs for the controller that weighs them, from single calls by scale and from merged verification.

    What merging saves a scale, at the median, is what a call costs besides its scales.
    """
    saved = [(entry.separate - entry.merged) / entry.gamma for entry in entries if entry.gamma]
    call = float(np.clip(np.median(saved), 0.0, min(target))) if saved else 0.0
    return Costs(tuple(draft), tuple(seconds - call for seconds in target), target_call=call)


def costs_from(path: Path) -> Costs:
    """The costs that a bench wrote with ``--json``; SDVARError if the file holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["costs"]
        return Costs(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SDVARError(f"{path.name} holds no costs: make it with python -m sdvar_core.bench --json.") from error
