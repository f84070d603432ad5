"""A run that was opened from a trace file: all of it is known, and no model is called but the picture decoder.

A trace file may come from anybody. ``sdvar_core`` has checked that it is true to itself; here it is checked that a
page can show it. Its strings stay strings: the browser writes them as text.
"""

from pathlib import Path

import numpy as np

from app.frames import Baseline, Frame, Header, frame, header
from app.painting import Drawing, Painter
from app.run import Shown
from app.uploads import FOREIGN, LONGEST_NAME, read_upload
from sdvar_core import Pair, Trace, TraceError

MOST_SCALES, MOST_TOKENS, MOST_CODES = 20, 4096, 65_536  # of a schedule, and what a frame's uint16 can say
MOST_DRAWN = 250_000  # tokens of all events together
LARGEST_NUMBER = 10**9
LARGEST_SIDE = 1024  # pixels of a picture


def read_trace_file(path: Path) -> Trace:
    """The trace of an uploaded file; TraceError with one sentence of bounded length otherwise."""
    trace = read_upload(path, Trace.load)
    _refuse_what_no_page_shows(trace)
    return trace


class OpenedRun:
    """A whole or broken-off run of a trace; it never goes on. Pictures are made if the trace speaks the pair's codes,
    otherwise only the last one is known, where the file holds it."""

    baseline: Baseline | None = None

    def __init__(self, name: str, pair: Pair, trace: Trace) -> None:
        self.name, self.pair, self.request, self._trace = name, pair, trace.request, trace
        self.schedule, self.codes = trace.schedule, trace.codes
        self.stopped = self.forgotten = False
        self.finished = trace.finished
        self.target_seconds = trace.target_seconds
        self.events = list(trace.events)
        known = (trace.pair, trace.schedule, trace.codes) == (pair.name, pair.schedule, pair.codes)
        self.painter = Painter(pair, self.events if known else ())
        self.frames: list[Frame] = []
        last, its_picture = (None, None) if known else self._last_picture()
        for index in range(len(self.events)):
            until = self._until(index)
            picture = self.painter.ahead(index, until.draft_seconds + until.target_seconds)
            picture = its_picture if index == last else picture
            self.frames.append(frame(until, picture, self.painter.seconds, self.painter.has(index)))
        self.header = self._header(known)

    def trace(self) -> Trace:
        """The trace of the file."""
        return self._trace

    def token(self, event: int, index: int) -> None:
        """A trace file holds no distributions: there is nothing to tell of other codes."""

    def shown(self) -> Shown:
        """The whole of it."""
        return Shown(self._trace, self.header, tuple(self.frames), self.baseline)

    def _header(self, known: bool) -> Header:
        trace, label = self._trace, self.request.labels[0]
        if known and isinstance(label, int) and label < len(self.pair.class_names):
            label = self.pair.class_names[label]
        made = header(self.name, trace.pair, trace.schedule, trace.codes, self.request, str(label))
        return made | {"opened": True}

    def _until(self, index: int) -> Trace:
        trace = self._trace
        return Trace(trace.pair, self.request, trace.schedule, trace.codes, trace.events[: index + 1])

    def _last_picture(self) -> tuple[int | None, np.ndarray | None]:
        """The last event that has a picture, and what the file has of it."""
        places = [index for index, event in enumerate(self.events) if isinstance(event, Drawing)]
        pictures = self._trace.pictures
        if pictures is None or not places or pictures.shape[3] != 3 or max(pictures.shape[1:3]) > LARGEST_SIDE:
            return None, None
        return places[-1], pictures[0]


def _refuse_what_no_page_shows(trace: Trace) -> None:
    request, schedule = trace.request, trace.schedule
    if len(schedule) > MOST_SCALES or schedule.total > MOST_TOKENS or not 0 < trace.codes <= MOST_CODES:
        raise TraceError(f"The schedule or the codebook of this run {FOREIGN}.")
    drawn = sum(event.tokens.shape[1] for event in trace.events if isinstance(event, Drawing))
    if drawn > MOST_DRAWN:
        raise TraceError(f"A run that draws {drawn} tokens {FOREIGN}.")
    names = [trace.pair, request.rule, request.draft_length, *(one for one in request.labels if isinstance(one, str))]
    options = [*request.options, *(option for fork in request.forks for option in fork.options or ())]
    names += [name for name, _ in options] + [fork.rule for fork in request.forks if fork.rule is not None]
    if max(map(len, names)) > LONGEST_NAME:
        raise TraceError(f"A name of {max(map(len, names))} letters {FOREIGN}.")
    numbers = [request.gamma, request.top_k, *(one for one in request.labels if isinstance(one, int))]
    numbers += [number for fork in request.forks for number in (fork.event, fork.gamma or 0, fork.token or 0)]
    if max(numbers + [phase.until for phase in request.phases]) > LARGEST_NUMBER:
        raise TraceError(f"A number of the trace {FOREIGN}.")
    if len(options) > MOST_SCALES or len(request.phases) > MOST_SCALES:
        raise TraceError(f"The number of options or phases {FOREIGN}.")
    for name, value in options:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_NUMBER:
            raise TraceError(f"The option {name} is not a number.")
