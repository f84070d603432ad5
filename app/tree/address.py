"""The address of a text run: ``?tab=tree``, its settings under the names of a TextRequest, and the event shown.

Addresses come from strangers: every value is checked by itself, and what does not fit is left out and told.
"""

from collections.abc import Mapping

from app.address import LONGEST, MOST_EVENTS, Address
from app.tree.choices import LONGEST_PROMPT, asked_text
from sdvar_core import SDVARError

TAB = "tree"
WORDS = ("prompt", "expansion", "verification", "children", "shape")
FRACTIONS = ("temperature",)


def names_tree(query: Mapping[str, str]) -> bool:
    """Whether the address means the Tree tab."""
    return query.get("tab") == TAB


def read_tree_address(query: Mapping[str, str], defaults: dict) -> Address:
    """The settings that fit beside ``defaults`` and one another, and the event if there is one; nothing of another
    tab's address."""
    settings, refused, event = {}, [], None
    if not names_tree(query):
        return Address({}, None, None)
    for name in defaults:
        if name in query:
            try:
                value = _value(name, query[name])
                asked_text(defaults | settings | {name: value})
                settings[name] = value
            except (SDVARError, ValueError):
                refused.append(name)
    if "event" in query:
        try:
            event = int(_short(query["event"]))
            if not 1 <= event <= MOST_EVENTS:
                raise ValueError
        except ValueError:
            event = None
            refused.append("event")
    notice = f"The address holds values that do not fit and were left out: {', '.join(refused)}." if refused else None
    return Address(settings, event, notice)


def _value(name: str, text: object) -> object:
    if name in WORDS:
        return _short(text, LONGEST_PROMPT if name == "prompt" else LONGEST)
    return float(_short(text)) if name in FRACTIONS else int(_short(text))


def _short(text: object, longest: int = LONGEST) -> str:
    if not isinstance(text, str) or len(text) > longest:
        raise ValueError
    return text
