"""What a person may ask of a run, checked once, at the door."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sdvar_core.carry_over import carry_over_named
from sdvar_core.errors import RequestError
from sdvar_core.phases import Phase

MOST_PICTURES = 64
LARGEST_SEED = 2**63 - 1
MOST_FORKS = 16

Label = str | int
Options = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Fork:
    """Another choice at one event of a run; what comes before it stays as it was, bit for bit.

    event: how many events stay, violations not counted; the next one is the first that may be another.
    rule, options: who judges and draws from that event on. None leaves them; a rule without options has its defaults.
    gamma: scales drafted before each target call, from the next round on; None leaves it.
    token: of the scale that is judged at that event, in the first picture: its verdict is turned round.
    Raises RequestError with one sentence for anything out of range.
    """

    event: int
    rule: str | None = None
    options: Options | None = None
    gamma: int | None = None
    token: int | None = None

    def __post_init__(self) -> None:
        for name in ("event", "gamma", "token"):
            value = getattr(self, name)
            if value is not None or name == "event":
                object.__setattr__(self, name, whole_number(f"{name} of a fork", value, 0, None))
        if self.options is not None:
            object.__setattr__(self, "options", _options(self.options))
        if self.rule is not None and not isinstance(self.rule, str):
            raise RequestError(f"The rule of a fork must be a name, found {self.rule!r}.")

    def applied(self, request: "Request") -> "Request":
        """The settings that hold after the fork, where ``request``, which has no forks, held before it."""
        options = request.options if self.options is None and self.rule is None else self.options or ()
        rule = request.rule if self.rule is None else self.rule
        return replace(request, rule=rule, options=options, gamma=request.gamma if self.gamma is None else self.gamma)


@dataclass(frozen=True)
class Request:
    """The settings of one run; equal requests give bit-identical runs.

    label: a class name, an index, or a sequence of either for a batch of up to 64 pictures.
    seed: 0 … 2⁶³−65; picture b of a batch has the luck of ``seed + b``.
    gamma: scales drafted before each target call; 0 is plain target-only decoding.
    rule: how drafted tokens are judged, a key of ``RULES``.
    draft_length: how gamma changes during a run, a key of ``DRAFT_LENGTHS``.
    options: settings of the rule, a mapping or pairs of name and number; see ``RULES[rule].options``.
    carry_over: what becomes of the target's answers that a correction made stale, a key of ``CARRY_OVERS``; True means
    "stale", False "off".
    phases: what to do until which scale; none means to speculate to the end.
    guidance, temperature, top_k (0: all codes), top_p: the sampling distribution of both models.
    forks: what a person chose otherwise during the run, in the order of events; each a Fork or a mapping of its fields.
    Raises RequestError with one sentence for anything out of range.
    """

    label: Label | tuple[Label, ...] = 0
    seed: int = 0
    gamma: int = 2
    rule: str = "coupled"
    draft_length: str = "fixed"
    options: Options = ()
    carry_over: str | bool = "off"
    phases: tuple[Phase, ...] = ()
    guidance: float = 1.5
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    forks: tuple[Fork, ...] = ()

    def __post_init__(self) -> None:
        label = self.label
        if isinstance(label, Sequence) and not isinstance(label, str):
            if not 1 <= len(label) <= MOST_PICTURES:
                raise RequestError(f"A batch holds 1 to {MOST_PICTURES} labels, found {len(label)}.")
            object.__setattr__(self, "label", tuple(_label(entry) for entry in label))
        else:
            object.__setattr__(self, "label", _label(label))
        self._set("seed", whole_number("seed", self.seed, 0, LARGEST_SEED - MOST_PICTURES))
        self._set("gamma", whole_number("gamma", self.gamma, 0, None))
        self._set("top_k", whole_number("top_k", self.top_k, 0, None))
        self._set("guidance", real_number("guidance", self.guidance, 0.0, 100.0))
        self._set("temperature", real_number("temperature", self.temperature, 0.0, 100.0, open_below=True))
        self._set("top_p", real_number("top_p", self.top_p, 0.0, 1.0, open_below=True))
        self._set("options", _options(self.options))
        self._set("phases", _phases(self.phases))
        self._set("forks", _forks(self.forks))
        self._set("carry_over", carry_over_named(self.carry_over))
        for name in ("rule", "draft_length"):
            if not isinstance(getattr(self, name), str):
                raise RequestError(f"{name} must be a name, found {getattr(self, name)!r}.")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels as a tuple, one a picture."""
        return self.label if isinstance(self.label, tuple) else (self.label,)

    @property
    def batch(self) -> int:
        """Pictures of the run."""
        return len(self.labels)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture."""
        return tuple(self.seed + index for index in range(self.batch))

    @property
    def parts(self) -> tuple["Request", ...]:
        """The settings, without forks, that hold at first and after each of the forks."""
        parts = [replace(self, forks=())] if self.forks else [self]
        for fork in self.forks:
            parts.append(fork.applied(parts[-1]))
        return tuple(parts)

    def at(self, event: int) -> "Request":
        """The settings, without forks, in force at the event of that number, violations not counted."""
        return self.parts[sum(fork.event <= event for fork in self.forks)]


def _options(value: object) -> Options:
    pairs = value.items() if isinstance(value, Mapping) else value
    try:
        return tuple(sorted((str(name), number) for name, number in pairs))
    except (TypeError, ValueError):
        raise RequestError(f"options must map names to numbers, found {value!r}.") from None


def _phases(value: object) -> tuple[Phase, ...]:
    if isinstance(value, Sequence) and all(isinstance(phase, Phase) for phase in value):
        return tuple(value)
    raise RequestError(f"phases must be a sequence of Phase, found {value!r}.")


def _forks(value: object) -> tuple[Fork, ...]:
    try:
        forks = tuple(one if isinstance(one, Fork) else Fork(**one) for one in value)
    except TypeError:
        raise RequestError(f"forks must be a sequence of Fork, found {value!r}.") from None
    if len(forks) > MOST_FORKS:
        raise RequestError(f"A run forks at most {MOST_FORKS} times, found {len(forks)} forks.")
    events = [fork.event for fork in forks]
    if events != sorted(events):
        raise RequestError(f"Forks must stand in the order of their events, found {events}.")
    return forks


def _label(value: object) -> Label:
    if isinstance(value, str):
        return value
    try:
        return whole_number("label", value, 0, None)
    except RequestError:
        raise RequestError(f"A label must be a class name or an index from 0 on, found {value!r}.") from None


def whole_number(name: str, value: object, least: int, most: int | None) -> int:
    """The value as a whole number within the bounds; RequestError otherwise."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        raise RequestError(f"{name} must be a whole number {bounds}, found {value!r}.") from None
    if number < least or (most is not None and number > most):
        raise RequestError(f"{name} must be a whole number {bounds}, found {number}.")
    return number


def real_number(name: str, value: object, least: float, most: float, open_below: bool = False) -> float:
    """The value as a finite number within the bounds; RequestError otherwise."""
    bounds = f"{'above' if open_below else 'from'} {least:g} {'up ' if open_below else ''}to {most:g}"
    try:
        if isinstance(value, bool | str):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise RequestError(f"{name} must be a number {bounds}, found {value!r}.") from None
    if not math.isfinite(number) or number > most or number < least or (open_below and number == least):
        hint = " For the likeliest code everywhere use rule='greedy'." if name == "temperature" and number == 0 else ""
        raise RequestError(f"{name} must be a number {bounds}, found {number:g}.{hint}")
    return number
