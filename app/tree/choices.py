"""What the controls of the Tree tab say: a text request within the page's limits, and a fault; and back again."""

from dataclasses import asdict

from app.choices import NO_FAULT, Asked, BrokenPart
from sdvar_core import CHILDREN, TREE_FAULTS, TREE_SHAPES, RequestError, TextRequest

LONGEST_PROMPT = 2000  # bytes
LONGEST_TEXT = 400  # bytes
MOST_NODES = 64  # of the slider; 0 keeps all
EXPANSIONS = {
    "full": "Every node gets topk children: topk + topk² + … nodes.",
    "linear": "Each level keeps the topk best: topk nodes a level.",
}
VERIFICATIONS = {
    "tree": "One pass over the whole tree; one state, whatever the tree.",
    "nodes": "One node after the other, with a state each: the slow way, to compare with.",
}


def asked_text(choices: dict) -> Asked:
    """What the controls ask for; ``choices`` are fields of a TextRequest, nodes = 0 meaning all, and ``fault``.

    RequestError with one sentence if they are wrong or more than the page allows.
    """
    fields = {name: value for name, value in choices.items() if name != "fault"}
    if type(fields.get("nodes")) in (int, float) and fields["nodes"] == 0:
        fields["nodes"] = None
    if fields.get("prompt") is None:
        fields["prompt"] = ""
    request = TextRequest(**fields)
    if request.length > LONGEST_TEXT:
        raise RequestError(f"This page writes at most {LONGEST_TEXT} bytes, found length {request.length}.")
    if len(request.prompt_bytes) > LONGEST_PROMPT:
        found = len(request.prompt_bytes)
        raise RequestError(f"A prompt on this page holds at most {LONGEST_PROMPT} bytes, found {found}: shorten it.")
    for name, known in (("children", CHILDREN), ("shape", TREE_SHAPES)):
        if getattr(request, name) not in known:
            raise RequestError(f"{name} must be one of {', '.join(known)}, found {getattr(request, name)!r}.")
    return Asked(request, _fault(choices.get("fault", NO_FAULT)))


def choices_of_text(request: TextRequest, fault: str | None) -> dict:
    """The choices that ask for this; a prompt of bytes as the text that it is, bytes that are not UTF-8 as �."""
    prompt = request.prompt
    if isinstance(prompt, bytes):
        prompt = prompt.decode("utf-8", errors="replace")
    return asdict(request) | {"prompt": prompt, "nodes": request.nodes or 0, "fault": fault or NO_FAULT}


def broken_tree_part(fault: str | None) -> BrokenPart | None:
    """What to say of a tree fault; None without one."""
    if fault is None:
        return None
    found = TREE_FAULTS[fault]
    return BrokenPart(name=found.name, sentence=found.sentence, look=found.look)


def _fault(name: object) -> str | None:
    if name is None or name == NO_FAULT:
        return None
    if not isinstance(name, str) or name not in TREE_FAULTS:
        raise RequestError(f"Unknown fault {name!r}: choose {NO_FAULT} or one of {', '.join(TREE_FAULTS)}.")
    return name
