"""Which parts of a disk a proof looks at: chosen by a seed, the same on every retry."""

import random

from shared.changes.ranges import Change
from shared.limits import PAGE

SAMPLES = 8
"""Samples of a part of a proof."""

SAMPLE_BYTES = 64 * 1024
"""The most bytes of a sample."""

STRETCH = 16 * 1024 * 1024
"""Bytes of a range that have one chance to be sampled."""

FINE_STRETCH = 1024 * 1024
"""The same, where what a diff may have left out is looked for: so a small disk has room for many samples."""

SAMPLES_OF_A_DISK, SAMPLES_OF_A_WINDOW = 768, 32
"""Samples of all that is valid before the seal of an incremental run: of the disk at least, and of each of its windows.

Of a disk with data everywhere 768 find, with 99 % chance within 60 runs, a diff that leaves out 1 % of the changes of
runs that change 1 % of the valid bytes: see `chance_to_find`.
"""


def samples_of_window(windows: int) -> int:
    """Say how many samples each window of a disk gets before the seal of an incremental run, by their number."""
    return max(SAMPLES_OF_A_WINDOW, -(-SAMPLES_OF_A_DISK // windows))


def chance_to_find(left_out: float, changed: float, samples: int, runs: int) -> float:
    """Return the chance that samples find, within some runs, a diff that leaves out a part of the changes.

    What is left out is taken to be in one piece, which is the worst case, and to be mended by the next run's changes;
    scattered, or left as it is, it is found earlier.

    Args:
        left_out: the share of the changes that each diff leaves out, 0 to 1.
        changed: the share of the valid bytes that changes from run to run, 0 to 1.
        samples: of a run, of the valid bytes.
        runs: how many.
    """
    return 1 - (1 - left_out * changed) ** (samples * runs)


class Sampler:
    """Chooses some stretches of the ranges that go by, each as likely as any other, and a part of each."""

    def __init__(self, seed: str, most: int | None = None) -> None:
        """Make one that chooses the usual few samples; or at most so many, of stretches that are as much shorter."""
        self._most, self._stretch = (SAMPLES, STRETCH) if most is None else (most, FINE_STRETCH)
        self._rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
        self._seen = 0
        self._chosen: list[Change] = []

    def see(self, change: Change) -> None:
        """Have a range go by; a long one counts as many."""
        for start in range(change.start, change.end, self._stretch):
            self._see(Change(start, min(start + self._stretch, change.end), clear=False))

    def _see(self, stretch: Change) -> None:
        self._seen += 1
        if len(self._chosen) < self._most:
            self._chosen.append(stretch)
        elif (place := self._rng.randrange(self._seen)) < self._most:
            self._chosen[place] = stretch

    def samples(self) -> list[Change]:
        """Return what is to be compared, in order: a part of each range chosen."""
        return sorted(map(self._part, self._chosen))

    def _part(self, stretch: Change) -> Change:
        length = min(stretch.length, SAMPLE_BYTES)
        start = stretch.start + self._rng.randrange((stretch.length - length) // PAGE + 1) * PAGE
        return Change(start, start + length, clear=False)
