"""What both kinds of trace files share: JSON behind a header that names format and version, read as a stranger's."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sdvar_core.errors import SDVARError, TraceError

DAMAGE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, zlib.error)

Read = TypeVar("Read")


@dataclass(frozen=True)
class TraceFormat:
    """One kind of trace file: the ``name`` and ``version`` of its header, what errors call the trace and its file, the
    largest file that is read in bytes, and whether NaN and Infinity, which are no JSON, go through to the decoder."""

    name: str
    version: int
    trace: str
    file: str
    largest: int
    constants: bool

    @property
    def header(self) -> dict[str, Any]:
        """The entries that every file begins with."""
        return {"format": self.name, "version": self.version}

    def text_of(self, path: Path) -> str:
        """The text of ``path``; TraceError if it cannot be read, is too large or is no text."""
        try:
            if path.stat().st_size > self.largest:
                raise TraceError(f"{path.name} is larger than {self.largest >> 20} MiB, too large for {self.trace}.")
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise TraceError(f"Cannot read {path.name}: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise TraceError(f"{path.name} is not a trace file: it is not text.") from error

    def parsed(self, text: str, name: str, decoded: Callable[[dict[str, Any]], Read]) -> Read:
        """What ``decoded`` makes of the record in JSON ``text``; ``name`` stands in the errors.

        ``decoded`` may raise any of ``DAMAGE`` where an entry is missing or malformed; every error becomes a
        TraceError of one sentence.
        """
        record = self._record(text, name)
        try:
            return decoded(record)
        except TraceError:
            raise
        except SDVARError as error:
            raise TraceError(f"{name} holds settings that cannot be: {error}") from error
        except DAMAGE as error:
            raise TraceError(f"{name} is damaged: an entry is missing or malformed.") from error

    def _record(self, text: str, name: str) -> dict[str, Any]:
        try:
            record = json.loads(text, parse_constant=None if self.constants else _refused)
        except (ValueError, RecursionError) as error:  # ValueError: malformed, or a number of thousands of digits
            raise TraceError(f"{name} is not a whole trace file: its JSON breaks off or is malformed.") from error
        if not isinstance(record, dict) or record.get("format") != self.name:
            raise TraceError(f"{name} is not {self.file} of SDVAR.")
        version = record.get("version")
        if version != self.version:
            found = version if type(version) is int and 0 <= version < 10**6 else "of another kind"
            raise TraceError(f"{name} has trace version {found}, this program reads version {self.version}: update it.")
        return record


def plain(wanted: Any, value: Any) -> Any:
    """A value of the plain type that a field wants: bool, int, str or a pair of ints; TypeError otherwise."""
    if wanted in (bool, int, str):
        if type(value) is not wanted:
            raise TypeError
        return value
    first, second = value
    return plain(int, first), plain(int, second)


def _refused(constant: str) -> None:
    raise ValueError(constant)
