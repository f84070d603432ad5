"""The trace of a text run: its request and its events, and the numbers shown to people, which are its properties."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sdvar_core.events import Violation, same_event
from sdvar_core.text_events import BonusToken, ChildJudged, TextEvent, TreeCall, TreeCommit, TreeDrafted
from sdvar_core.text_request import TextRequest


@dataclass(frozen=True, eq=False)
class TextTrace:
    """A whole text run, or the part of it that has happened so far. pair: name of the pair of models."""

    pair: str
    request: TextRequest
    events: tuple[TextEvent, ...]

    def of(self, kind: type) -> list:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def prompt(self) -> bytes:
        """The bytes that were given; an empty prompt is one zero byte."""
        return self.request.prompt_bytes

    @cached_property
    def written(self) -> bytes:
        """The bytes that were decoded."""
        return bytes(int(token) for event in self.of(TreeCommit) for token in event.tokens)

    @property
    def continuation(self) -> str:
        """What was decoded, as text; bytes that are not UTF-8 show as �."""
        return self.written.decode("utf-8", errors="replace")

    @property
    def text(self) -> str:
        """Prompt and continuation."""
        given = self.request.prompt_bytes if self.request.prompt else b""
        return (given + self.written).decode("utf-8", errors="replace")

    @property
    def finished(self) -> bool:
        """Whether all bytes wanted are there."""
        return len(self.written) == self.request.length

    @property
    def rounds(self) -> int:
        """Rounds that ended; the ``steps`` of the seeds' statistics."""
        return len(self.of(TreeCommit))

    @property
    def target_calls(self) -> int:
        """Forwards of the target; reading the prompt is not counted, for every way of decoding has to."""
        return len(self.of(TreeCall))

    @property
    def draft_calls(self) -> int:
        """Forwards of the draft."""
        return sum(event.calls for event in self.of(TreeDrafted))

    @property
    def baseline_calls(self) -> int:
        """Target calls that plain decoding makes for the bytes so far."""
        return len(self.written)

    @property
    def drafted(self) -> int:
        """Guesses: nodes of all trees, the roots left out."""
        return sum(event.drafted for event in self.of(TreeDrafted))

    @property
    def judged(self) -> int:
        """Guesses that the walk tried."""
        return len(self.of(ChildJudged))

    @property
    def accepted(self) -> int:
        """Guesses that became text."""
        return sum(event.accepted for event in self.of(ChildJudged))

    @property
    def rejected(self) -> int:
        """Guesses that the walk tried and refused."""
        return self.judged - self.accepted

    @property
    def discarded(self) -> int:
        """Guesses thrown away untried."""
        return self.drafted - self.judged

    @property
    def bonus(self) -> int:
        """Tokens that the target drew itself."""
        return len(self.of(BonusToken))

    @property
    def levels(self) -> int:
        """Levels of all trees: the most guesses that could have been accepted."""
        return sum(event.depth for event in self.of(TreeCommit))

    @property
    def acceptance_rate(self) -> float:
        """Accepted over drafted nodes; 0 where nothing was drafted. Low for a wide tree, which bets on many."""
        return self.accepted / self.drafted if self.drafted else 0.0

    @property
    def path_acceptance_rate(self) -> float:
        """Accepted over the levels drafted: of the best path, position by position; 0 where nothing was drafted."""
        return self.accepted / self.levels if self.levels else 0.0

    @property
    def acceptance_by_depth(self) -> tuple[float, ...]:
        """For each level, how often a node of it was accepted where the walk came so far and the level was drafted."""
        tries: list[list[int]] = []
        for event in self.of(TreeCommit):
            for level in range(min(event.depth, event.accepted + 1)):
                if level == len(tries):
                    tries.append([0, 0])
                tries[level][0] += 1
                tries[level][1] += level < event.accepted
        return tuple(good / tried for tried, good in tries)

    @property
    def mean_accepted_length(self) -> float:
        """Accepted tokens a target call, without the bonus token."""
        return self.accepted / self.target_calls if self.target_calls else 0.0

    @property
    def mean_length_with_bonus(self) -> float:
        """Tokens a target call, the bonus token included."""
        return (self.accepted + self.bonus) / self.target_calls if self.target_calls else 0.0

    @property
    def call_reduction(self) -> float:
        """Calls of plain decoding over target calls; 1 before the first."""
        return self.baseline_calls / self.target_calls if self.target_calls else 1.0

    @property
    def violations(self) -> list[Violation]:
        """What the invariants found wrong; none in a sound run."""
        return self.of(Violation)

    @property
    def draft_seconds(self) -> float:
        """Wall-clock of drafting."""
        return sum(event.seconds for event in self.of(TreeDrafted))

    @property
    def target_seconds(self) -> float:
        """Wall-clock of the target's forwards, the prompt left out."""
        return sum(event.seconds for event in self.of(TreeCall))

    @property
    def commit_seconds(self) -> float:
        """Wall-clock of making the accepted nodes' states."""
        return sum(event.seconds for event in self.of(TreeCommit))

    def check(self) -> "TextTrace":
        """Return the trace; raise TraceError where the record contradicts itself."""
        from sdvar_core.text_trace_check import check_text_trace

        check_text_trace(self)
        return self

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON, lossless."""
        from sdvar_core.text_trace_file import write_text_trace

        write_text_trace(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "TextTrace":
        """Read a trace file; TraceError if it is truncated, foreign, too new or contradicts itself."""
        from sdvar_core.text_trace_file import read_text_trace

        return read_text_trace(Path(path))

    def same_run(self, other: "TextTrace") -> bool:
        """Whether both record the same run bit for bit; measured seconds do not count."""
        return (
            self.request == other.request
            and len(self.events) == len(other.events)
            and all(same_event(one, two) for one, two in zip(self.events, other.events, strict=True))
        )
