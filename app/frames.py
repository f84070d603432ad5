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
from app.encoded import details
from app.narration import comparison, fork_sentence, sentence
from sdvar_core import RULES, Judged, Request, Schedule, TargetCall, Trace, Violation, is_exact

VERSION = 2
PICTURE_QUALITY = 90
DIFFERENCE_GAIN = 4

Array = str
"""Base64 of an array."""


class Header(TypedDict):
    """What stays the same through a run. settings: the request's fields, and the further choices that ask for it.
    exact: every rule is exact with its options, every scale is the target's to decide, nothing was overturned by hand,
    and nothing is broken. opened: it comes from a trace file and cannot go on."""

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


class Forked(TypedDict):
    """What a person chose otherwise from an event on. rule: who judges from there on. by_hand: the tokens of the scale
    judged there whose verdict was turned round."""

    sentence: str
    rule: str
    by_hand: list[int]


class Frame(TypedDict):
    """One event. ``index`` counts events from 0; the other keys depend on ``kind`` as in ``sdvar_core.trace``."""

    index: int
    kind: Literal["drafted", "carried", "target_call", "judged", "bonus", "unverified", "round_end", "violation"]
    round: int
    sentence: str
    counters: Counters
    fork: NotRequired[Forked]
    picture: NotRequired[str]
    unpainted: NotRequired[bool]
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
    return Header(
        version=VERSION,
        run=run,
        pair=pair,
        sides=list(schedule.sides),
        codes=codes,
        label=label,
        settings=asdict(request) | choices_of(request, fault, len(schedule)),
        exact=is_exact(request) and fault is None,
        baseline_calls=len(schedule),
        fault=broken_part(fault),
    )


def frame(trace: Trace, picture: np.ndarray | None, decoder_seconds: float, has_picture: bool = False) -> Frame:
    """The frame of the last event of ``trace``; ``picture`` is uint8 (height, width, 3), decoder_seconds a total.

    has_picture: it can be had; where it is not given the frame is ``unpainted`` and may be asked for, see ``painted``.
    """
    event = trace.events[-1]
    result: Frame = {
        "index": len(trace.events) - 1,
        **details(event),
        "round": event.round,
        "sentence": sentence(trace.events, trace.request, trace.schedule),
        "counters": counters(trace, decoder_seconds),
    }
    told = forked(trace)
    if told is not None:
        result["fork"] = told
    if picture is not None:
        result["picture"] = picture_url(picture)
    elif has_picture:
        result["unpainted"] = True
    return result


def painted(frame: Frame, picture: np.ndarray) -> Frame:
    """The frame with the picture that it lacked, uint8 (height, width, 3)."""
    return Frame(**{name: value for name, value in frame.items() if name != "unpainted"}, picture=picture_url(picture))


def forked(trace: Trace) -> Forked | None:
    """What the last event of ``trace`` begins to do otherwise; None if the run does not fork there."""
    number = sum(not isinstance(event, Violation) for event in trace.events) - 1
    forks = [fork for fork in trace.request.forks if fork.event == number]
    if not forks or isinstance(trace.events[-1], Violation):
        return None
    rule, event = trace.request.at(number).rule, trace.events[-1]
    by_hand = [fork.token for fork in forks if fork.token is not None]
    if by_hand and isinstance(event, Judged) and rule in RULES and RULES[rule].whole:
        by_hand = list(range(event.tokens.shape[1]))
    return Forked(sentence=fork_sentence(trace.events, forks), rule=rule, by_hand=by_hand)


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
