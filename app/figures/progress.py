"""What stands on every scale after each event of a trace; the same story as app/stage/fold.js tells the browser."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sdvar_core import Bonus, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Trace, Unverified

PENDING, KEPT, CORRECTED, BONUS, THROWN, TOLERATED, UNVERIFIED = range(1, 8)
"""What became of a token; the numbers of fold.js."""

PROPOSED = Drafted | Carried
STANDING = Judged | Bonus | Unverified


@dataclass(frozen=True, eq=False)
class Scale:
    """One scale: the verdict of each of its tokens, and the event whose picture shows it."""

    verdicts: np.ndarray  # int8 (n², )
    event: int

    @property
    def pending(self) -> bool:
        """Whether it is guessed and not judged yet."""
        return bool((self.verdicts == PENDING).all())


@dataclass(frozen=True, eq=False)
class Moment:
    """After one event: what stands on each scale (None where nothing does), and what was counted so far.

    current: the scale that the event is about. picture: the event of the newest picture. calls: of the target.
    """

    index: int
    event: Event
    scales: tuple[Scale | None, ...]
    current: int | None
    picture: int | None
    calls: int


def moments(trace: Trace) -> Iterator[Moment]:
    """One moment an event, of picture 0 of the batch."""
    scales: list[Scale | None] = [None] * len(trace.schedule)
    now = Moment(-1, None, tuple(scales), None, None, 0)
    round_number = 0
    for index, event in enumerate(trace.events):
        if event.round != round_number:
            scales = [None if scale and scale.verdicts[0] == THROWN else scale for scale in scales]
            round_number = event.round
        current = event.scale if isinstance(event, PROPOSED | STANDING) else None
        if current is not None:
            scales[current] = Scale(verdicts(event), index)
        if isinstance(event, Judged) and not event.passed[0]:
            _throw_away(scales, event.scale + 1)
        if isinstance(event, RoundEnd):
            _throw_away(scales, event.committed)
        picture = now.picture if current is None else index
        calls = now.calls + isinstance(event, TargetCall)
        now = replace(
            now, index=index, event=event, scales=tuple(scales), current=current, picture=picture, calls=calls
        )
        yield now


def verdicts(event: Event) -> np.ndarray:
    """What an event says of each token of its scale: int8 (n²,)."""
    if not isinstance(event, Judged):
        told = BONUS if isinstance(event, Bonus) else UNVERIFIED if isinstance(event, Unverified) else PENDING
        return np.full(event.tokens.shape[1], told, np.int8)
    changed = event.tokens[0] != event.drafted[0]
    return np.where(changed, CORRECTED, np.where(event.kept[0], KEPT, TOLERATED)).astype(np.int8)


def _throw_away(scales: list[Scale | None], first: int) -> None:
    for number in range(first, len(scales)):
        scale = scales[number]
        if scale is not None and scale.pending:
            scales[number] = Scale(np.full_like(scale.verdicts, THROWN), scale.event)
