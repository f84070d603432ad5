"""Pictures of a run's events: painted ahead while that is quick, and otherwise when someone looks.

A small decoder paints every event as it comes. A large one on a CPU takes seconds a picture, which would make a run
wait for pictures that nobody sees: it may take only a small part of the time of the models.
"""

import time
from collections.abc import Sequence

import numpy as np

from sdvar_core import Bonus, Carried, Drafted, Event, Judged, Pair, Unverified

QUICK = 0.25  # seconds a picture
SHARE = 0.25  # of the models' time that a slow decoder may take ahead

Drawing = Drafted | Carried | Judged | Bonus | Unverified
"""The events that give a scale its tokens."""


class Painter:
    """Paints for one run. events: of the run, a list that may grow. seconds: all its painting so far. slow: whether a
    picture takes longer than ``QUICK``, as far as it is known."""

    def __init__(self, pair: Pair, events: Sequence[Event]) -> None:
        self._pair, self._events = pair, events
        self.seconds, self.slow = 0.0, False

    def ahead(self, index: int, models_seconds: float) -> np.ndarray | None:
        """The picture after an event, uint8 (height, width, 3), if there is one and time for it."""
        if not self.has(index) or (self.slow and self.seconds > SHARE * models_seconds):
            return None
        return self.paint(index)

    def has(self, index: int) -> bool:
        """Whether an event changes the picture."""
        return 0 <= index < len(self._events) and isinstance(self._events[index], Drawing)

    def settled(self) -> list[int]:
        """For each scale the last event that gave it the tokens that stand."""
        last = {}
        for index, event in enumerate(self._events):
            if isinstance(event, Judged | Bonus | Unverified):
                last[event.scale] = index
        return sorted(last.values())

    def paint(self, index: int) -> np.ndarray:
        """The picture after an event that has one."""
        tokens: list[np.ndarray] = []
        for event in self._events[: index + 1]:
            if isinstance(event, Drawing):
                tokens = [*tokens[: event.scale], event.tokens[:1].copy()]  # torch wants memory that it may write
        began = time.perf_counter()
        picture = self._pair.render(tokens)[0]
        taken = time.perf_counter() - began
        self.seconds, self.slow = self.seconds + taken, taken > QUICK
        return picture
