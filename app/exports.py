"""A shown run as files to keep: trace, stand-alone replay page, film, and figures for a slide.

Files lie in one folder a visit, inside the folder that Gradio serves. A folder holds a few files and goes with its
visit.
"""

import base64
import io
import re
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.run import Shown
from app.stage.replay import replay_page
from sdvar_core import SDVARError

MOST_FOLDERS = 64
MOST_FILES = 8  # of a visit
LONGEST_PART = 32  # characters of a file name that come from the run


@dataclass(frozen=True)
class Export:
    """A kind of file. name: on its button. note: what it is for. ending: of the file. write: makes it. painted: whether
    it shows pictures of the run."""

    name: str
    note: str
    ending: str
    write: Callable[[Any, Path], object]
    painted: bool = False


def pictures_of(shown: Shown) -> dict[int, np.ndarray]:
    """The pictures of the frames, uint8 (height, width, 3), by the number of their event."""
    found = {}
    for frame in shown.frames:
        if "picture" in frame:
            data = base64.b64decode(frame["picture"].partition(",")[2])
            found[frame["index"]] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return found


def _trace(shown: Shown, path: Path) -> None:
    shown.trace.save(path)


def _replay(shown: Shown, path: Path) -> None:
    page = replay_page(shown.header, shown.frames, shown.baseline, shown.trace.finished)
    path.write_text(page, encoding="utf-8", newline="\n")


# The figures are imported when they are wanted: they bring matplotlib, which would delay the start of the page.


def _film(shown: Shown, path: Path) -> None:
    from app.figures.film import film

    path.write_bytes(film(shown.trace, pictures_of(shown), shown.header["label"]))


def _slide(form: str) -> Callable[[Shown, Path], None]:
    def write(shown: Shown, path: Path) -> None:
        from app.figures.slide import slide

        alone = shown.baseline or {"milliseconds": (), "sentence": ""}
        told = alone["milliseconds"], alone["sentence"]
        path.write_bytes(slide(shown.trace, pictures_of(shown), shown.header["label"], form, *told))

    return write


EXPORTS: dict[str, Export] = {
    "trace": Export("Trace", "Every event and number of the run, as JSON; it opens again here.", ".json", _trace),
    "replay": Export("Replay", "One HTML file that plays the run offline, without a server.", ".html", _replay, True),
    "film": Export("Film", "The run as a GIF.", ".gif", _film, True),
    "png": Export("Slide PNG", "One figure: picture, numbers, calls, pyramid.", ".png", _slide("png"), True),
    "pdf": Export("Slide PDF", "The same figure, sharp at every size.", ".pdf", _slide("pdf"), True),
}


def file_name(shown: Shown, ending: str) -> str:
    """Says world, seed and rule of the run: ``sdvar-volcano-seed7-coupled.json``."""
    request = shown.trace.request
    parts = ["sdvar", shown.header["label"], f"seed{request.seed}", request.rule]
    words = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")[:LONGEST_PART] for part in parts]
    return "-".join(word for word in words if word) + ("" if shown.trace.finished else "-unfinished") + ending


class Shelf:
    """The folders of all visits, inside ``root``; the oldest visit makes room, and so does its oldest file.

    exports: the kinds of files. named: gives a run's file its name.
    """

    def __init__(
        self, root: Path, exports: dict[str, Export] = EXPORTS, named: Callable[[Any, str], str] = file_name
    ) -> None:
        self._root, self._exports, self._named = root, exports, named
        self._folders: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, handle: str, kind: str, shown: Any) -> Path:
        """Make a file of a run for the visit ``handle``; SDVARError if there is nothing to make it of."""
        if not shown.frames:
            raise SDVARError("There is nothing to share yet: press Generate or Step first.")
        export, folder = self._exports[kind], self._folder(handle)
        path = folder / self._named(shown, export.ending)
        export.write(shown, path)
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for old in files[:-MOST_FILES]:
            old.unlink(missing_ok=True)
        return path

    def clear(self, handle: str) -> None:
        """Throw away what a visit has left."""
        with self._lock:
            folder = self._folders.pop(handle, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, handle: str) -> Path:
        with self._lock:
            # Not the handle itself: the address of a file must not tell it.
            folder = self._folders.setdefault(handle, self._root / f"sdvar-{secrets.token_urlsafe(16)}")
            self._folders.move_to_end(handle)
            oldest = list(self._folders)[:-MOST_FOLDERS]
        for other in oldest:
            self.clear(other)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
