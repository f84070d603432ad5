"""A run as a list of phases: until scale e, do one thing. Baselines, hand-overs and speculation are such lists."""

from dataclasses import dataclass
from typing import Literal, get_args

from sdvar_core.errors import RequestError

Deed = Literal["target", "draft", "speculate"]


@dataclass(frozen=True)
class Phase:
    """Until ``until`` scales are final: let the target decode, take the draft's tokens unverified, or speculate.

    Source: design section 2. draft then target is the seeds' hand-over, target then draft is CoDe's.
    """

    until: int
    do: Deed

    def __post_init__(self) -> None:
        if type(self.until) is not int or self.until < 1:
            raise RequestError(f"A phase must end after at least 1 scale, found {self.until!r}.")
        if self.do not in get_args(Deed):
            raise RequestError(f"A phase must be one of {', '.join(get_args(Deed))}, found {self.do!r}.")


def plan(phases: tuple[Phase, ...], scales: int) -> tuple[Phase, ...]:
    """The phases of a run of ``scales`` scales; none means: speculate to the end. RequestError if they do not fit."""
    if not phases:
        return (Phase(scales, "speculate"),)
    ends = [phase.until for phase in phases]
    if ends != sorted(set(ends)) or ends[-1] != scales:
        raise RequestError(f"Phases must end at growing scales, the last at {scales}, found {ends}.")
    return phases
