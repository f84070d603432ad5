"""SDVAR: speculative decoding of pictures and of text, exact and watched. The public names."""

from sdvar_core.carry_over import CARRY_OVERS
from sdvar_core.errors import CheckpointError, ConfigurationError, RequestError, SDVARError, TraceError
from sdvar_core.events import Bonus, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Unverified, Violation
from sdvar_core.footprint import Needs, check_fits, needs
from sdvar_core.official.hub import gigabytes
from sdvar_core.pairs import Shelf, load_pair, outline
from sdvar_core.phases import Phase
from sdvar_core.placement import Placement, choose, devices, precisions
from sdvar_core.presets import PAIRS, TEXT_PAIRS
from sdvar_core.request import Fork, Request
from sdvar_core.scales import Schedule
from sdvar_core.speculative.costs import Costs
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS, DraftLength
from sdvar_core.speculative.faults import FAULTS, Fault
from sdvar_core.speculative.fidelity import Fidelity, fidelity
from sdvar_core.speculative.invariants import INVARIANTS
from sdvar_core.speculative.next_scale import (
    check_request,
    decode,
    fork,
    forked,
    generate,
    is_exact,
    trace_of,
)
from sdvar_core.speculative.pair import Outline, Pair
from sdvar_core.speculative.rules import RULES, Rule
from sdvar_core.speculative.text_pair import TextPair
from sdvar_core.speculative.tree import DraftTree, FlatTree, flat_tree
from sdvar_core.speculative.tree_decode import decode_text, generate_text, text_trace_of
from sdvar_core.speculative.tree_faults import TREE_FAULTS
from sdvar_core.speculative.tree_invariants import TREE_INVARIANTS
from sdvar_core.speculative.tree_judging import CHILDREN
from sdvar_core.speculative.tree_shape import TREE_SHAPES
from sdvar_core.speculative.watch import Invariant
from sdvar_core.text_events import (
    BonusToken,
    ChildJudged,
    PromptRead,
    TextEvent,
    TreeCall,
    TreeCommit,
    TreeDrafted,
)
from sdvar_core.text_request import TextRequest
from sdvar_core.text_trace import TextTrace
from sdvar_core.topology import Topology
from sdvar_core.trace import Trace

__all__ = [
    "CARRY_OVERS",
    "CHILDREN",
    "DRAFT_LENGTHS",
    "FAULTS",
    "INVARIANTS",
    "PAIRS",
    "RULES",
    "TEXT_PAIRS",
    "TREE_FAULTS",
    "TREE_INVARIANTS",
    "TREE_SHAPES",
    "Bonus",
    "BonusToken",
    "Carried",
    "CheckpointError",
    "ChildJudged",
    "ConfigurationError",
    "Costs",
    "DraftLength",
    "DraftTree",
    "Drafted",
    "Event",
    "Fault",
    "Fidelity",
    "FlatTree",
    "Fork",
    "Invariant",
    "Judged",
    "Needs",
    "Outline",
    "Pair",
    "Phase",
    "Placement",
    "PromptRead",
    "Request",
    "RequestError",
    "RoundEnd",
    "Rule",
    "SDVARError",
    "Schedule",
    "Shelf",
    "TargetCall",
    "TextEvent",
    "TextPair",
    "TextRequest",
    "TextTrace",
    "Topology",
    "Trace",
    "TraceError",
    "TreeCall",
    "TreeCommit",
    "TreeDrafted",
    "Unverified",
    "Violation",
    "check_fits",
    "check_request",
    "choose",
    "decode",
    "decode_text",
    "devices",
    "fidelity",
    "flat_tree",
    "fork",
    "forked",
    "generate",
    "generate_text",
    "gigabytes",
    "is_exact",
    "load_pair",
    "needs",
    "outline",
    "precisions",
    "text_trace_of",
    "trace_of",
]
