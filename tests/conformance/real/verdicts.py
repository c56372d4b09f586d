"""What can come of a probe, and the errors by which it says that it has none."""

from enum import StrEnum


class Verdict(StrEnum):
    """What comes of a probe."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_SUPPORTED = "not supported here"
    NOT_TRIED = "not tried"
    NOT_SETTLED = "not settled"
    FAILED = "failed"


class NotSupportedError(Exception):
    """The service's own answer shows that it does not do what the probe is about; the message says which."""


class NotSettledError(Exception):
    """What was to be looked at did not occur; the message says what."""


class NotTriedError(Exception):
    """What the probe needs was not given; the message says what."""
