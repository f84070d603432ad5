"""Traces as JSON files: lossless, versioned, and safe to read from a stranger (nothing is ever unpickled)."""

import base64
import binascii
import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from sdvar_core.errors import SDVARError, TraceError
from sdvar_core.phases import Phase
from sdvar_core.request import MOST_PICTURES, Request
from sdvar_core.scales import schedule_of
from sdvar_core.trace import EVENT_KINDS, Event, Trace

FORMAT, VERSION = "sdvar-trace", 1
LARGEST_FILE = 256 * 2**20  # bytes
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
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise TraceError(f"{path.name} is larger than {LARGEST_FILE >> 20} MiB, too large for a trace.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TraceError(f"Cannot read {path.name}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path.name} is not a trace file: it is not text.") from error
    return loads(text, path.name)


def dumps(trace: Trace) -> str:
    """The trace as JSON text."""
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
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
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: malformed, or a number of thousands of digits
        raise TraceError(f"{name} is not a whole trace file: its JSON breaks off or is malformed.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise TraceError(f"{name} is not a trace file of SDVAR.")
    version = record.get("version")
    if version != VERSION:
        found = version if type(version) is int and 0 <= version < 10**6 else "of another kind"
        raise TraceError(f"{name} has trace version {found}, this program reads version {VERSION}: update it.")
    try:
        trace = _decoded(record)
    except TraceError:
        raise
    except SDVARError as error:
        raise TraceError(f"{name} holds settings that cannot be: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, zlib.error, binascii.Error) as error:
        raise TraceError(f"{name} is damaged: an entry is missing or malformed.") from error
    return trace.check()


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
    values = {}
    for field in fields(kind):
        value = entry[field.name]
        if field.type is np.ndarray:
            value = _decode_array(value)
        elif field.type is int:
            if type(value) is not int:
                raise TypeError
        elif field.type is str:
            if not isinstance(value, str):
                raise TypeError
        elif field.type is float:
            value = _seconds(value)
        else:
            first, second = value
            if type(first) is not int or type(second) is not int:
                raise TypeError
            value = (first, second)
        values[field.name] = value
    return kind(**values)


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
