"""One plain sentence about an event of a text run, for a bright student."""

from collections.abc import Sequence

from app.narration import count
from sdvar_core import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextEvent,
    TextRequest,
    TreeCall,
    TreeCommit,
    TreeDrafted,
    Violation,
)

NAMES = {0: "the zero byte", 9: "a tab", 10: "a new line", 13: "a carriage return", 32: "a space"}


def byte_name(token: int) -> str:
    """A byte as a person reads it: “a”, a space, byte E9."""
    if token in NAMES:
        return NAMES[token]
    return f"“{chr(token)}”" if 32 < token < 127 else f"byte {token:02X}"


def told(events: Sequence[TextEvent], request: TextRequest) -> str:
    """What the last of ``events`` did; the ones before it, of the same round at least, give the context."""
    event = events[-1]
    if isinstance(event, PromptRead):
        return _prompt(event)
    if isinstance(event, Violation):
        return f"The invariant “{event.invariant}” does not hold. {event.sentence}"
    if isinstance(event, TreeDrafted):
        return _drafted(event)
    if isinstance(event, TreeCall):
        return _call(event)
    this_round = [earlier for earlier in events if getattr(earlier, "round", 0) == event.round]
    tree = next(earlier for earlier in this_round if isinstance(earlier, TreeDrafted))
    if isinstance(event, ChildJudged):
        return _judged(event, tree, request)
    if isinstance(event, BonusToken):
        return _bonus(event, this_round, tree)
    return _commit(event, request)


def _prompt(event: PromptRead) -> str:
    last = byte_name(int(event.tokens[-1]))
    if len(event.tokens) == 1:
        return f"The text begins with {last}, which is the root of the first tree."
    return f"The target reads the prompt of {len(event.tokens)} bytes; the last, {last}, is the root of the first tree."


def _drafted(event: TreeDrafted) -> str:
    root = byte_name(int(event.tokens[0]))
    if not event.drafted:
        return f"Nothing is drafted after {root}: the target alone gives the next byte."
    levels, forwards = max(event.topology.depths), count(event.calls, "forward")
    deep = f", {count(levels, 'level')} deep" if event.drafted > 1 else ""
    return f"After {root} the draft guesses {count(event.drafted, 'node')}{deep}, in {forwards}."


def _call(event: TreeCall) -> str:
    nodes = len(event.probability)
    if nodes == 1:
        return f"Call {event.number} reads the last byte."
    if event.states > 1:
        return f"Call {event.number} reads the {nodes} nodes one after the other, and keeps {event.states} states."
    return f"Call {event.number} reads all {nodes} nodes in one pass, each along its own path, on one state."


def _judged(event: ChildJudged, tree: TreeDrafted, request: TextRequest) -> str:
    guess = byte_name(event.token)
    if request.greedy:
        test = f"it is {'' if event.accepted else 'not '}the target's likeliest byte"
    else:
        test = f"luck {event.luck:.3f} is {'below' if event.accepted else 'not below'} the chance {event.chance:.3f}"
    if event.accepted:
        return f"{_capital(guess)} is accepted: {test}."
    below = sum(1 for node in range(len(tree.tokens)) if event.node in tree.topology.path(node)[:-1])
    gone = f" {_capital(count(below, 'node'))} below it {'goes' if below == 1 else 'go'} with it." if below else ""
    return f"{_capital(guess)} is rejected: {test}.{gone}"


def _bonus(event: BonusToken, this_round: Sequence[TextEvent], tree: TreeDrafted) -> str:
    token, here = byte_name(event.token), byte_name(int(tree.tokens[event.node]))
    tried = sum(isinstance(one, ChildJudged) and one.parent == event.node for one in this_round)
    if tried:
        return f"No guess after {here} is accepted, so the target writes {token} there."
    if not tree.drafted:
        return f"The target writes {token}."
    return f"The path is accepted to its end, so the same call gives {token} as a bonus."


def _commit(event: TreeCommit, request: TextRequest) -> str:
    written = event.text - len(request.prompt_bytes)
    if written >= request.length:
        return f"The text is finished: {count(event.round, 'target call')}; the target alone needs {request.length}."
    before, after = event.state
    dropped = f"; {count(event.rolled_back, 'node')} rolled back" if event.rolled_back else ""
    bytes_written = count(len(event.tokens), "byte")
    verb = "becomes" if len(event.tokens) == 1 else "become"
    return f"{bytes_written} {verb} text: the state holds {after} after {before}{dropped}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
