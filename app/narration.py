"""One plain sentence about an event, for a bright student. Scales are counted from 1 in anything a person reads."""

from collections.abc import Sequence

from sdvar_core import (
    Bonus,
    Carried,
    Drafted,
    Event,
    Fork,
    Judged,
    Request,
    RoundEnd,
    Schedule,
    TargetCall,
    Trace,
    Unverified,
    Violation,
)

PROPOSED = Drafted | Carried


def sentence(events: Sequence[Event], request: Request, schedule: Schedule) -> str:
    """What the last of ``events`` of a run did; the ones before it give the context."""
    event = events[-1]
    this_round = [earlier for earlier in events if earlier.round == event.round]
    if isinstance(event, Drafted):
        return _drafted(event, schedule, request.carry_over == "refreshed" and _answered(event, events))
    if isinstance(event, Carried):
        return f"Scale {event.scale + 1}: the guess is what the target thought in its last call; no draft forward."
    if isinstance(event, Unverified):
        return f"Scale {event.scale + 1} stands as the draft guessed it: no target call checks it."
    if isinstance(event, Violation):
        return f"The invariant “{event.invariant}” does not hold. {event.sentence}"
    if isinstance(event, TargetCall):
        return _target_call(event)
    if isinstance(event, Judged):
        return _judged(event, this_round)
    if isinstance(event, Bonus):
        return _bonus(event, this_round)
    return _round_end(event, events, schedule)


def fork_sentence(events: Sequence[Event], forks: Sequence[Fork]) -> str:
    """What a person chose otherwise at the last of ``events``, the first of its run that may be another."""
    event, told = events[-1], []
    for fork in forks:
        if fork.token is not None:
            where = f" of scale {event.scale + 1}" if isinstance(event, Judged) else ""
            told.append(f"here the verdict of token {fork.token + 1}{where} was overturned by hand")
        if fork.rule is not None or fork.options is not None:
            rule = "its rule" if fork.rule is None else f"rule {fork.rule}"
            options = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in fork.options or ())
            told.append(f"from here on {rule} judges" + (f" with {options}" if options else ""))
        if fork.gamma is not None:
            told.append(f"γ is {fork.gamma} from the next round on")
    return f"Forked at event {len(events)}: {', and '.join(told) or 'nothing is changed'}."


def comparison(trace: Trace, alone: Trace) -> str:
    """What the finished run cost in time beside the target alone, said plainly; empty if the target was alone."""
    if not trace.draft_calls:
        return ""
    together, single = trace.draft_seconds + trace.target_seconds, alone.target_seconds
    verdict = "fewer calls, and less time" if together < single else "on this computer fewer calls are not less time"
    if trace.target_calls >= trace.baseline_calls:
        verdict = "no call was saved"
    return f"Models ran {1000 * together:.0f} ms, the target alone {1000 * single:.0f} ms: {verdict}."


def count(number: int, noun: str) -> str:
    """``1 token``, ``2 tokens``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def scales(first: int, last: int) -> str:
    """Scales ``first`` to ``last``, counted from 0, in the words of a person: ``scale 4``, ``scales 4 to 6``."""
    if first == last:
        return f"scale {first + 1}"
    return f"scales {first + 1} {'and' if last == first + 1 else 'to'} {last + 1}"


def _drafted(event: Drafted, schedule: Schedule, refreshed: bool) -> str:
    guess = f"guesses {scales(event.scale, event.scale)}: {count(schedule.lengths[event.scale], 'token')}"
    if refreshed:
        guess += ", corrected by what the target said of it in its last call"
    if event.read_from == event.scale:
        return f"The draft {guess}."
    return f"The draft reads {scales(event.read_from, event.scale - 1)}, which its cache misses, and {guess}."


def _answered(event: Drafted, events: Sequence[Event]) -> bool:
    """Whether the last round left an answer for the scale: it was proposed there and thrown away."""
    last = next((one for one in reversed(events) if isinstance(one, RoundEnd)), None)
    return last is not None and last.committed <= event.scale < last.committed + last.discarded


def _target_call(event: TargetCall) -> str:
    last = event.stop - 1
    if event.read_from < event.start:
        anew = scales(event.read_from, event.start - 1)
        return f"Call {event.number} reads {anew} anew and answers for {scales(event.start, last)}."
    if last == event.start:
        return f"Call {event.number} reads {scales(last, last)}: the target draws it alone."
    checked, free = scales(event.start, last - 1), scales(last, last)
    together = " at once" if last - event.start > 1 else ""
    return f"Call {event.number} checks {checked}{together}; if all pass, {free} comes free."


def _judged(event: Judged, this_round: Sequence[Event]) -> str:
    total, kept = event.kept.size, int(event.kept.sum())
    name = f"Scale {event.scale + 1}"
    if kept == total:
        return f"{name} keeps its only token." if total == 1 else f"{name} keeps all of its {total} tokens."
    changed = int((event.tokens != event.drafted).sum())
    told = f"{name} keeps {kept} of its {total} tokens; {changed} {'is' if changed == 1 else 'are'} corrected"
    if total == 1 and changed:
        told = f"{name} loses its only token: it is corrected"
    if bool(event.passed.all()):
        return f"{told}, and it passes all the same."
    later = [one.scale for one in this_round if isinstance(one, PROPOSED) and one.scale > event.scale]
    if not later:
        return f"{told}."
    return f"{told}, so {scales(later[0], later[-1])} {'is' if len(later) == 1 else 'are'} thrown away."


def _bonus(event: Bonus, this_round: Sequence[Event]) -> str:
    own = scales(event.scale, event.scale)
    if not any(isinstance(one, PROPOSED) for one in this_round):
        return f"The target draws {own} itself: {count(event.tokens.size, 'token')}."
    return f"Every guess passed, so the same call also gives {own} for free."


def _round_end(event: RoundEnd, events: Sequence[Event], schedule: Schedule) -> str:
    if event.committed == len(schedule):
        calls = sum(isinstance(one, TargetCall) for one in events)
        return f"The picture is finished: {count(calls, 'target call')}; the target alone needs {len(schedule)}."
    done = f"Round {event.round} ends: {count(event.committed, 'scale')} of {len(schedule)} final"
    forgotten = [
        f"the {name}'s {before - after}"
        for name, (before, after) in (("draft", event.draft_cache), ("target", event.target_cache))
        if before > after
    ]
    if not forgotten:
        return f"{done}; both caches stay as they are."
    return f"{done}; of the scales in its cache, {' and '.join(forgotten)} roll back."
