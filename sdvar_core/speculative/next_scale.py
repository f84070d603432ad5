"""The public entrance to next-scale decoding: a request in, events or a whole trace out."""

import time
from collections.abc import Iterator, Sequence

from sdvar_core.errors import RequestError
from sdvar_core.phases import plan
from sdvar_core.randomness import Luck
from sdvar_core.request import Request
from sdvar_core.speculative.decoder import Clock, Decoder, Listener, nobody
from sdvar_core.speculative.draft_length import draft_length_named
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import rule_named
from sdvar_core.trace import Event, Trace


def decode(
    pair: Pair,
    request: Request,
    clock: Clock = time.perf_counter,
    luck: Luck | None = None,
    *,
    listener: Listener = nobody,
) -> Iterator[Event]:
    """Decode one batch of pictures, yielding every event as it happens.

    Raises RequestError before the first event if the request does not fit the pair. ``clock`` measures the seconds in
    the events and nothing else; ``luck`` stands in for the luck of the request's seeds. Batches commit the least
    progress of the batch in every round; each picture's tokens stay exact, since what is thrown away was decided by
    other pictures' luck. ``listener`` hears p and q of every event just before the event comes: what it does not keep
    is gone, and nothing that it does changes the run.
    """
    check_request(pair, request)
    decoder = Decoder(pair, request, clock, Luck(request.seeds) if luck is None else luck)
    decoder.listener = listener
    return decoder.events()


def check_request(pair: Pair, request: Request) -> None:
    """RequestError if the request does not fit the pair."""
    scales = len(pair.schedule)
    pair.class_indices(request)
    rule = rule_named(request.rule)
    rule.checked(dict(request.options))
    draft_length_named(request.draft_length)
    plan(request.phases, scales)
    if request.carry_over and not rule.sharing:
        raise RequestError(f"Rule {rule.name!r} cannot carry answers over: draft and target must share their luck.")
    if request.gamma > scales:
        raise RequestError(
            f"gamma must be a whole number from 0 to {scales}, the scales of {pair.name}, found {request.gamma}."
        )


def trace_of(pair: Pair, request: Request, events: Sequence[Event]) -> Trace:
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
