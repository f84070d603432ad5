"""The one decoding loop: draft some scales, check them all in one target call, keep what the rule keeps.

Target-only decoding is this loop with gamma = 0. Source: design section 2; Leviathan et al. 2023 lifted from tokens to
scales of a VAR pyramid (Tian et al. 2024).
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import entropy, of_token, total_variation
from sdvar_core.randomness import Luck, ScaleLuck
from sdvar_core.request import Request
from sdvar_core.speculative.acceptance import Rule, Verdict, rule_named
from sdvar_core.speculative.draft_length import draft_length_named
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.trace import Bonus, Drafted, Event, Judged, RoundEnd, TargetCall, Trace

Clock = Callable[[], float]


@dataclass(frozen=True, eq=False)
class Proposal:
    """The draft's guess of one scale: tokens int64 (batch, n²) and the distribution q they were drawn from."""

    tokens: Tensor
    distribution: Tensor


@dataclass(frozen=True, eq=False)
class Run:
    """What stays the same through a run."""

    pair: Pair
    rule: Rule
    luck: Luck
    draft: Reader
    target: Reader
    clock: Clock

    @property
    def scales(self) -> int:
        """Scales of the pyramid."""
        return len(self.pair.schedule)

    def luck_of(self, scale: int) -> ScaleLuck:
        """The luck of one scale."""
        return self.luck.of_scale(scale, self.pair.schedule.lengths[scale])

    def extended(self, prefix: Prefix, tokens: Tensor) -> Prefix:
        """The prefix with one scale more."""
        return prefix.extended(tokens, last=prefix.scales + 1 == self.scales)


def decode(pair: Pair, request: Request, clock: Clock = time.perf_counter, luck: Luck | None = None) -> Iterator[Event]:
    """Decode one batch of pictures, yielding every event as it happens.

    Raises RequestError before the first event if the request does not fit the pair. ``clock`` measures the seconds in
    the events and nothing else; ``luck`` stands in for the luck of the request's seeds. Batches commit the least
    progress of the batch in every round; each picture's tokens stay exact, since what is thrown away was decided by
    other pictures' luck.
    """
    check_request(pair, request)
    return _decode(pair, request, clock, Luck(request.seeds) if luck is None else luck)


def check_request(pair: Pair, request: Request) -> None:
    """RequestError if the request does not fit the pair."""
    pair.class_indices(request)
    rule_named(request.rule)
    draft_length_named(request.draft_length)
    if request.gamma > len(pair.schedule):
        raise RequestError(
            f"gamma must be a whole number from 0 to {len(pair.schedule)}, the scales of {pair.name}, "
            f"found {request.gamma}."
        )


def _decode(pair: Pair, request: Request, clock: Clock, luck: Luck) -> Iterator[Event]:
    scales = len(pair.schedule)
    draft, target = (Reader(pair, model, request) for model in (pair.draft, pair.target))
    run = Run(pair, rule_named(request.rule), luck, draft, target, clock)
    choose = draft_length_named(request.draft_length).choose
    prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
    rounds: list[RoundEnd] = []
    while prefix.scales < scales:
        # The last scale is never drafted: the call that checks the others gives it for free.
        gamma = min(choose(request.gamma, rounds), scales - 1 - prefix.scales)
        prefix, end = yield from _round(run, prefix, len(rounds) + 1, gamma)
        rounds.append(end)


def _round(run: Run, prefix: Prefix, number: int, gamma: int) -> Generator[Event, None, tuple[Prefix, RoundEnd]]:
    start, draft_cache, target_cache = prefix.scales, run.draft.cache, run.target.cache
    proposals, supposed = yield from _draft(run, prefix, number, gamma)

    began = run.clock()
    answers = run.target.read(supposed.inputs, start + gamma + 1)
    yield TargetCall(number, number, start, start + gamma + 1, run.clock() - began)

    tokens = yield from _judge(run, start, number, proposals, answers)
    for entry in tokens:
        prefix = run.extended(prefix, entry)

    held = draft_cache.scales, target_cache.scales
    draft_cache.rollback(min(draft_cache.scales, prefix.scales))
    target_cache.rollback(prefix.scales)
    end = RoundEnd(
        round=number,
        gamma=gamma,
        committed=prefix.scales,
        discarded=max(0, start + gamma - prefix.scales),
        draft_cache=(held[0], draft_cache.scales),
        target_cache=(held[1], target_cache.scales),
    )
    yield end
    return prefix, end


def _draft(run: Run, prefix: Prefix, number: int, gamma: int) -> Generator[Event, None, tuple[list[Proposal], Prefix]]:
    """Guess gamma scales; returns the proposals and the prefix as it would be if all were kept."""
    proposals: list[Proposal] = []
    for scale in range(prefix.scales, prefix.scales + gamma):
        began, read_from = run.clock(), run.draft.cache.scales
        q = run.draft.read(prefix.inputs, scale + 1)[-1]
        seconds = run.clock() - began
        x = run.rule.propose(q, run.luck_of(scale))
        yield Drafted(number, scale, read_from, _ints(x), _floats(of_token(q, x)), _floats(entropy(q)), seconds)
        proposals.append(Proposal(x, q))
        prefix = run.extended(prefix, x)
    return proposals, prefix


def _judge(
    run: Run, start: int, number: int, proposals: list[Proposal], answers: list[Tensor]
) -> Generator[Event, None, list[Tensor]]:
    """Judge scale by scale until one does not pass; after a full pass the target draws the next scale itself."""
    committed: list[Tensor] = []
    for scale, (proposal, p) in enumerate(zip(proposals, answers), start):
        verdict = run.rule.judge(p, proposal.distribution, proposal.tokens, run.luck_of(scale))
        yield _judged(number, scale, proposal, p, verdict)
        committed.append(verdict.tokens)
        if not verdict.passed.all():
            return committed
    scale, p = start + len(proposals), answers[-1]
    tokens = run.rule.answer(p, run.luck_of(scale))
    yield Bonus(number, scale, _ints(tokens), _floats(of_token(p, tokens)), _floats(entropy(p)))
    return [*committed, tokens]


def _judged(number: int, scale: int, proposal: Proposal, p: Tensor, verdict: Verdict) -> Judged:
    q, x = proposal.distribution, proposal.tokens
    return Judged(
        round=number,
        scale=scale,
        drafted=_ints(x),
        tokens=_ints(verdict.tokens),
        kept=verdict.kept.cpu().numpy(),
        target_probability=_floats(of_token(p, x)),
        draft_probability=_floats(of_token(q, x)),
        standing_probability=_floats(of_token(p, verdict.tokens)),
        total_variation=_floats(total_variation(p, q)),
        entropy=_floats(entropy(p)),
        luck=_floats(verdict.luck),
        passed=verdict.passed.cpu().numpy(),
    )


def _ints(tokens: Tensor) -> np.ndarray:
    return tokens.cpu().numpy().astype(np.int32)


def _floats(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float32)


def trace_of(pair: Pair, request: Request, events: list[Event] | tuple[Event, ...]) -> Trace:
    """The trace of events that ``decode(pair, request)`` yielded; with pictures if the run has ended."""
    trace = Trace(pair.name, request, pair.schedule, pair.codes, tuple(events))
    if not trace.finished:
        return trace
    pictures = pair.render(trace.tokens)
    return Trace(pair.name, request, pair.schedule, pair.codes, trace.events, pictures)


def generate(pair: Pair, request: Request | None = None, *, clock: Clock = time.perf_counter, **settings) -> Trace:
    """Decode to the end and return the whole trace: ``generate(pair, label="volcano", seed=7, gamma=2)``.

    Give a Request or its fields as keywords, not both. Raises RequestError for settings that do not fit the pair.
    """
    request = request_from(settings) if request is None else request
    return trace_of(pair, request, list(decode(pair, request, clock))).check()


def request_from(settings: dict) -> Request:
    """A Request from keywords; RequestError for an unknown one."""
    unknown = sorted(set(settings) - set(Request.__dataclass_fields__))
    if unknown:
        raise RequestError(f"Unknown setting {unknown[0]!r}: a run has {', '.join(Request.__dataclass_fields__)}.")
    if isinstance(settings.get("label"), list):
        settings = settings | {"label": tuple(settings["label"])}
    return Request(**settings)
