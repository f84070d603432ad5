"""A watcher beside a running decoder: what must be true, worked out from the events alone, for invariants to compare.

It shares nothing with the decoder but the models, so that what a fault replaces there stays whole here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdvar_core.randomness import Luck, Stream
from sdvar_core.speculative.decoder import Decoder
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.speculative.rules import Rule, rule_named
from sdvar_core.trace import SETTLING, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Trace, Violation
from sdvar_core.trace_check import Walk


@dataclass(frozen=True)
class Invariant:
    """Something that holds in every sound run. ``check(watch, event)`` looks after each event, and once with None
    after the last, and returns one sentence if it does not hold. dear: it costs model calls or more draws."""

    name: str
    sentence: str
    check: Callable[["Watch", Event | None], str | None]
    dear: bool = False


class WatchedLuck:
    """Luck that remembers what it gave: for each scale the numbers under every (kind, stream, attempt)."""

    def __init__(self, luck: Luck) -> None:
        self.luck = luck
        self.given: dict[int, dict[tuple[str, Stream, int], np.ndarray]] = {}
        self.touched: set[int] = set()  # scales since the last look
        self.changed: set[int] = set()  # scales where one address gave two numbers

    def of_scale(self, scale: int, length: int) -> "WatchedScaleLuck":
        """The luck of one scale of ``length`` tokens."""
        return WatchedScaleLuck(self, self.luck.of_scale(scale, length), scale)

    def remember(self, scale: int, address: tuple[str, Stream, int], numbers: np.ndarray) -> None:
        """Note the numbers (batch, n²) given under an address."""
        before = self.given.setdefault(scale, {}).setdefault(address, numbers)
        if not np.array_equal(before, numbers):
            self.changed.add(scale)
        self.touched.add(scale)


class WatchedScaleLuck:
    """The luck of one scale, noted as it is given; of Gumbel noise the first code's number stands for a token."""

    def __init__(self, watched: WatchedLuck, luck, scale: int) -> None:
        self.watched, self.luck, self.scale = watched, luck, scale

    def uniforms(self, stream: Stream, attempt: int = 0) -> Tensor:
        """As ScaleLuck.uniforms."""
        numbers = self.luck.uniforms(stream, attempt)
        self.watched.remember(self.scale, ("uniforms", stream, attempt), numbers.cpu().numpy())
        return numbers

    def gumbel(self, stream: Stream, codes: int, attempt: int = 0) -> Tensor:
        """As ScaleLuck.gumbel."""
        numbers = self.luck.gumbel(stream, codes, attempt)
        first = numbers[..., 0].cpu().numpy().copy()  # a view would keep all the noise in memory
        self.watched.remember(self.scale, ("gumbel", stream, attempt), first)
        return numbers


class Watch:
    """What is known to be true of a run after the events so far.

    prefix: made from the committed tokens. proposals, standing: tokens of this round, one (batch, n²) a scale;
    drawn_by: the rule by which each proposal was made.
    held: how many scales each cache must hold, "draft" and "target". due: what those concerned by the last event held
    before it. kept, ceilings: how many judgements kept the guess, and what bounds the chance of each.
    """

    def __init__(self, decoder: Decoder, pair: Pair, luck: WatchedLuck) -> None:
        request = decoder.request
        self.decoder, self.pair, self.luck = decoder, pair, luck
        self.walk = Walk(Trace(pair.name, request, pair.schedule, pair.codes, ()))
        self.prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
        self.proposals: list[np.ndarray] = []
        self.drawn_by: list[Rule] = []
        self.standing: list[np.ndarray] = []
        self.held = {"draft": 0, "target": 0}
        self.due: dict[str, int] = {}
        self.round, self.ended = 1, False
        self.kept, self.ceilings = 0, np.zeros(0)
        self.reference: Reader | None = None
        self.found: set[tuple[str, int]] = set()

    @property
    def rule(self) -> Rule:
        """The rule in force at the event just seen."""
        return rule_named(self.decoder.settings.rule)

    def violations(self, event: Event | None, invariants: Iterable[Invariant]) -> Iterator[Violation]:
        """Learn from the event, then check; a violation at most once a round."""
        self.due = {}
        if event is not None:
            self.learn(event)
        for invariant in invariants:
            sentence = invariant.check(self, event)
            if sentence is not None and (invariant.name, self.round) not in self.found:
                self.found.add((invariant.name, self.round))
                yield Violation(self.round, invariant.name, sentence)

    def learn(self, event: Event) -> None:
        """Take the event into account."""
        if self.ended:
            self.proposals, self.drawn_by, self.standing, self.ended = [], [], [], False
        self.round = event.round
        if isinstance(event, Drafted | Carried):
            self.proposals.append(event.tokens)
            self.drawn_by.append(self.rule)
        if isinstance(event, SETTLING):
            self.standing.append(event.tokens)
        match event:
            case Drafted():
                self._read("draft", event.read_from, event.scale + 1)
            case TargetCall():
                self._read("target", event.read_from, event.stop)
            case Judged():
                self._judge(event)
            case RoundEnd():
                self._end()

    def _read(self, name: str, read_from: int, stop: int) -> None:
        self.due, self.held[name] = {name: self.held[name]}, stop

    def _end(self) -> None:
        true = self.scales_still_true()
        self.due = dict(self.held)
        self.held = {name: min(scales, true) for name, scales in self.held.items()}
        for tokens in self.standing:
            self.prefix = self.extended(self.prefix, tokens)
        self.ended = True

    def scales_still_true(self) -> int:
        """Scales whose keys and values answer the tokens that stand, by the K/V rule (design section 1)."""
        for scale, (proposed, stands) in enumerate(zip(self.proposals, self.standing), self.prefix.scales):
            if not np.array_equal(proposed, stands):
                return scale + 1
        return self.prefix.scales + len(self.standing)

    def extended(self, prefix: Prefix, tokens: np.ndarray) -> Prefix:
        """The prefix with one scale of int tokens (batch, n²) more; as it is after the last."""
        scales = len(self.pair.schedule)
        if prefix.scales == scales:
            return prefix
        entries = torch.as_tensor(tokens, dtype=torch.int64, device=prefix.canvas.device)
        return prefix.extended(entries, last=prefix.scales + 1 == scales)

    def inputs(self) -> Sequence[Tensor | None]:
        """The right inputs of every scale up to the one after the proposals."""
        supposed = self.prefix
        for tokens in self.proposals:
            supposed = self.extended(supposed, tokens)
        return supposed.inputs

    def scale_by_scale(self, start: int, stop: int) -> list[Tensor]:
        """The target's guided logits of the scales ``start`` … ``stop`` − 1 at the right inputs, one forward each."""
        if self.reference is None:
            self.reference = Reader(self.pair, self.pair.target, self.decoder.request)
        reader, inputs, true = self.reference, self.inputs(), 0
        while true < min(start, reader.cache.scales) and same(reader.sources[true], inputs[true]):
            true += 1
        reader.cache.rollback(true)
        return [reader.logits(inputs, scale + 1)[-1] for scale in range(true, stop)][start - true :]

    def _judge(self, event: Judged) -> None:
        """Count what was kept and its ceilings 1 − TV; a rule that judges scales whole counts scales."""
        ceilings, kept = 1.0 - event.total_variation.astype(np.float64), event.kept
        if self.rule.name == "scale":
            ceilings, kept = ceilings.min(axis=1), kept[:, 0]
        if not np.isnan(ceilings).any():
            self.kept += int(kept.sum())
            self.ceilings = np.concatenate([self.ceilings, ceilings.ravel()])


def watched(decoder: Decoder, pair: Pair, luck: WatchedLuck, invariants: Sequence[Invariant]) -> Iterator[Event]:
    """The decoder's events, each followed by the violations that it shows. pair: the sound one; the decoder's own may
    be broken. luck: the one that the decoder draws from."""
    watch = Watch(decoder, pair, luck)
    for event in decoder.events():
        yield event
        yield from watch.violations(event, invariants)
    yield from watch.violations(None, invariants)


def same(one: Tensor | None, other: Tensor | None, tolerance: float = 1e-4) -> bool:
    """Whether two tensors, or two absent ones, are equal but for rounding."""
    if one is None or other is None or one is other:
        return one is other
    return one.shape == other.shape and (one.numel() == 0 or bool((one - other).abs().max() <= tolerance))
