"""A text run as the browser sees it: one header, then one small JSON frame an event, and a baseline at the end.

Frames are deltas, which ``app/stage/tree/fold.js`` folds into states. Arrays are base64 of little-endian numbers,
exactly as computed: tokens uint8, nodes int16 (−1: no parent), probabilities, scores (log q), entropies (nats) and
norms float32. Nodes and positions count from 0 here.
"""

import base64
from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

import numpy as np

from app.choices import BrokenPart
from app.tree.choices import broken_tree_part, choices_of_text
from app.tree.narration import told
from app.tree.tally import Tally, TreeCounters
from sdvar_core import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextEvent,
    TextRequest,
    TextTrace,
    TreeCall,
    TreeCommit,
    TreeDrafted,
    Violation,
)

VERSION = 1
LONGEST_LABEL = 24  # characters of the prompt

Array = str
"""Base64 of an array."""


class TreeHeader(TypedDict):
    """What stays the same through a run. prompt: its bytes. settings: the request's fields, nodes = 0 for all.
    window: inputs of the short convolution. exact: nothing is broken, for both ways of judging children are exact.
    opened: it comes from a trace file and cannot go on."""

    version: int
    run: str
    pair: str
    label: str
    prompt: Array
    window: int
    settings: dict
    exact: bool
    baseline_calls: int
    fault: BrokenPart | None
    opened: NotRequired[bool]


class TreeFrame(TypedDict):
    """One event. ``index`` counts events from 0; the other keys depend on ``kind`` as in the core's text events.

    norms: of the target's recurrent state, (layer,) of the committed one, or (node, layer) after each node.
    """

    index: int
    kind: Literal["prompt_read", "tree_drafted", "tree_call", "child_judged", "bonus_token", "tree_commit", "violation"]
    round: int
    sentence: str
    counters: TreeCounters
    milliseconds: NotRequired[float]
    tokens: NotRequired[Array]
    parents: NotRequired[Array]
    scores: NotRequired[Array]
    probability: NotRequired[Array | float]
    entropy: NotRequired[Array]
    likeliest: NotRequired[Array]
    path: NotRequired[Array]
    norms: NotRequired[Array]
    calls: NotRequired[int]
    steps: NotRequired[int]
    number: NotRequired[int]
    states: NotRequired[int]
    node: NotRequired[int]
    parent: NotRequired[int]
    position: NotRequired[int]
    token: NotRequired[int]
    accepted: NotRequired[bool]
    chance: NotRequired[float]
    target_probability: NotRequired[float]
    draft_probability: NotRequired[float]
    luck: NotRequired[float]
    text: NotRequired[int]
    state: NotRequired[list[int]]
    rolled_back: NotRequired[int]
    invariant: NotRequired[str]


class TreeBaseline(TypedDict):
    """The target alone on the same request, decoded byte by byte. comparable: at temperature 0 the texts must agree;
    otherwise they are two draws of one law. differs: the first byte that is not the same, or None. sound: of a run
    with a fault, what the sound engine makes of the same request: accepted, drafted, and its first differing byte."""

    comparable: bool
    differs: int | None
    milliseconds: list[float]
    sentence: str
    sound: dict | None


def tree_header(run: str, pair: str, request: TextRequest, window: int, fault: str | None = None) -> TreeHeader:
    """The header of one run."""
    settings = choices_of_text(request, fault)
    return TreeHeader(
        version=VERSION,
        run=run,
        pair=pair,
        label=" ".join(settings["prompt"].split())[:LONGEST_LABEL] or "empty prompt",
        prompt=encoded(request.prompt_bytes),
        window=window,
        settings=settings,
        exact=fault is None,
        baseline_calls=request.length,
        fault=broken_tree_part(fault),
    )


def tree_frame(
    index: int, recent: Sequence[TextEvent], request: TextRequest, tally: Tally, norms: np.ndarray | None = None
) -> TreeFrame:
    """The frame of the last of ``recent``, the run's event of that index; the others are of its round at least.

    tally: with this event. norms: float32, see ``TreeFrame``, or None where the models keep no such state.
    """
    event = recent[-1]
    result: TreeFrame = {
        "index": index,
        **_details(event),
        "round": getattr(event, "round", 0),
        "sentence": told(recent, request),
        "counters": tally.counters(),
    }
    if norms is not None:
        result["norms"] = encoded(np.asarray(norms, "<f4").tobytes())
    return result


def tree_baseline(trace: TextTrace, alone: TextTrace, sound: TextTrace | None = None) -> TreeBaseline:
    """How a finished run compares with the target alone, and with the ``sound`` run of its request."""
    return TreeBaseline(
        comparable=trace.request.greedy,
        differs=first_difference(trace.written, alone.written),
        milliseconds=[1000.0 * event.seconds for event in alone.of(TreeCall)],
        sentence=_comparison(trace, alone),
        sound=sound
        and {
            "accepted": sound.accepted,
            "drafted": sound.drafted,
            "differs": first_difference(trace.written, sound.written),
        },
    )


def first_difference(one: bytes, other: bytes) -> int | None:
    """The first place at which two texts are unlike, the shorter one's end included; None where they are equal."""
    for place, (first, second) in enumerate(zip(one, other)):
        if first != second:
            return place
    return None if len(one) == len(other) else min(len(one), len(other))


def _comparison(trace: TextTrace, alone: TextTrace) -> str:
    """What the finished run cost in time beside the target alone, said plainly; empty if the target was alone."""
    if not trace.draft_calls:
        return ""
    together = trace.draft_seconds + trace.target_seconds + trace.commit_seconds
    single = alone.target_seconds + alone.commit_seconds
    verdict = "fewer calls, and less time" if together < single else "on this computer fewer calls are not less time"
    if trace.target_calls >= len(trace.written):
        verdict = "no call was saved"
    return f"Models ran {1000 * together:.0f} ms, the target alone {1000 * single:.0f} ms: {verdict}."


def _details(event: TextEvent) -> dict:
    match event:
        case PromptRead():
            return {"kind": "prompt_read", "tokens": _tokens(event.tokens), "milliseconds": 1000.0 * event.seconds}
        case TreeDrafted():
            return {
                "kind": "tree_drafted",
                "steps": event.steps,
                "tokens": _tokens(event.tokens),
                "parents": _nodes(event.parents),
                "scores": _numbers(event.scores),
                "probability": _numbers(event.probability),
                "calls": event.calls,
                "milliseconds": 1000.0 * event.seconds,
            }
        case TreeCall():
            return {
                "kind": "tree_call",
                "number": event.number,
                "probability": _numbers(event.probability),
                "entropy": _numbers(event.entropy),
                "likeliest": _tokens(event.likeliest),
                "states": event.states,
                "milliseconds": 1000.0 * event.seconds,
            }
        case ChildJudged():
            names = ("node", "parent", "position", "token", "accepted", "chance", "target_probability")
            return {"kind": "child_judged"} | {
                name: getattr(event, name) for name in (*names, "draft_probability", "luck")
            }
        case BonusToken():
            names = ("node", "position", "token", "probability")
            return {"kind": "bonus_token"} | {name: getattr(event, name) for name in names}
        case TreeCommit():
            return {
                "kind": "tree_commit",
                "path": _nodes(event.path),
                "tokens": _tokens(event.tokens),
                "text": event.text,
                "state": list(event.state),
                "rolled_back": event.rolled_back,
                "milliseconds": 1000.0 * event.seconds,
            }
        case Violation():
            return {"kind": "violation", "invariant": event.invariant}


def encoded(data: bytes) -> Array:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def _tokens(tokens: np.ndarray) -> Array:
    return encoded(tokens.astype(np.uint8).tobytes())


def _nodes(nodes: np.ndarray) -> Array:
    return encoded(nodes.astype("<i2").tobytes())


def _numbers(values: np.ndarray) -> Array:
    return encoded(values.astype("<f4").tobytes())
