"""What takes time: done after so many looks at it, or when a test says so."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .arm_errors import ArmError


@dataclass(eq=False, slots=True)
class Progress:
    """How far something is that takes time.

    Attributes:
        looks: the number of looks at it that still find it under way.
        is_held: whether it is under way until a test releases it.
        failure: why it fails at its end; None if it succeeds.
        at_end: what to do when it ends.
    """

    looks: int = 0
    is_held: bool = False
    failure: ArmError | None = None
    at_end: Callable[[], None] | None = None
    _has_ended: bool = field(default=False, init=False)

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._has_ended

    def look(self) -> bool:
        """Look at it once; return whether it is done."""
        if not self._has_ended and not self.is_held:
            if self.looks <= 0:
                self._end()
            self.looks -= 1
        return self._has_ended

    def release(self) -> None:
        """End it."""
        self.is_held = False
        self.looks = 0
        if not self._has_ended:
            self._end()

    def _end(self) -> None:
        self._has_ended = True
        if self.at_end and self.failure is None:
            self.at_end()


def done() -> Progress:
    """Make the progress of what is done already."""
    progress = Progress()
    progress.release()
    return progress
