"""SDVAR: speculative decoding of pictures, exact and watched. The public names."""

from sdvar_core.errors import CheckpointError, ConfigurationError, RequestError, SDVARError, TraceError
from sdvar_core.pairs import Needs, Shelf, check_memory, load_pair, needs
from sdvar_core.phases import Phase
from sdvar_core.presets import PAIRS
from sdvar_core.request import Request
from sdvar_core.scales import Schedule
from sdvar_core.speculative.costs import Costs
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS, DraftLength
from sdvar_core.speculative.faults import FAULTS, Fault
from sdvar_core.speculative.fidelity import Fidelity, fidelity
from sdvar_core.speculative.invariants import INVARIANTS
from sdvar_core.speculative.next_scale import check_request, decode, generate, trace_of
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import RULES, Rule
from sdvar_core.speculative.watch import Invariant
from sdvar_core.trace import (
    Bonus,
    Carried,
    Drafted,
    Event,
    Judged,
    RoundEnd,
    TargetCall,
    Trace,
    Unverified,
    Violation,
)

__all__ = [
    "DRAFT_LENGTHS",
    "FAULTS",
    "INVARIANTS",
    "PAIRS",
    "RULES",
    "Bonus",
    "Carried",
    "CheckpointError",
    "ConfigurationError",
    "Costs",
    "DraftLength",
    "Drafted",
    "Event",
    "Fault",
    "Fidelity",
    "Invariant",
    "Judged",
    "Needs",
    "Pair",
    "Phase",
    "Request",
    "RequestError",
    "RoundEnd",
    "Rule",
    "SDVARError",
    "Schedule",
    "Shelf",
    "TargetCall",
    "Trace",
    "TraceError",
    "Unverified",
    "Violation",
    "check_memory",
    "check_request",
    "decode",
    "fidelity",
    "generate",
    "load_pair",
    "needs",
    "trace_of",
]
