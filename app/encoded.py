"""The events of a run as plain values that JSON can hold; app/frames.py says what each key is."""

import base64

import numpy as np

from sdvar_core import Bonus, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Unverified, Violation


def details(event: Event) -> dict:
    """The keys of a frame that its event alone decides."""
    match event:
        case Drafted():
            return {
                "kind": "drafted",
                "scale": event.scale,
                "read_from": event.read_from,
                "tokens": _tokens(event.tokens),
                "probability": _numbers(event.probability),
                "entropy": _numbers(event.entropy),
                "milliseconds": 1000.0 * event.seconds,
            }
        case TargetCall():
            return {
                "kind": "target_call",
                "number": event.number,
                "read_from": event.read_from,
                "start": event.start,
                "stop": event.stop,
                "milliseconds": 1000.0 * event.seconds,
            }
        case Carried() | Unverified():
            kind = "carried" if isinstance(event, Carried) else "unverified"
            return {"kind": kind, "scale": event.scale, "tokens": _tokens(event.tokens)}
        case Judged():
            return _judged(event)
        case Bonus():
            return {
                "kind": "bonus",
                "scale": event.scale,
                "tokens": _tokens(event.tokens),
                "probability": _numbers(event.probability),
                "entropy": _numbers(event.entropy),
            }
        case RoundEnd():
            return {
                "kind": "round_end",
                "gamma": event.gamma,
                "committed": event.committed,
                "discarded": event.discarded,
                "draft_cache": list(event.draft_cache),
                "target_cache": list(event.target_cache),
            }
        case Violation():
            return {"kind": "violation", "invariant": event.invariant}


def _judged(event: Judged) -> dict:
    return {
        "kind": "judged",
        "scale": event.scale,
        "drafted": _tokens(event.drafted),
        "tokens": _tokens(event.tokens),
        "kept": _encode(np.packbits(event.kept[0])),
        "passed": bool(event.passed[0]),
        "target_probability": _numbers(event.target_probability),
        "draft_probability": _numbers(event.draft_probability),
        "standing_probability": _numbers(event.standing_probability),
        "total_variation": _numbers(event.total_variation),
        "entropy": _numbers(event.entropy),
        "luck": _numbers(event.luck),
    }


def _tokens(tokens: np.ndarray) -> str:
    return _encode(tokens[0].astype("<u2"))


def _numbers(values: np.ndarray) -> str:
    return _encode(values[0].astype("<f4"))


def _encode(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
