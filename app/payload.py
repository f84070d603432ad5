"""The value of the stage: what the server sends of one run, or of two."""

from app.visit import AnyRun

Payload = dict
"""See ``payload_of``; ``sequence`` grows, so that every value is a new one and a late one is known."""


def payload_of(
    run: AnyRun | None,
    kept: AnyRun | None = None,
    first: int = 0,
    *,
    busy: bool = False,
    stream: bool = False,
    notice: str | None = None,
) -> Payload:
    """Frames of ``run`` from ``first`` on, and all that a page needs which missed values before: the headers, and how
    many frames there are.

    busy: more is on its way. stream: it comes from Generate, so that the page runs after it. keep: only the notice is
    new. kept: the same of the run on the left. cursor: the event to show; None leaves it open.
    """
    return {
        "busy": busy,
        "stream": stream,
        "notice": notice,
        "cursor": None,
        "keep": run is None and notice is not None,
        "kept": kept and _part(kept, len(kept.frames)),
        **_part(run, first),
    }


def _part(run: AnyRun | None, first: int) -> dict:
    """What a value of the stage says of one run: its header, and the frames from ``first`` on."""
    return {
        "header": run and run.header,
        "count": len(run.frames) if run else 0,
        "first": first,
        "frames": run.frames[first:] if run else [],
        "finished": run is not None and run.finished,
        "baseline": run and run.baseline,
    }
