"""What came of the histories that were played."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Outcome(NamedTuple):
    """What came of one history.

    Attributes:
        seed: its seed.
        failure: what was wrong; empty where nothing was.
        tried: how often each kind of fault was tried.
        points: how many recovery points were on record at its end.
        restores: the state of each restore at its end.
        log: what happened, in order.
    """

    seed: int
    failure: str
    tried: Counter[str]
    points: int
    restores: list[str]
    log: list[str]


@dataclass
class Tally:
    """The counts of all histories so far.

    Attributes:
        failed: the seeds in which something was wrong.
    """

    failed: list[int] = field(default_factory=list)
    _seeds: list[int] = field(default_factory=list)
    _tried: Counter[str] = field(default_factory=Counter)
    _points: int = 0
    _restores: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one more history."""
        self._seeds.append(outcome.seed)
        self._tried += outcome.tried
        self._points += outcome.points
        self._restores.update(outcome.restores)
        if outcome.failure:
            self.failed.append(outcome.seed)

    def line(self, seconds: float) -> str:
        """Say in a line how far it is; what hands did is one number there."""
        kinds: Counter[str] = Counter()
        for kind, count in self._tried.items():
            kinds["foreign hands" if kind.startswith("hand: ") else kind] += count
        return (
            f"{seconds:5.0f} s: {len(self._seeds)} histories, seeds {self._span()};"
            f" faults tried: {_counts(kinds)};"
            f" {self._points} recovery points; restores: {_counts(self._restores)}; failures: {len(self.failed)}"
        )

    def summary(self, seconds: float) -> str:
        """Say in a few lines what was tried, and what came of it."""
        kinds = "".join(f"\n  {count:8} {kind}" for kind, count in self._tried.most_common())
        return (
            f"{len(self._seeds)} histories in {seconds:.0f} s, seeds {self._span()}\n"
            f"faults tried: {self._tried.total()}{kinds}\n"
            f"recovery points: {self._points}\n"
            f"restores: {_counts(self._restores)}\n"
            f"failures: {len(self.failed)}"
        )

    def _span(self) -> str:
        return f"{min(self._seeds)} to {max(self._seeds)}" if self._seeds else "none"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"
