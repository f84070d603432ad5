"""A run as the browser sees it: one header, then one small JSON frame an event, and a baseline at the end.

Frames are deltas: each holds what its event adds, and ``app/stage/fold.js`` folds them into states. Arrays are base64
of little-endian numbers, exactly as computed: tokens uint16, probabilities, divergences, entropies (nats) and uniforms
float32, verdicts one bit a token (most significant bit first). Pictures are WebP data URLs. Frames show picture 0 of a
batch. Scales count from 0 here and from 1 in ``sentence``.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal, NotRequired, TypedDict

import numpy as np
from PIL import Image

from app.choices import BrokenPart, broken_part, choices_of
from app.narration import comparison, sentence
from sdvar_core import (
    RULES,
    Bonus,
    Carried,
    Drafted,
    Event,
    Judged,
    Request,
    RoundEnd,
    Schedule,
    TargetCall,
    Trace,
    Unverified,
    Violation,
)

VERSION = 1
PICTURE_QUALITY = 90
DIFFERENCE_GAIN = 4

Array = str
"""Base64 of an array."""


class Header(TypedDict):
    """What stays the same through a run. settings: the request's fields, and the further choices that ask for it.
    exact: the rule is exact with these options, every scale is the target's to decide, and nothing is broken. opened:
    it comes from a trace file and cannot go on."""

    version: int
    run: str
    pair: str
    sides: list[int]
    codes: int
    label: str
    settings: dict
    exact: bool
    baseline_calls: int
    fault: BrokenPart | None
    opened: NotRequired[bool]


class Counters(TypedDict):
    """The numbers of the trace so far, this event included; milliseconds are wall-clock inside the models."""

    target_calls: int
    draft_calls: int
    committed: int
    call_reduction: float
    kept: int
    judged: int
    corrected: int
    tolerated: int
    drafted: int
    carried: int
    bonus: int
    unverified: int
    draft_ms: float
    target_ms: float
    decoder_ms: float


class Frame(TypedDict):
    """One event. ``index`` counts events from 0; the other keys depend on ``kind`` as in ``sdvar_core.trace``."""

    index: int
    kind: Literal["drafted", "carried", "target_call", "judged", "bonus", "unverified", "round_end", "violation"]
    round: int
    sentence: str
    counters: Counters
    picture: NotRequired[str]
    scale: NotRequired[int]
    read_from: NotRequired[int]
    number: NotRequired[int]
    start: NotRequired[int]
    stop: NotRequired[int]
    milliseconds: NotRequired[float]
    tokens: NotRequired[Array]
    drafted: NotRequired[Array]
    kept: NotRequired[Array]
    passed: NotRequired[bool]
    probability: NotRequired[Array]
    target_probability: NotRequired[Array]
    draft_probability: NotRequired[Array]
    standing_probability: NotRequired[Array]
    total_variation: NotRequired[Array]
    entropy: NotRequired[Array]
    luck: NotRequired[Array]
    gamma: NotRequired[int]
    committed: NotRequired[int]
    discarded: NotRequired[int]
    draft_cache: NotRequired[list[int]]
    target_cache: NotRequired[list[int]]
    invariant: NotRequired[str]


class Baseline(TypedDict):
    """The target-only run of the same luck; ``psnr`` is None where the pictures are equal.

    differences: for each scale how far the picture after it is from the exact one, as a grey picture,
    ``DIFFERENCE_GAIN`` times too bright; empty where all tokens are equal.
    sound: of a run with a fault, what the sound engine makes of the same request: tokens kept, judged, and unlike
    those of the target alone.
    """

    equal: bool
    differing: int
    total: int
    psnr: float | None
    milliseconds: list[float]
    sentence: str
    differences: list[str]
    gain: int
    sound: dict[str, int] | None


def header(
    run: str, pair: str, schedule: Schedule, codes: int, request: Request, label: str, fault: str | None = None
) -> Header:
    """The header of one run; ``label`` is the class name as a person reads it, ``fault`` a key of ``FAULTS``."""
    rule, unchecked = RULES.get(request.rule), any(phase.do == "draft" for phase in request.phases)
    exact = rule is not None and rule.exact_with(dict(request.options)) and not unchecked and fault is None
    return Header(
        version=VERSION,
        run=run,
        pair=pair,
        sides=list(schedule.sides),
        codes=codes,
        label=label,
        settings=asdict(request) | choices_of(request, fault, len(schedule)),
        exact=exact,
        baseline_calls=len(schedule),
        fault=broken_part(fault),
    )


def frame(trace: Trace, picture: np.ndarray | None, decoder_seconds: float) -> Frame:
    """The frame of the last event of ``trace``; ``picture`` is uint8 (height, width, 3), decoder_seconds a total."""
    event = trace.events[-1]
    result: Frame = {
        "index": len(trace.events) - 1,
        **_details(event),
        "round": event.round,
        "sentence": sentence(trace.events, trace.schedule),
        "counters": counters(trace, decoder_seconds),
    }
    if picture is not None:
        result["picture"] = picture_url(picture)
    return result


def counters(trace: Trace, decoder_seconds: float) -> Counters:
    """The counters of a trace."""
    return Counters(
        target_calls=trace.target_calls,
        draft_calls=trace.draft_calls,
        committed=trace.committed,
        call_reduction=trace.call_reduction,
        kept=trace.kept,
        judged=trace.judged,
        corrected=trace.corrected,
        tolerated=trace.tolerated,
        drafted=trace.drafted,
        carried=trace.carried,
        bonus=trace.bonus,
        unverified=trace.unverified,
        draft_ms=1000.0 * trace.draft_seconds,
        target_ms=1000.0 * trace.target_seconds,
        decoder_ms=1000.0 * decoder_seconds,
    )


def baseline(
    trace: Trace, alone: Trace, sound: Trace | None = None, after: Sequence[tuple[np.ndarray, np.ndarray]] = ()
) -> Baseline:
    """How a finished run compares with the target-only run ``alone``, and with the ``sound`` run of its request.

    after: for each scale the picture after it in the run and in ``alone``, uint8 (height, width, 3).
    """
    differing = trace.differing_tokens(alone)
    error = float(np.mean((trace.pictures.astype(np.float64) - alone.pictures.astype(np.float64)) ** 2))
    return Baseline(
        equal=differing == 0,
        differing=differing,
        total=trace.schedule.total,
        psnr=10.0 * float(np.log10(255.0**2 / error)) if error else None,
        milliseconds=[1000.0 * event.seconds for event in alone.of(TargetCall)],
        sentence=comparison(trace, alone),
        differences=[picture_url(difference(*pictures)) for pictures in after],
        gain=DIFFERENCE_GAIN,
        sound=sound and {"kept": sound.kept, "judged": sound.judged, "differing": sound.differing_tokens(alone)},
    )


def difference(picture: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The largest difference of a pixel's three colours, times ``DIFFERENCE_GAIN``, as grey: uint8, same shape."""
    far = np.abs(picture.astype(np.int16) - exact.astype(np.int16)).max(axis=-1, keepdims=True)
    return np.repeat((DIFFERENCE_GAIN * far).clip(0, 255).astype(np.uint8), 3, axis=-1)


def picture_url(picture: np.ndarray) -> str:
    """A picture, uint8 (height, width, 3), as a WebP data URL."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=PICTURE_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _details(event: Event) -> dict:
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


def _tokens(tokens: np.ndarray) -> Array:
    return _encode(tokens[0].astype("<u2"))


def _numbers(values: np.ndarray) -> Array:
    return _encode(values[0].astype("<f4"))


def _encode(array: np.ndarray) -> Array:
    return base64.b64encode(array.tobytes()).decode("ascii")
