"""Every call to a simulated service: when it gets its turn, and what befalls it. The seed decides both."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from azure.core.exceptions import AzureError, IncompleteReadError, ServiceResponseError

from tests.simulation.refusals import refusal


class Crash(BaseException):
    """The process of an invocation died."""


@dataclass(eq=False)
class Invocation:
    """One invocation of a function.

    Attributes:
        name: what it was started with.
        began: when, UTC.
        dead: whether its process has died: none of its calls does anything any more.
        paused: whether it hangs: none of its calls gets its turn.
        errors: how many of its calls the service has answered with an error by chance.
    """

    name: str
    began: datetime
    dead: bool = False
    paused: bool = False
    errors: int = 0


class Fate(NamedTuple):
    """What befalls a call.

    Attributes:
        now: how often it takes effect at once; twice where the SDK has sent it again since the answer was lost.
        later: whether it takes effect some time afterwards too.
        end: what its caller sees: an `answer`, an `error`, or nothing since it is dead (`crash`).
    """

    now: int
    later: bool
    end: str

    @property
    def kind(self) -> str:
        """Name it, for a count of what was tried."""
        if self.later:
            return "late"
        if self.end == "crash":
            return "crash after" if self.now else "crash before"
        return "error" if self.end == "error" else "sent twice"


FINE = Fate(1, later=False, end="answer")
READ_FATES = (Fate(0, later=False, end="crash"), Fate(0, later=False, end="error"))
CHANGE_FATES = (
    *READ_FATES,
    Fate(1, later=False, end="crash"),
    Fate(0, later=True, end="crash"),
    Fate(1, later=False, end="error"),
    Fate(0, later=True, end="error"),
    Fate(2, later=False, end="answer"),
    Fate(1, later=True, end="answer"),
)
"""What may befall a call that changes something (REST: Put Page, on the outcome of a request that timed out)."""

CURRENT: ContextVar[Invocation] = ContextVar("CURRENT")


class _Waiting(NamedTuple):
    invocation: Invocation
    turn: asyncio.Future[None]


@dataclass
class Calls:
    """The calls that are under way, and those that are still to take effect.

    Attributes:
        rng: what the seed decides.
        passed: told of each call that gets its turn; advances the clock.
        fates: what befalls the calls that go wrong.
        rate: how many of the calls go wrong, 0 to 1.
        waiting: the calls that wait for their turn.
        late: the calls of the dead, and of those that have given up on them, by their numbers.
        befell: how many calls each kind of fault has befallen.
    """

    rng: random.Random
    passed: Callable[[], None]
    fates: Sequence[Fate]
    rate: float
    waiting: list[_Waiting] = field(default_factory=list)
    late: dict[int, Callable[[], object]] = field(default_factory=dict)
    befell: Counter[str] = field(default_factory=Counter)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def read[Result](self, effect: Callable[[], Result]) -> Result:
        """Make a call that changes nothing."""
        return await self._call(effect, [fate for fate in self.fates if fate in READ_FATES])

    async def change[Result](self, effect: Callable[[], Result]) -> Result:
        """Make a call that changes something."""
        return await self._call(effect, self.fates)

    def ready(self) -> list[_Waiting]:
        """Give the calls that may have their turn."""
        return [waiting for waiting in self.waiting if not (waiting.invocation.paused or waiting.turn.done())]

    def give_turn(self) -> None:
        """Let one of the waiting calls go on."""
        chosen = self.rng.choice(self.ready())
        self.waiting.remove(chosen)
        chosen.turn.set_result(None)

    def gives_up(self) -> bool:
        """Decide whether the service gives up on a listing here."""
        gives_up = self.rng.random() < self.rate
        self.befell["listing given up"] += gives_up
        return gives_up

    def land(self) -> None:
        """Let one of the late calls take effect."""
        effect = self.late.pop(self.rng.choice(sorted(self.late)))
        with contextlib.suppress(Exception):
            effect()

    async def _call[Result](self, effect: Callable[[], Result], fates: Sequence[Fate]) -> Result:
        number = next(self._numbers)
        fate = self.rng.choice(fates) if fates and self.rng.random() < self.rate else FINE
        error = self._error() if fate.end == "error" else None
        invocation = CURRENT.get()
        try:
            await self._turn(invocation)
        except asyncio.CancelledError:
            if fate.later:
                self.late[number] = effect
            raise
        self.passed()
        if fate is not FINE:
            self.befell[fate.kind] += 1
        if fate.later:
            self.late[number] = effect
        if fate.end == "answer":
            for _ in range(fate.now - 1):
                with contextlib.suppress(Exception):
                    effect()
            return effect()
        for _ in range(fate.now):
            with contextlib.suppress(Exception):
                effect()
        if error:
            invocation.errors += 1
            raise error
        self.kill(invocation)
        raise Crash

    async def _turn(self, invocation: Invocation) -> None:
        if invocation.dead:
            raise Crash
        waiting = _Waiting(invocation, asyncio.get_running_loop().create_future())
        self.waiting.append(waiting)
        try:
            await waiting.turn
        finally:
            if waiting in self.waiting:
                self.waiting.remove(waiting)

    def kill(self, invocation: Invocation) -> None:
        """End an invocation's process: whatever it waits for never comes."""
        invocation.dead = True
        for waiting in [waiting for waiting in self.waiting if waiting.invocation is invocation]:
            self.waiting.remove(waiting)
            if not waiting.turn.done():
                waiting.turn.set_exception(Crash())

    def _error(self) -> AzureError:
        lost, cut_short = ServiceResponseError("the answer was lost"), IncompleteReadError("the answer was cut short")
        told_at_length = refusal(502, "")
        told_at_length.message = "<p>Bad gateway</p>" * 5000  # as a proxy may: more than a table takes in a text
        busy = refusal(500, "InternalError"), refusal(503, "ServerBusy")
        return self.rng.choice((*busy, lost, cut_short, told_at_length))
