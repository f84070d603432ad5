"""The text that every Python machine has: the source of its own standard library, as bytes.

Left out are tests, the tables of ``encodings``, installed packages and what was generated on the machine. Which files
are held out follows from their names alone. Licence of the text: Python Software Foundation License 2.0.
"""

import hashlib
import platform
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdvar_core.text_request import START

LICENCE = "PSF-2.0 (Python Software Foundation License Version 2), https://docs.python.org/3/license.html"
LEFT_OUT = {"test", "tests", "idle_test", "encodings", "site-packages", "dist-packages", "__pycache__"}
GENERATED = ("_sysconfigdata", "config-")
HELD_OUT_OF = 20  # one file in so many


def standard_library() -> Path:
    """The folder of the running Python's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def is_held_out(name: str) -> bool:
    """Whether a file, by its path below the library's folder, is never trained on."""
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT_OF == 0


@dataclass(frozen=True)
class PythonSource:
    """The files of a folder that are read as text, by their paths below it."""

    root: Path

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All files, sorted by name."""
        names = (path.relative_to(self.root) for path in self.root.rglob("*.py"))
        kept = (name for name in names if not LEFT_OUT & set(name.parts))
        return tuple(sorted(name.as_posix() for name in kept if not any(p.startswith(GENERATED) for p in name.parts)))

    def part(self, held_out: bool) -> tuple[str, ...]:
        """The names of the held-out files, or of the others."""
        return tuple(name for name in self.names if is_held_out(name) == held_out)

    def text(self, held_out: bool) -> bytes:
        """The files one after the other, each behind a zero byte."""
        return b"".join(START + (self.root / name).read_bytes() for name in self.part(held_out))

    def tokens(self, held_out: bool) -> Tensor:
        """The text as uint8 (byte,)."""
        return torch.frombuffer(bytearray(self.text(held_out)), dtype=torch.uint8)

    def record(self) -> dict[str, Any]:
        """What was read, for the file beside the weights."""
        parts = {}
        for name, held_out in (("training", False), ("held_out", True)):
            text = self.text(held_out)
            parts[name] = {
                "count": len(self.part(held_out)),
                "bytes": len(text),
                "sha256": hashlib.sha256(text).hexdigest(),
                "files": list(self.part(held_out)),
            }
        source = f"standard library of {platform.python_implementation()} {platform.python_version()}"
        rule = f"first byte of sha256(path) divisible by {HELD_OUT_OF}"
        return {"source": source, "licence": LICENCE, "held_out_rule": rule, **parts}
