"""The exception tree. Every message says what was found, what was expected and what to do.

SDVARError
├── RequestError        a setting of a run is wrong: unknown class, NaN guidance, gamma out of range
├── ConfigurationError  a model configuration contradicts itself
├── CheckpointError     a weights file is missing, truncated, foreign or does not fit its configuration
└── TraceError          a trace file is truncated, foreign, too new, or breaks one of its own identities
"""


class SDVARError(ValueError):
    """Base of all errors that SDVAR raises on purpose; its text is one clear sentence for a person."""


class RequestError(SDVARError):
    """A setting of a run is wrong."""


class ConfigurationError(SDVARError):
    """A model configuration contradicts itself."""


class CheckpointError(SDVARError):
    """A weights file is missing, truncated, foreign or does not fit its configuration."""


class TraceError(SDVARError):
    """A trace file is truncated, foreign, too new, or breaks one of its own identities."""
