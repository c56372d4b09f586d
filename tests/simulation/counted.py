"""Counting the calls that an app makes, by what invoked it and by what is called."""

import inspect
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from tests.conformance.in_memory import PromptCalls
from tests.simulation.calls import CURRENT
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of, simulated, source_disks

NO_REQUEST = {"Reader.signed_url", "simulated.<lambda>"}
"""To sign a URL with a key, and to wait, take no request."""


class CountedCalls(PromptCalls):
    """Calls that take effect when they are made, and are counted.

    Attributes:
        counts: for each function, how many calls it has made of each kind.
    """

    def __init__(self, passed: Callable[[], None]) -> None:
        super().__init__(random.Random(0), passed, (), rate=0)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    async def read[Result](self, effect: Callable[[], Result]) -> Result:
        self._count()
        return await super().read(effect)

    async def change[Result](self, effect: Callable[[], Result]) -> Result:
        self._count()
        return await super().change(effect)

    def _count(self) -> None:
        """Count a call by the method that makes it, which stands for an operation of the service."""
        frame = inspect.currentframe()
        while frame and frame.f_code.co_name in {"_count", "read", "change"} and "Calls" in frame.f_code.co_qualname:
            frame = frame.f_back
        assert frame
        called = frame.f_code.co_qualname.removeprefix("Simulated").replace("._", ".")
        if called not in NO_REQUEST:
            self.counts[CURRENT.get().name.partition(" ")[0]][called] += 1


class CountedScene(Scene):
    """A scene whose calls are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = CountedCalls(self.world.call_passed)
        self.services = simulated(self.world, self.calls, settings_of(source_disks({self.disk.url: "incremental"})))

    def counted(self) -> Mapping[str, Mapping[str, int]]:
        """Give what was counted since the last time."""
        counts = {name: dict(kinds) for name, kinds in self.calls.counts.items()}
        self.calls.counts.clear()
        return counts
