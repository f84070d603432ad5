"""Text traces as JSON files: lossless, versioned, and safe to read from a stranger."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from sdvar_core.text_events import TEXT_EVENT_KINDS, TextEvent
from sdvar_core.text_request import TextRequest
from sdvar_core.text_trace import TextTrace
from sdvar_core.trace_format import TraceFormat, plain

FORMAT = TraceFormat("sdvar-text-trace", 1, "a text trace", "a text trace", largest=64 * 2**20, constants=False)
_KIND_OF = {kind: name for name, kind in TEXT_EVENT_KINDS.items()}


def write_text_trace(trace: TextTrace, path: Path) -> None:
    """Write ``trace`` to ``path``."""
    path.write_text(dumps(trace), encoding="utf-8")


def read_text_trace(path: Path) -> TextTrace:
    """Read ``path``; TraceError with one sentence if it is not a whole, true trace of this version."""
    return loads(FORMAT.text_of(path), path.name)


def dumps(trace: TextTrace) -> str:
    """The trace as JSON text."""
    request = asdict(trace.request) | {"prompt": list(trace.prompt), "as_text": isinstance(trace.request.prompt, str)}
    if not trace.request.prompt:
        request["prompt"] = []
    events = [{"kind": _KIND_OF[type(event)]} | _encoded(event) for event in trace.events]
    record = {**FORMAT.header, "pair": trace.pair, "request": request, "events": events}
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def loads(text: str, name: str = "The trace") -> TextTrace:
    """A trace from JSON text; ``name`` stands in the errors."""
    return FORMAT.parsed(text, name, _decoded).check()


def _decoded(record: dict[str, Any]) -> TextTrace:
    settings = dict(record["request"])
    prompt = bytes(settings["prompt"])
    settings["prompt"] = prompt.decode("utf-8") if settings.pop("as_text") else prompt
    if not isinstance(record["pair"], str):
        raise TypeError
    events = tuple(_event(entry) for entry in record["events"])
    return TextTrace(record["pair"], TextRequest(**settings), events)


def _encoded(event: TextEvent) -> dict[str, Any]:
    return {field.name: _plain(getattr(event, field.name)) for field in fields(event)}


def _plain(value: Any) -> Any:
    """Arrays as lists behind the letter of their kind, what is not a number as null."""
    if not isinstance(value, np.ndarray):
        return value
    return [value.dtype.kind, *(None if entry != entry else entry for entry in value.tolist())]


def _event(entry: dict[str, Any]) -> TextEvent:
    kind = TEXT_EVENT_KINDS[entry["kind"]]
    return kind(**{field.name: _value(field.type, entry[field.name]) for field in fields(kind)})


def _value(wanted: Any, value: Any) -> Any:
    """A field's value of the type that the record wants; TypeError otherwise."""
    if wanted is np.ndarray:
        letter, *entries = value
        if letter == "i" and all(type(entry) is int for entry in entries):
            return np.array(entries, dtype=np.int32)
        if letter == "f" and all(entry is None or type(entry) is float for entry in entries):
            return np.array([np.nan if entry is None else entry for entry in entries], dtype=np.float32)
        raise TypeError
    if wanted is float:
        return value if type(value) is float else plain(int, value)
    return plain(wanted, value)
