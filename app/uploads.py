"""Files that visitors bring: read within bounds, and whatever is wrong with one is told in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sdvar_core import SDVARError, TraceError

LARGEST_UPLOAD = 16 * 2**20  # bytes
LONGEST_NAME, LONGEST_SENTENCE = 80, 240  # characters
FOREIGN = "is larger than what this page can show"

AnyTrace = TypeVar("AnyTrace")


def read_upload(path: Path, load: Callable[[Path], AnyTrace]) -> AnyTrace:
    """The trace that ``load`` makes of an uploaded file; TraceError with one sentence of bounded length otherwise."""
    try:
        if path.stat().st_size > LARGEST_UPLOAD:
            raise TraceError(
                f"This file is larger than {LARGEST_UPLOAD >> 20} MiB, too large for a trace of this page."
            )
        trace = load(path)
    except OSError as error:
        raise TraceError(f"The file cannot be read: {error.strerror}.") from error
    except SDVARError as error:
        raise TraceError(_clipped(" ".join(str(error).split()))) from error
    if not trace.events:
        raise TraceError("The trace holds no event: there is nothing to show.")
    return trace


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_SENTENCE else text[: LONGEST_SENTENCE - 1] + "…"
