"""The address bar: a run's settings and the event that is shown, as query parameters.

The names are those of the endpoint ``/generate``, and ``event``, counted from 1. Addresses come from strangers: every
value is checked by itself, and what does not fit is left out and told in one sentence that repeats none of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sdvar_core import Pair, Request, SDVARError, check_request

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
NUMBERS = ("seed", "gamma", "top_k")
FRACTIONS = ("guidance", "temperature", "top_p")
FLAGS = {"true": True, "false": False}
LONGEST = 64  # characters of a value
MOST_EVENTS = 10_000


@dataclass(frozen=True)
class Address:
    """What an address asks for. settings: those that it names and that fit. event: to make the run up to, or None."""

    settings: dict
    event: int | None
    notice: str | None


def read_address(query: Mapping[str, str], defaults: dict, pair: Pair) -> Address:
    """The settings that fit beside ``defaults`` and one another, and the event if there is one."""
    settings, refused, event = {}, [], None
    if "tab" in query:
        return Address({}, None, None)  # it means a run of another tab
    for name, setting in PARAMETERS.items():
        if name in query:
            try:
                value = _value(setting, query[name], pair)
                check_request(pair, Request(**(defaults | settings | {setting: value})))
                settings[setting] = value
            except (SDVARError, ValueError, KeyError):
                refused.append(name)
    if "event" in query:
        try:
            event = _event(query["event"])
        except ValueError:
            refused.append("event")
    notice = f"The address holds values that do not fit and were left out: {', '.join(refused)}." if refused else None
    return Address(settings, event, notice)


def _value(setting: str, text: object, pair: Pair) -> object:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError
    if setting in NUMBERS:
        return int(text)
    if setting in FRACTIONS:
        return float(text)
    if setting == "carry_over":
        return FLAGS[text]
    if setting == "label":
        return pair.class_names[pair.class_index(text)]
    return text


def _event(text: object) -> int:
    if not isinstance(text, str) or len(text) > LONGEST or not 1 <= int(text) <= MOST_EVENTS:
        raise ValueError
    return int(text)
