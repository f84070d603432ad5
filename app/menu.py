"""The pairs of models that visitors may choose: what each needs, and which are in memory."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sdvar_core import (
    PAIRS,
    CheckpointError,
    Needs,
    Outline,
    Pair,
    RequestError,
    Shelf,
    check_fits,
    devices,
    gigabytes,
    load_pair,
    needs,
    outline,
    precisions,
)

MODELS = ("pair", "device", "precision")


@dataclass(frozen=True)
class Choice:
    """A pair by its name, and where it runs."""

    pair: str
    device: str
    precision: str


def choice_of(pair: Pair) -> Choice:
    """The choice that means this loaded pair."""
    return Choice(pair.name, str(pair.device), pair.precision)


class Menu:
    """The first pair, which stays in memory, and all named ones, of which ``places`` stay there besides. 0: visitors
    keep to the first.

    first: loads that one, at the first need. leaving: hears of a pair that makes room for another, to let go of it too.
    """

    def __init__(
        self,
        first: Callable[[], Pair],
        places: int = 0,
        load: Callable[..., Pair] = load_pair,
        leaving: Callable[[Pair], None] | None = None,
    ) -> None:
        self.places = places
        self._load_first, self._first = first, None
        self._shelf = Shelf(places, load, leaving)
        self._beginning, self._loading = threading.Lock(), threading.Lock()

    @property
    def first(self) -> Pair:
        """The pair that the page opens with."""
        with self._beginning:
            self._first = self._first or self._load_first()
            return self._first

    @property
    def names(self) -> tuple[str, ...]:
        """All pairs, the first one first."""
        return tuple(dict.fromkeys([self.first.name, *PAIRS]))

    def chosen(self, settings: dict) -> Choice | None:
        """What ``pair``, ``device`` and ``precision`` of the settings mean, None for the first pair as it is;
        RequestError for what there is not. Each may be absent: then it is the first pair's, or the rule's."""
        if not any(settings.get(name) for name in MODELS):
            return None
        home = choice_of(self.first)
        name, device = settings.get("pair") or home.pair, settings.get("device") or home.device
        if name not in self.names:
            raise RequestError(f"Unknown pair {name!r:.80}: choose one of {', '.join(self.names)}.")
        if device not in (home.device, *devices()):
            raise RequestError(f"Unknown device {device!r:.80}: choose one of {', '.join(devices())}.")
        precision = settings.get("precision") or self.precisions(name, device)[0]
        if precision not in self.precisions(name, device):
            raise RequestError(f"Precision {precision!r:.80} is not to be had on {device}.")
        choice = Choice(name, device, precision)
        if choice != home and not self.places:
            raise RequestError(f"This page keeps to {home.pair}: on a computer of your own it offers every pair.")
        return None if choice == home else choice

    def precisions(self, name: str, device: str) -> tuple[str, ...]:
        """Those of a device; the first one is taken where none is named."""
        home = choice_of(self.first)
        own = (home.precision,) if (name, device) == (home.pair, home.device) else ()
        return tuple(dict.fromkeys((*own, *precisions(device))))

    def outline(self, settings: dict) -> Outline:
        """What is known, without loading it, of the pair that the settings mean; RequestError as ``chosen``."""
        choice = self.chosen(settings)
        return self.first if choice is None or choice.pair == self.first.name else outline(choice.pair)

    def outlines(self) -> Iterator[Outline]:
        """What is known of every pair that a visitor may choose."""
        yield self.first
        if self.places:
            yield from map(outline, PAIRS)

    def holds(self, choice: Choice | None) -> bool:
        """Whether the pair is in memory."""
        return choice is None or self._key(choice) in self._shelf.pairs

    def held(self, name: str) -> Pair:
        """A pair of that name that is in memory, else the first."""
        return next((pair for pair in self._shelf.pairs.values() if pair.name == name != self.first.name), self.first)

    def take(self, choice: Choice | None) -> Pair:
        """The pair, read from the disk if it is not in memory; CheckpointError if it is not there or does not fit."""
        if choice is None:
            return self.first
        with self._loading:
            if not self.holds(choice):
                self.check(choice)
            try:
                return self._shelf.take(*self._key(choice))
            except (MemoryError, RuntimeError) as error:  # as torch says that there is no memory left
                line = next(iter(str(error).splitlines()), "no memory is left")
                raise CheckpointError(f"{choice.pair} could not be loaded: {line:.200}") from error

    def check_together(self, *choices: Choice | None) -> None:
        """RequestError if these cannot be in memory at once."""
        if len(set(choices) - {None}) > self.places:
            raise RequestError(
                "The models of both runs cannot be in memory at once: press Reset, or choose the models of the run on "
                "the left."
            )

    def check(self, choice: Choice) -> None:
        """CheckpointError, in one sentence, if the pair cannot be loaded as things are."""
        self.check_fits(choice)
        wanted = needs(choice.pair)
        if wanted.still_to_write:
            raise CheckpointError(f"{choice.pair} is not here yet: under Models press {button_for(wanted)!r}.")

    def check_fits(self, choice: Choice) -> None:
        """CheckpointError, in one sentence, if there is not memory enough, pairs that would make room counted in."""
        if choice.pair not in PAIRS or self.holds(choice) or choice == choice_of(self.first):
            return
        going = list(self._shelf.pairs.values())[: max(0, len(self._shelf.pairs) + 1 - self.places)]
        here = (pair for pair in going if str(pair.device) == choice.device)
        returned = sum(needs(pair.name, pair.precision).resident for pair in here)
        check_fits(choice.pair, choice.device, choice.precision, returned)

    def rows(self, device: str, precision: str) -> list[tuple[str, str]]:
        """For each pair a label of two lines, its name and what it needs there, and its name."""
        return [(f"{name}\n{self.state(Choice(name, device, precision))}", name) for name in self.names]

    def state(self, choice: Choice) -> str:
        """A few words on what a pair needs here."""
        if choice.pair in PAIRS and not needs(choice.pair).disk:
            return "ships with this page"
        if choice.pair == self.first.name:
            return "opened with the page"
        wanted = needs(choice.pair, choice.precision)
        memory = f"{gigabytes(wanted.memory_on(choice.device))} of memory"
        if self.holds(choice):
            return "in memory"
        try:
            self.check_fits(choice)
        except CheckpointError:
            return f"{memory}: too large here"
        return f"{memory} · {gigabytes(wanted.download)} to get" if wanted.download else f"{memory} · on this disk"

    @staticmethod
    def _key(choice: Choice) -> tuple[str, str, str]:
        return choice.pair, choice.device, choice.precision


def button_for(wanted: Needs) -> str:
    """The button that makes a pair ready; its files may be here, but as they were published."""
    return f"Download {gigabytes(wanted.download)}" if wanted.download else "Convert the files"
