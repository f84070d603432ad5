"""The counters of a text run, kept event by event, so that a long run costs no more at its end than at its start."""

from dataclasses import dataclass, replace
from typing import TypedDict

from sdvar_core import BonusToken, ChildJudged, TextEvent, TreeCall, TreeCommit, TreeDrafted


class TreeCounters(TypedDict):
    """The numbers of the trace so far, this event included; milliseconds are wall-clock inside the models."""

    target_calls: int
    draft_calls: int
    written: int
    drafted: int
    accepted: int
    judged: int
    levels: int
    bonus: int
    call_reduction: float
    acceptance_rate: float
    mean_accepted_length: float
    mean_length_with_bonus: float
    draft_ms: float
    target_ms: float
    commit_ms: float


@dataclass(frozen=True)
class Tally:
    """The counts of a run so far."""

    target_calls: int = 0
    draft_calls: int = 0
    written: int = 0
    drafted: int = 0
    accepted: int = 0
    judged: int = 0
    levels: int = 0
    bonus: int = 0
    draft_seconds: float = 0.0
    target_seconds: float = 0.0
    commit_seconds: float = 0.0

    def after(self, event: TextEvent) -> "Tally":
        """The counts with one event more."""
        return replace(self, **{name: getattr(self, name) + more for name, more in _gains(event).items()})

    def counters(self) -> TreeCounters:
        """The counters; equal to the properties of the trace of the same events."""
        calls = self.target_calls or 1
        return TreeCounters(
            target_calls=self.target_calls,
            draft_calls=self.draft_calls,
            written=self.written,
            drafted=self.drafted,
            accepted=self.accepted,
            judged=self.judged,
            levels=self.levels,
            bonus=self.bonus,
            call_reduction=self.written / calls if self.target_calls else 1.0,
            acceptance_rate=self.accepted / self.drafted if self.drafted else 0.0,
            mean_accepted_length=self.accepted / calls if self.target_calls else 0.0,
            mean_length_with_bonus=(self.accepted + self.bonus) / calls if self.target_calls else 0.0,
            draft_ms=1000.0 * self.draft_seconds,
            target_ms=1000.0 * self.target_seconds,
            commit_ms=1000.0 * self.commit_seconds,
        )


def _gains(event: TextEvent) -> dict[str, float]:
    match event:
        case TreeDrafted():
            return {"drafted": event.drafted, "draft_calls": event.calls, "draft_seconds": event.seconds}
        case TreeCall():
            return {"target_calls": 1, "target_seconds": event.seconds}
        case ChildJudged():
            return {"judged": 1, "accepted": int(event.accepted)}
        case BonusToken():
            return {"bonus": 1}
        case TreeCommit():
            return {"written": len(event.tokens), "levels": event.depth, "commit_seconds": event.seconds}
    return {}
