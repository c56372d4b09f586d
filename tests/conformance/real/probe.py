"""A probe: one assumption about Azure, and what is asked of the service to settle it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.conformance.real.ground import Ground
from tests.conformance.real.verdicts import Verdict
from tests.conformance.real.witness import Seen


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe.

    Attributes:
        name: what it is called, on the command line too.
        assumed: what Tidemark takes for granted, in words.
        otherwise: what happens to backups or restores where it is not so.
        run: asks the service; tells whether it is as assumed.
    """

    name: str
    assumed: str
    otherwise: str
    run: Callable[[Ground, Seen], Awaitable[bool]]


@dataclass(slots=True)
class Finding:
    """What came of a probe, or of one statement of the conformance suite."""

    name: str
    verdict: Verdict
    assumed: str = ""
    otherwise: str = ""
    seen: list[str] = field(default_factory=list)
    seconds: float = 0.0
