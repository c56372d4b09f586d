"""Sees each call to a service before and after it has had its effect, and does something at one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .operations import Request

When = Literal["before", "after"]
"""Before a call has had its effect; or after it had, and before its answer is delivered."""


class ServiceCall(NamedTuple):
    """A call that a service got: `service` is `blob`, `queue` or `table`."""

    service: str
    request: Request


@dataclass(eq=False)
class Interceptor:
    """Counts the calls, and strikes at one of them, whose caller gets no answer.

    Attributes:
        counts: tells whether a call counts.
        number: at which of them it strikes, from 1; 0 for none.
        when: before the call's effect, or after it.
        strike: what it does.
        calls: the calls counted so far, in the order of arrival.
        struck: the call at which it has struck.
    """

    counts: Callable[[ServiceCall], bool]
    number: int
    when: When
    strike: Callable[[], None]
    calls: list[ServiceCall] = field(default_factory=list)
    struck: ServiceCall | None = None
    _chosen: ServiceCall | None = None

    def before(self, service: str, request: Request) -> bool:
        """Count a call; give whether it is to have no effect, and no answer."""
        call = ServiceCall(service, request)
        if self.struck or not self.counts(call):
            return False
        self.calls.append(call)
        if len(self.calls) == self.number:
            self._chosen = call
            return self.when == "before" and self._strike(call)
        return False

    def after(self, request: Request) -> bool:
        """Note that a call has had its effect; give whether it is to have no answer."""
        chosen = self._chosen
        return chosen is not None and self.when == "after" and chosen.request is request and self._strike(chosen)

    def _strike(self, call: ServiceCall) -> bool:
        self.struck = call
        self.strike()
        return True
