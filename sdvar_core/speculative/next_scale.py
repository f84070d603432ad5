"""The public entrance to next-scale decoding: a request in, events or a whole trace out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sdvar_core.errors import RequestError
from sdvar_core.phases import plan
from sdvar_core.randomness import Luck
from sdvar_core.request import Fork, Request
from sdvar_core.speculative.clock import Clock, clock_of, synchronised_clock
from sdvar_core.speculative.costs import Costs
from sdvar_core.speculative.decoder import Listener, nobody
from sdvar_core.speculative.draft_length import draft_length_named
from sdvar_core.speculative.faults import NO_FAULT, fault_named
from sdvar_core.speculative.invariants import Watching, invariants_for
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import RULES, rule_named
from sdvar_core.speculative.watch import WatchedLuck, watched
from sdvar_core.trace import Drafted, Event, TargetCall, Trace, Violation


def decode(
    pair: Pair,
    request: Request,
    clock: Clock | None = None,
    luck: Luck | None = None,
    *,
    costs: Costs | None = None,
    fault: str | None = None,
    watch: Watching = "cheap",
    listener: Listener = nobody,
) -> Iterator[Event]:
    """Decode one batch of pictures, yielding every event as it happens.

    Raises RequestError before the first event if the request does not fit the pair, and at a fork of the request that
    the run cannot take: after its end, or to overturn a verdict where none is. ``clock`` measures the seconds in
    the events, by default waiting for the device. ``costs`` are what forwards cost where a draft-length controller asks
    (``cost_model``). Without them they are measured, so that such a run repeats itself only under the same clock; with
    them it always does. ``luck`` stands in for the luck of the request's seeds. Batches commit the least progress of
    the batch in every round; each picture's tokens stay exact, since what is thrown away was decided by other pictures'
    luck.
    ``fault`` breaks one part of this run on purpose, a key of ``FAULTS``; it is no part of the request, for a request
    is what a person wants of a sound engine, and equal requests give equal pictures. ``watch`` says which of
    ``INVARIANTS`` look on, "cheap", "all" or "none"; what they find is a Violation among the events.
    ``listener`` hears p and q of every event just before the event comes: what it does not keep is gone, and nothing
    that it does changes the run.
    """
    check_request(pair, request)
    if costs is not None and len(costs.target) != len(pair.schedule):
        raise RequestError(f"{pair.name} has {len(pair.schedule)} scales, the costs given have {len(costs.target)}.")
    clock = synchronised_clock(pair.device) if clock is None else clock
    mistake = NO_FAULT if fault is None else fault_named(fault)
    invariants = invariants_for(watch)
    plain_luck = mistake.luck(Luck(request.seeds, pair.judging_device) if luck is None else luck)
    watched_luck = WatchedLuck(plain_luck) if invariants else plain_luck
    decoder = mistake.decoder(mistake.broken(pair), request, clock, watched_luck, costs)
    decoder.listener = listener
    return watched(decoder, pair, watched_luck, invariants) if invariants else decoder.events()


def check_request(pair: Pair, request: Request) -> None:
    """RequestError if the request does not fit the pair."""
    scales = len(pair.schedule)
    pair.class_indices(request)
    draft_length_named(request.draft_length)
    plan(request.phases, scales)
    for part in request.parts:
        rule = rule_named(part.rule)
        rule.checked(dict(part.options))
        if part.carry_over and not rule.sharing:
            raise RequestError(f"Rule {rule.name!r} cannot carry answers over: draft and target must share their luck.")
        if part.gamma > scales:
            raise RequestError(
                f"gamma must be a whole number from 0 to {scales}, the scales of {pair.name}, found {part.gamma}."
            )


def is_exact(request: Request) -> bool:
    """Whether a sound run of the request has the target's law: every rule in it is exact with its options, the target
    decides every scale, and no verdict was overturned by hand. False for a rule that is not known."""
    ruled = all(part.rule in RULES and RULES[part.rule].exact_with(dict(part.options)) for part in request.parts)
    by_hand = any(fork.token is not None for fork in request.forks)
    return ruled and not by_hand and all(phase.do != "draft" for phase in request.phases)


def fork(
    pair: Pair,
    trace: Trace,
    change: Fork,
    *,
    fault: str | None = None,
    watch: Watching = "cheap",
    listener: Listener = nobody,
) -> Iterator[Event]:
    """Run a trace again and on from one of its events with another choice: yields all events, those that stay too.

    Those before the fork are bit for bit those of ``trace``, their measured seconds included; so are all others, but
    for their seconds, if nothing is changed. ``fault`` must be that of the trace. RequestError as in ``decode``.
    """
    stay = [event for event in trace.events if not isinstance(event, Violation)][: change.event]
    seconds = [event.seconds for event in stay if isinstance(event, Drafted | TargetCall)]
    clock = clock_of(seconds, synchronised_clock(pair.device))
    return decode(pair, forked(trace.request, change), clock, fault=fault, watch=watch, listener=listener)


def forked(request: Request, change: Fork) -> Request:
    """The request of a run that leaves the run of ``request`` at a fork; what that run forked later is undone."""
    return replace(request, forks=(*(one for one in request.forks if one.event <= change.event), change))


def trace_of(pair: Pair, request: Request, events: Sequence[Event]) -> Trace:
    """The trace of events that ``decode(pair, request)`` yielded; with pictures if the run has ended."""
    trace = Trace(pair.name, request, pair.schedule, pair.codes, tuple(events))
    if not trace.finished:
        return trace
    pictures = pair.render(trace.tokens)
    return Trace(pair.name, request, pair.schedule, pair.codes, trace.events, pictures)


def generate(
    pair: Pair,
    request: Request | None = None,
    *,
    clock: Clock | None = None,
    fault: str | None = None,
    watch: Watching = "cheap",
    **settings,
) -> Trace:
    """Decode to the end and return the whole trace: ``generate(pair, label="volcano", seed=7, gamma=2)``.

    Give a Request or its fields as keywords, not both. ``fault`` and ``watch`` as in ``decode``.
    Raises RequestError for settings that do not fit the pair.
    """
    request = request_from(settings) if request is None else request
    return trace_of(pair, request, list(decode(pair, request, clock, fault=fault, watch=watch))).check()


def request_from(settings: dict) -> Request:
    """A Request from keywords; RequestError for an unknown one."""
    unknown = sorted(set(settings) - set(Request.__dataclass_fields__))
    if unknown:
        raise RequestError(f"Unknown setting {unknown[0]!r}: a run has {', '.join(Request.__dataclass_fields__)}.")
    if isinstance(settings.get("label"), list):
        settings = settings | {"label": tuple(settings["label"])}
    return Request(**settings)
