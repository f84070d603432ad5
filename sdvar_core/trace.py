"""The trace of a run: the request, the schedule and the list of events, and the numbers shown to people.

Every number on the page, in the bench and in the tests is a property of it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import UnionType

import numpy as np

from sdvar_core.events import (
    SETTLING,
    Bonus,
    Carried,
    Drafted,
    Event,
    Judged,
    RoundEnd,
    TargetCall,
    Unverified,
    Violation,
    same_event,
)
from sdvar_core.request import Request
from sdvar_core.scales import Schedule


@dataclass(frozen=True, eq=False)
class Trace:
    """A whole run, or the part of it that has happened so far.

    pair: name of the pair of models. codes: size of the codebook. pictures: uint8 (batch, height, width, 3), or None
    while the run has not ended.
    """

    pair: str
    request: Request
    schedule: Schedule
    codes: int
    events: tuple[Event, ...]
    pictures: np.ndarray | None = None

    def of(self, kind: type | UnionType) -> list:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def committed(self) -> int:
        """Scales that are final."""
        rounds = self.of(RoundEnd)
        return rounds[-1].committed if rounds else 0

    @property
    def finished(self) -> bool:
        """Whether every scale is final."""
        return self.committed == len(self.schedule)

    @cached_property
    def tokens(self) -> list[np.ndarray]:
        """The committed tokens: one int32 array (batch, n²) a scale."""
        return [event.tokens for event in self.of(SETTLING)[: self.committed]]

    # The numbers of design section 4, each defined here and nowhere else.

    @property
    def target_calls(self) -> int:
        """Forwards of the target."""
        return len(self.of(TargetCall))

    @property
    def draft_calls(self) -> int:
        """Forwards of the draft."""
        return len(self.of(Drafted))

    @property
    def baseline_calls(self) -> int:
        """Forwards of the target when it decodes alone."""
        return len(self.schedule)

    @property
    def call_reduction(self) -> float:
        """Scales committed for each target call; how many times fewer calls than target-only decoding."""
        return self.committed / self.target_calls if self.target_calls else 0.0

    @property
    def drafted(self) -> int:
        """Tokens guessed by the draft."""
        return sum(event.tokens.size for event in self.of(Drafted))

    @property
    def carried(self) -> int:
        """Tokens proposed by the target's own stale answers."""
        return sum(event.tokens.size for event in self.of(Carried))

    @property
    def unverified(self) -> int:
        """Drafted tokens that stand although no target saw them."""
        return sum(event.tokens.size for event in self.of(Unverified))

    @property
    def judged(self) -> int:
        """Proposed tokens that a rule spoke on."""
        return sum(event.kept.size for event in self.of(Judged))

    @property
    def kept(self) -> int:
        """Judged tokens that were kept."""
        return sum(int(event.kept.sum()) for event in self.of(Judged))

    @property
    def corrected(self) -> int:
        """Judged tokens that were replaced by another one."""
        return sum(int((event.tokens != event.drafted).sum()) for event in self.of(Judged))

    @property
    def tolerated(self) -> int:
        """Judged tokens that were not kept by the test and stand all the same; 0 under every exact rule but ``scale``,
        whose redraw of a whole scale may name some of the same codes."""
        return self.judged - self.kept - self.corrected

    @property
    def discarded(self) -> int:
        """Proposed tokens thrown away before a rule spoke on them."""
        return self.drafted + self.carried - self.judged - self.unverified

    @property
    def bonus(self) -> int:
        """Tokens that the target drew itself."""
        return sum(event.tokens.size for event in self.of(Bonus))

    @property
    def acceptance_rate(self) -> float:
        """Kept over judged tokens; 0 where nothing was judged."""
        return self.kept / self.judged if self.judged else 0.0

    @property
    def predicted_acceptance(self) -> float:
        """Mean of 1 − TV(p, q) over the judged tokens that have a q: what rule ``token`` keeps on average."""
        variations = [event.total_variation[~np.isnan(event.total_variation)] for event in self.of(Judged)]
        values = np.concatenate([np.zeros(0), *(entry.ravel() for entry in variations)])
        return float(np.mean(1.0 - values)) if values.size else 0.0

    @property
    def violations(self) -> list[Violation]:
        """What the invariants found wrong; none in a sound run."""
        return self.of(Violation)

    @property
    def draft_seconds(self) -> float:
        """Wall-clock inside the draft's forwards."""
        return sum(event.seconds for event in self.of(Drafted))

    @property
    def target_seconds(self) -> float:
        """Wall-clock inside the target's forwards."""
        return sum(event.seconds for event in self.of(TargetCall))

    def check(self) -> "Trace":
        """Return the trace; raise TraceError where the record contradicts itself (design section 4)."""
        from sdvar_core.trace_check import check_trace

        check_trace(self)
        return self

    def same_run(self, other: "Trace") -> bool:
        """Whether both record the same run bit for bit; measured seconds do not count."""
        return (
            self.request == other.request
            and len(self.events) == len(other.events)
            and all(same_event(one, two) for one, two in zip(self.events, other.events, strict=True))
        )

    def differing_tokens(self, other: "Trace") -> int:
        """Committed tokens that are not equal in both."""
        return sum(int((one != two).sum()) for one, two in zip(self.tokens, other.tokens, strict=True))

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON, lossless."""
        from sdvar_core.trace_file import write_trace

        write_trace(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "Trace":
        """Read a trace file; TraceError if it is truncated, foreign, too new or contradicts itself."""
        from sdvar_core.trace_file import read_trace

        return read_trace(Path(path))
