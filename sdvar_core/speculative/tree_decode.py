"""The public entrance to tree decoding of text: a request in, events or a whole trace out."""

import time
from collections.abc import Iterator, Sequence

from sdvar_core.errors import RequestError
from sdvar_core.randomness import TextLuck
from sdvar_core.speculative.text_pair import TextPair
from sdvar_core.speculative.tree_decoder import Clock
from sdvar_core.speculative.tree_faults import NO_TREE_FAULT, tree_fault_named
from sdvar_core.speculative.tree_invariants import Watching, tree_invariants_for, watched
from sdvar_core.text_events import TextEvent
from sdvar_core.text_request import TextRequest
from sdvar_core.text_trace import TextTrace


def decode_text(
    pair: TextPair,
    request: TextRequest,
    clock: Clock = time.perf_counter,
    luck: TextLuck | None = None,
    *,
    fault: str | None = None,
    watch: Watching = "cheap",
) -> Iterator[TextEvent]:
    """Continue one prompt, yielding every event as it happens.

    Raises RequestError before the first event if the request does not fit the pair. ``clock`` measures the seconds in
    the events and nothing else; ``luck`` stands in for the luck of the request's seed. ``fault`` breaks one part of
    this run on purpose, a key of ``TREE_FAULTS``. ``watch`` says which of ``TREE_INVARIANTS`` look on, "cheap", "all"
    or "none"; what they find is a Violation among the events.
    """
    _check_kind(pair)
    pair.check(request)
    mistake = NO_TREE_FAULT if fault is None else tree_fault_named(fault)
    invariants = tree_invariants_for(watch)
    luck = TextLuck(request.seed) if luck is None else luck
    decoder = mistake.decoder(mistake.broken(pair), request, clock, luck)
    return watched(decoder, pair, request, invariants) if invariants else decoder.events()


def text_trace_of(pair: TextPair, request: TextRequest, events: Sequence[TextEvent]) -> TextTrace:
    """The trace of events that ``decode_text(pair, request)`` yielded."""
    return TextTrace(pair.name, request, tuple(events))


def generate_text(
    pair: TextPair,
    request: TextRequest | None = None,
    *,
    clock: Clock = time.perf_counter,
    fault: str | None = None,
    watch: Watching = "cheap",
    **settings,
) -> TextTrace:
    """Decode to the end and return the whole trace: ``generate_text(pair, prompt="def main(", topk=4, steps=2)``.

    Give a TextRequest or its fields as keywords, not both. ``fault`` and ``watch`` as in ``decode_text``.
    Raises RequestError for settings that do not fit the pair.
    """
    if request is not None and settings:
        raise RequestError("Give a TextRequest or its settings as keywords, not both.")
    request = text_request_from(settings) if request is None else request
    return text_trace_of(pair, request, list(decode_text(pair, request, clock, fault=fault, watch=watch))).check()


def text_request_from(settings: dict) -> TextRequest:
    """A TextRequest from keywords; RequestError for an unknown one."""
    unknown = sorted(set(settings) - set(TextRequest.__dataclass_fields__))
    if unknown:
        raise RequestError(
            f"Unknown setting {unknown[0]!r}: a text run has {', '.join(TextRequest.__dataclass_fields__)}."
        )
    return TextRequest(**settings)


def _check_kind(pair: object) -> None:
    if not isinstance(pair, TextPair):
        name = getattr(pair, "name", type(pair).__name__)
        raise RequestError(f"The pair {name!r} paints pictures; text needs a text pair such as python-bytes.")
