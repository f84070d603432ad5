"""SDVAR: speculative decoding of pictures, exact and watched. The public names."""

from sdvar_core.checkpoints import load_pair
from sdvar_core.errors import CheckpointError, ConfigurationError, RequestError, SDVARError, TraceError
from sdvar_core.phases import Phase
from sdvar_core.presets import PAIRS
from sdvar_core.request import Request
from sdvar_core.scales import Schedule
from sdvar_core.speculative.draft_length import DRAFT_LENGTHS, DraftLength
from sdvar_core.speculative.next_scale import check_request, decode, generate, trace_of
from sdvar_core.speculative.pair import Pair
from sdvar_core.speculative.rules import RULES, Rule
from sdvar_core.trace import Bonus, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Trace, Unverified

__all__ = [
    "DRAFT_LENGTHS",
    "PAIRS",
    "RULES",
    "Bonus",
    "Carried",
    "CheckpointError",
    "ConfigurationError",
    "DraftLength",
    "Drafted",
    "Event",
    "Judged",
    "Pair",
    "Phase",
    "Request",
    "RequestError",
    "RoundEnd",
    "Rule",
    "SDVARError",
    "Schedule",
    "TargetCall",
    "Trace",
    "TraceError",
    "Unverified",
    "check_request",
    "decode",
    "generate",
    "load_pair",
    "trace_of",
]
