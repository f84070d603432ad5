"""Traces as JSON files: lossless, versioned, and safe to read from a stranger (nothing is ever unpickled)."""

import base64
import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from sdvar_core.errors import TraceError
from sdvar_core.events import EVENT_KINDS, Event
from sdvar_core.phases import Phase
from sdvar_core.request import MOST_PICTURES, Request
from sdvar_core.scales import schedule_of
from sdvar_core.trace import Trace
from sdvar_core.trace_format import TraceFormat, plain

FORMAT = TraceFormat("sdvar-trace", 1, "a trace", "a trace file", largest=256 * 2**20, constants=True)
LARGEST_ARRAY = 64 * 2**20  # bytes
LONGEST_FORWARD = 86_400.0  # seconds
LARGEST_TRACE = 128 * 2**20  # bytes of all its arrays together
MOST_TOKENS = 65_536  # of a schedule
MOST_SCALES = 64  # of a schedule; growing sides reach MOST_TOKENS before
_KIND_OF = {kind: name for name, kind in EVENT_KINDS.items()}
_DTYPES = {"int32", "float32", "bool", "uint8"}


def write_trace(trace: Trace, path: Path) -> None:
    """Write ``trace`` to ``path``."""
    path.write_text(dumps(trace), encoding="utf-8")


def read_trace(path: Path) -> Trace:
    """Read ``path``; TraceError with one sentence if it is not a whole, true trace of this version."""
    return loads(FORMAT.text_of(path), path.name)


def dumps(trace: Trace) -> str:
    """The trace as JSON text."""
    return json.dumps(
        {
            **FORMAT.header,
            "pair": trace.pair,
            "request": asdict(trace.request),
            "sides": trace.schedule.sides,
            "codes": trace.codes,
            "events": [{"kind": _KIND_OF[type(event)]} | _encoded(event) for event in trace.events],
            "pictures": None if trace.pictures is None else _encode_array(trace.pictures),
        },
        separators=(",", ":"),
    )


def loads(text: str, name: str = "The trace") -> Trace:
    """A trace from JSON text; ``name`` stands in the errors."""
    return FORMAT.parsed(text, name, _decoded).check()


def _decoded(record: dict[str, Any]) -> Trace:
    settings = dict(record["request"])
    if isinstance(settings.get("label"), list):
        settings["label"] = tuple(settings["label"])
    settings["phases"] = tuple(Phase(**phase) for phase in settings["phases"])
    request = Request(**settings)
    if len(record["sides"]) > MOST_SCALES:
        raise TraceError(f"A schedule of {len(record['sides'])} scales is longer than any of SDVAR.")
    schedule = schedule_of(record["sides"])
    if schedule.total > MOST_TOKENS:
        raise TraceError(f"A schedule of {schedule.total} tokens is larger than any picture of SDVAR.")
    codes, pair, pictures = record["codes"], record["pair"], record["pictures"]
    if type(codes) is not int or not isinstance(pair, str):
        raise TypeError
    arrays = [value for entry in record["events"] for value in entry.values() if isinstance(value, dict)]
    if sum(_shape(entry)[2] for entry in [*arrays, *([] if pictures is None else [pictures])]) > LARGEST_TRACE:
        raise TraceError(f"The arrays of the trace are larger than {LARGEST_TRACE >> 20} MiB together.")
    pictures = None if pictures is None else _decode_array(pictures)
    if pictures is not None and (pictures.ndim != 4 or pictures.dtype != np.uint8 or len(pictures) > MOST_PICTURES):
        raise TypeError
    return Trace(pair, request, schedule, codes, tuple(_event(entry) for entry in record["events"]), pictures)


def _encoded(event: Event) -> dict[str, Any]:
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: _encode_array(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _event(entry: dict[str, Any]) -> Event:
    kind = EVENT_KINDS[entry["kind"]]
    return kind(**{field.name: _value(field.type, entry[field.name]) for field in fields(kind)})


def _value(wanted: Any, value: Any) -> Any:
    """A field's value of the type that the record wants; TypeError otherwise."""
    if wanted is np.ndarray:
        return _decode_array(value)
    return _seconds(value) if wanted is float else plain(wanted, value)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0.0 <= seconds <= LONGEST_FORWARD:
        raise TraceError(f"A forward of {seconds:g} seconds cannot be.")
    return seconds


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {"dtype": array.dtype.name, "shape": array.shape, "zlib": base64.b64encode(packed).decode("ascii")}


def _shape(entry: dict[str, Any]) -> tuple[np.dtype, tuple[int, ...], int]:
    """What an array announces of itself: its dtype, its shape and its bytes."""
    if entry["dtype"] not in _DTYPES:
        raise TypeError
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    if any(type(side) is not int or side < 0 for side in shape) or len(shape) > 4:
        raise TypeError
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size > LARGEST_ARRAY:
        raise TraceError("An array of the trace is larger than any that SDVAR holds.")
    return dtype, shape, size


def _decode_array(entry: dict[str, Any]) -> np.ndarray:
    dtype, shape, size = _shape(entry)
    # Never inflate more than the shape announces: a small file must not become a large array.
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(entry["zlib"], validate=True), size + 1)
    if len(data) != size:
        raise TraceError(f"An array of shape {shape} holds {len(data)} bytes or more, expected {size}.")
    return np.frombuffer(data, dtype=dtype).reshape(shape)
