"""The address bar: a run's settings and the event that is shown, as query parameters.

The names are those of the endpoint ``/generate``, those of the further choices (``plan``, ``handover``, ``fault``,
``pair``, ``device``, ``precision``, and the options of the rule), ``event``, counted from 1, and ``fork``. A fork is
``12*rule-token*gamma-2*token-5``: at event 12, with any of the rest, an option of the rule being ``name-number``;
several forks are joined by ``**``.
Addresses come from strangers: every value is checked by itself, and what does not fit is left out and told in one
sentence that repeats none of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.choices import FURTHER, OPTIONS, asked
from app.menu import MODELS, Menu
from sdvar_core import RULES, Fork, Outline, Request, RequestError, SDVARError, check_request

# Query parameter → setting, in the order in which they are taken.
PARAMETERS = {
    "world": "label",
    "seed": "seed",
    "rule": "rule",
    "gamma": "gamma",
    "draft_length": "draft_length",
    "guidance": "guidance",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "carry_over": "carry_over",
}
NUMBERS = ("seed", "gamma", "top_k", "handover")
FRACTIONS = ("guidance", "temperature", "top_p", *OPTIONS)
FLAGS = {"true": "stale", "false": "off"}  # as addresses once had it
LONGEST = 64  # characters of a value
LONGEST_FORK = 512
MOST_EVENTS = 10_000


@dataclass(frozen=True)
class Address:
    """What an address asks for. settings: those that it names and that fit. event: to make the run up to, or None.
    forks: of the run, to be shown beside the run that it left."""

    settings: dict
    event: int | None
    notice: str | None
    forks: tuple[Fork, ...] = ()


def read_address(query: Mapping[str, str], defaults: dict, menu: Menu) -> Address:
    """The settings that fit beside ``defaults`` and one another, and the event and the forks if there are any."""
    if "tab" in query:
        return Address({}, None, None)  # it means a run of another tab
    settings, refused = _models(query, menu)
    pair, event, forks = menu.outline(settings), None, ()
    if settings.get("pair", menu.first.name) != menu.first.name:
        settings["label"] = pair.class_names[0]  # what is the default here is no class there
    for name, setting in (PARAMETERS | {name: name for name in FURTHER if name not in MODELS}).items():
        if name in query:
            try:
                value = _value(setting, query[name], pair)
                _checked(defaults | settings, setting, value, pair)
                settings[setting] = value
            except (SDVARError, ValueError, KeyError):
                refused.append(name)
    try:
        event = _event(query["event"]) if "event" in query else None
    except ValueError:
        refused.append("event")
    try:
        forks = _forks(query["fork"]) if "fork" in query else ()
        check_request(pair, replace(_request(defaults | settings, pair), forks=forks))
    except (SDVARError, ValueError, TypeError):
        refused, forks = [*refused, "fork"] if "fork" in query else refused, ()
    notice = f"The address holds values that do not fit and were left out: {', '.join(refused)}." if refused else None
    return Address(settings, event, notice, forks)


def _models(query: Mapping[str, str], menu: Menu) -> tuple[dict, list[str]]:
    """The models that the address names, as far as they are to be had here, and the parameters that are not."""
    settings, refused = {}, []
    for name in (name for name in MODELS if name in query):
        try:
            menu.chosen(settings | {name: query[name]})
            settings[name] = query[name]
        except SDVARError:
            refused.append(name)
    return settings, refused


def _request(settings: dict, pair: Outline) -> Request:
    return asked(settings, len(pair.schedule)).request


def _checked(settings: dict, setting: str, value: object, pair: Outline) -> None:
    """SDVARError if a value does not fit beside the other settings, or means nothing beside them."""
    rule = RULES[settings.get("rule", Request().rule)]
    if setting in OPTIONS and setting not in rule.options:
        raise RequestError(f"Rule {rule.name!r} has no option {setting!r}.")
    if setting == "handover" and not 1 <= value <= len(pair.schedule):
        raise RequestError(f"There is no scale {value}.")
    check_request(pair, _request(settings | {setting: value}, pair))


def _value(setting: str, text: object, pair: Outline) -> object:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError
    if setting in NUMBERS:
        return int(text)
    if setting in FRACTIONS:
        return float(text)
    if setting == "carry_over":
        return FLAGS.get(text, text)
    if setting == "label":
        return pair.class_names[pair.class_index(text)]
    return text


def _event(text: object) -> int:
    if not isinstance(text, str) or len(text) > LONGEST or not 1 <= int(text) <= MOST_EVENTS:
        raise ValueError
    return int(text)


def _forks(text: object) -> tuple[Fork, ...]:
    if not isinstance(text, str) or len(text) > LONGEST_FORK:
        raise ValueError
    return tuple(_fork(one) for one in text.split("**"))


def _fork(text: str) -> Fork:
    event, *parts = text.split("*")
    fields, options = {}, {}
    for part in parts:
        name, _, value = part.partition("-")
        if name == "rule":
            fields["rule"] = value
        elif name == "gamma":
            fields["gamma"] = int(value)
        elif name == "token":
            fields["token"] = int(value) - 1
        else:
            options[name] = float(value)
    return Fork(_event(event) - 1, **fields, **({"options": options} if options else {}))
