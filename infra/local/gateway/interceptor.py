"""Intercepting calls to a service before or after they take effect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .operations import Request

When = Literal["before", "after"]
"""Before a call takes effect; or after it has, and before its answer is delivered."""


class ServiceCall(NamedTuple):
    """A call to a service: `blob`, `queue` or `table`."""

    service: str
    request: Request


@dataclass(eq=False)
class Interceptor:
    """Counts calls, and strikes at one of them, whose caller gets no answer.

    Attributes:
        counts: returns whether to count a call.
        number: the number of the call to strike at, from 1; 0 for none.
        when: whether to strike before or after the call takes effect.
        strike: what to do.
        calls: the calls counted so far, in order of arrival.
        struck: the call it has struck at.
    """

    counts: Callable[[ServiceCall], bool]
    number: int
    when: When
    strike: Callable[[], None]
    calls: list[ServiceCall] = field(default_factory=list)
    struck: ServiceCall | None = None
    _chosen: ServiceCall | None = None

    def before(self, service: str, request: Request) -> bool:
        """Count a call; return whether it must have no effect and no answer."""
        call = ServiceCall(service, request)
        if self.struck or not self.counts(call):
            return False
        self.calls.append(call)
        if len(self.calls) == self.number:
            self._chosen = call
            return self.when == "before" and self._strike(call)
        return False

    def after(self, request: Request) -> bool:
        """Note that a call has taken effect; return whether it must have no answer."""
        chosen = self._chosen
        return chosen is not None and self.when == "after" and chosen.request is request and self._strike(chosen)

    def _strike(self, call: ServiceCall) -> bool:
        self.struck = call
        self.strike()
        return True
