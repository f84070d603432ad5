"""What p and q were for one token: the likeliest codes of both, kept while a run is made, and their looks.

Events do not carry distributions, and a whole run's are megabytes. A listener of the run therefore keeps, for every
token, the exact numbers of the codes that the page shows: the eight likeliest of p and of q, the drafted code and the
one that stands. That is at most 14 bytes for each of 18 codes, whatever the codebook.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from app.frames import picture_url
from sdvar_core import RULES, Event, Judged, Pair

LIKELIEST = 8
SWATCH_SIDE = 32  # pixels
MOST_SWATCHES = 8192  # some 300 bytes each
MOST_WAIT = 2.0  # seconds


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Of each token of an event, some codes, uint16 (n², k), and what they had, float32 (n², k) or None: target p,
    draft q, and redraw, the distribution from which the rule redraws what it does not keep. Codes may repeat."""

    codes: np.ndarray
    target: np.ndarray | None
    draft: np.ndarray | None
    redraw: np.ndarray | None

    def rows(self, index: int) -> list[dict]:
        """The codes of one token, likeliest first, with every number that is known."""
        codes, first = np.unique(self.codes[index], return_index=True)
        known = {"p": self.target, "q": self.draft, "redraw": self.redraw}
        numbers = {name: values[index, first] for name, values in known.items() if values is not None}
        order = sorted(range(len(codes)), key=lambda at: [-values[at] for values in numbers.values()])
        return [
            {"code": int(codes[at])} | {name: float(values[at]) for name, values in numbers.items()} for at in order
        ]


def shortlist(event: Event, target, draft, rule: str) -> Shortlist:
    """What to keep of the distributions (1, n², codes) that picture 0 of ``event`` came from; either may be None.

    They are the tensors that a listener of ``decode`` hears.
    """
    given = [entry[0] for entry in (target, draft) if entry is not None]
    likeliest = [entry.topk(min(LIKELIEST, entry.shape[-1])).indices for entry in given]
    named = [event.drafted, event.tokens] if isinstance(event, Judged) else [event.tokens]
    codes = np.concatenate([*(entry.cpu().numpy() for entry in likeliest), *(entry[0][:, None] for entry in named)], 1)
    law = RULES[rule].redraw if target is not None and draft is not None else None
    redraw = None if law is None else law(target, draft)

    def of_codes(distribution) -> np.ndarray | None:
        if distribution is None:
            return None
        return np.take_along_axis(distribution[0].cpu().numpy(), codes, 1).astype(np.float32)

    return Shortlist(codes.astype(np.uint16), of_codes(target), of_codes(draft), of_codes(redraw))


class Swatches:
    """What codes of a pair look like: small pictures, made once for each code and scale, by one thread at a time."""

    def __init__(self, most: int = MOST_SWATCHES) -> None:
        self._made: WeakKeyDictionary[Pair, OrderedDict[tuple[int, int], str]] = WeakKeyDictionary()
        self._most, self._painting = most, threading.Lock()

    def of(self, pair: Pair, scale: int, codes: Sequence[int]) -> dict[str, str] | None:
        """A data URL for each code at that scale; None if others keep the painter busy for too long."""
        if not self._painting.acquire(timeout=MOST_WAIT):
            return None
        try:
            made = self._made.setdefault(pair, OrderedDict())
            missing = [code for code in codes if (scale, code) not in made]
            for code, picture in zip(missing, pair.render_codes(missing, scale) if missing else ()):
                made[scale, code] = _swatch(picture)
            swatches = {str(code): made[scale, code] for code in codes}
            while len(made) > self._most:
                made.popitem(last=False)
            return swatches
        finally:
            self._painting.release()


def _swatch(picture: np.ndarray) -> str:
    """The middle half of a picture, uint8 (height, width, 3), made small."""
    height, width = picture.shape[:2]
    middle = picture[height // 4 : height - height // 4, width // 4 : width - width // 4]
    image = Image.fromarray(np.ascontiguousarray(middle))
    return picture_url(np.asarray(image.resize((SWATCH_SIDE, SWATCH_SIDE), Image.Resampling.BOX)))
