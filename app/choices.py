"""What the controls beyond the common settings say: options of the rule, phases, a fault, models; and back again.

A fault is no part of a Request, for a request is what a person wants of a sound engine. It travels beside it, and so
does the choice of models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from app.menu import MODELS, Choice
from sdvar_core import FAULTS, RULES, Event, Fork, Phase, Request, RequestError, Violation

NO_FAULT = "none"
LONGEST_WISH = 2000  # characters
OPTIONS = tuple(dict.fromkeys(name for rule in RULES.values() for name in rule.options))
FURTHER = ("plan", "handover", "fault", *MODELS, *OPTIONS)
"""Names of the further choices, in the order in which the page gives them."""

Phases = tuple[Phase, ...]


class BrokenPart(TypedDict):
    """The fault that is switched on: what goes wrong, and how it looks."""

    name: str
    sentence: str
    look: str


@dataclass(frozen=True)
class Plan:
    """A way to spend the scales. ``phases(handover, scales)`` gives the phases; a handover of n means that what comes
    second begins with scale n, counted from 1. handed: whether there is a second part."""

    name: str
    sentence: str
    phases: Callable[[int, int], Phases]
    handed: bool = False


def _all(deed: str) -> Callable[[int, int], Phases]:
    return lambda handover, scales: (Phase(scales, deed),)


def _then(first: str, second: str) -> Callable[[int, int], Phases]:
    def phases(handover: int, scales: int) -> Phases:
        begun = (Phase(handover - 1, first),) if handover > 1 else ()
        return (*begun, Phase(scales, second))

    return phases


_ALL_PLANS = (
    Plan("speculate to the end", "The draft guesses and the target checks, until the end.", lambda n, s: ()),
    Plan("target alone", "The target draws every scale itself: the baseline.", _all("target")),
    Plan("draft alone", "The draft draws every scale and nobody checks: quick, and only as good as the draft.",
         _all("draft")),
    Plan("draft first, target from n", "The draft lays out the coarse scales unchecked, the target does "
         "the rest.", _then("draft", "target"), handed=True),
    Plan("target first, draft from n", "The target lays out the picture, the draft adds the fine scales "
         "unchecked.", _then("target", "draft"), handed=True),
    Plan("speculate, unverified from n", "Guesses are checked before scale n; from there on they "
         "stand unchecked.", _then("speculate", "draft"), handed=True),
)  # fmt: skip
PLANS = {plan.name: plan for plan in _ALL_PLANS}
TO_THE_END = _ALL_PLANS[0].name


@dataclass(frozen=True)
class Asked:
    """A request, the fault to switch on for it, or None, and the models that shall make it, None for the first."""

    request: Request
    fault: str | None = None
    models: Choice | None = None


def asked(choices: dict, scales: int, models: Choice | None = None) -> Asked:
    """What the controls ask for; ``choices`` are fields of a Request and any of ``FURTHER``. RequestError if wrong.

    models: what ``pair``, ``device`` and ``precision`` of the choices mean, and scales those of that pair.
    """
    fields = {name: value for name, value in choices.items() if name not in FURTHER}
    phases = _phases(choices.get("plan", TO_THE_END), choices.get("handover", scales), scales)
    options = _options(fields.get("rule"), choices)
    further = ({"phases": phases} if phases else {}) | ({"options": options} if options else {})
    return Asked(Request(**(fields | further)), _fault(choices.get("fault", NO_FAULT)), models)


def choices_of(request: Request, fault: str | None, scales: int) -> dict:
    """The further choices that ask for this; only those that matter to it, and no plan where none gives its phases."""
    rule, given = RULES.get(request.rule), dict(request.options)
    options = {name: given.get(name, option.default) for name, option in rule.options.items()} if rule else {}
    for plan in PLANS.values():
        for handover in range(1, scales + 1):
            if plan.phases(handover, scales) == request.phases:
                handed = {"handover": handover} if plan.handed else {}
                return {"plan": plan.name, **handed, "fault": fault or NO_FAULT, **options}
    return {"fault": fault or NO_FAULT, **options}


def forked_as(wish: object, events: Sequence[Event]) -> Fork:
    """The Fork that a visitor wishes for a run of these events: a Fork, or its fields with the place of the event among
    all of them, violations too. RequestError if it is none."""
    if isinstance(wish, Fork):
        return wish
    known = isinstance(wish, Mapping) and set(wish) <= set(Fork.__dataclass_fields__)
    if not known or len(repr(wish)) > LONGEST_WISH:
        raise RequestError("The page asked for a fork that cannot be.")
    place = wish.get("event")
    if type(place) is not int or not 0 <= place <= len(events):
        raise RequestError(f"A fork must be at one of the events 1 to {len(events)}.")
    number = sum(not isinstance(event, Violation) for event in events[:place])
    return Fork(**{**wish, "event": number})


def broken_part(fault: str | None) -> BrokenPart | None:
    """What to say of a fault; None without one."""
    if fault is None:
        return None
    found = FAULTS[fault]
    return BrokenPart(name=found.name, sentence=found.sentence, look=found.look)


def _phases(name: object, handover: object, scales: int) -> Phases:
    plan = PLANS.get(name) if isinstance(name, str) else None
    if plan is None:
        raise RequestError(f"Unknown plan {name!r}: choose one of {', '.join(PLANS)}.")
    if not plan.handed:
        return plan.phases(scales, scales)
    number = isinstance(handover, int | float) and not isinstance(handover, bool)
    if not number or not 1 <= handover <= scales or handover != int(handover):
        raise RequestError(f"The scale n of a plan must be a whole number from 1 to {scales}, found {handover!r}.")
    return plan.phases(int(handover), scales)


def _options(rule: object, choices: dict) -> dict:
    """Those options of the rule that are not at their defaults, so that equal runs have equal requests."""
    known = RULES[rule].options if isinstance(rule, str) and rule in RULES else {}
    return {name: choices[name] for name in known if name in choices and choices[name] != known[name].default}


def _fault(name: object) -> str | None:
    if name is None or name == NO_FAULT:
        return None
    if not isinstance(name, str) or name not in FAULTS:
        raise RequestError(f"Unknown fault {name!r}: choose {NO_FAULT} or one of {', '.join(FAULTS)}.")
    return name
