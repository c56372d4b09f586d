"""Which parts of a disk a proof looks at: chosen by a seed, the same on every retry."""

import random

from shared.names import PAGE
from shared.ranges import Change

SAMPLES = 8
"""Samples of a part of a proof."""

SAMPLE_BYTES = 64 * 1024
"""The most bytes of a sample."""


STRETCH = 16 * 1024 * 1024
"""Bytes of a range that have one chance to be sampled."""


class Sampler:
    """Chooses some stretches of the ranges that go by, each as likely as any other, and a part of each."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
        self._seen = 0
        self._chosen: list[Change] = []

    def see(self, change: Change) -> None:
        """Have a range go by; a long one counts as many."""
        for start in range(change.start, change.end, STRETCH):
            self._see(Change(start, min(start + STRETCH, change.end), clear=False))

    def _see(self, stretch: Change) -> None:
        self._seen += 1
        if len(self._chosen) < SAMPLES:
            self._chosen.append(stretch)
        elif (place := self._rng.randrange(self._seen)) < SAMPLES:
            self._chosen[place] = stretch

    def samples(self) -> list[Change]:
        """Give what is to be compared, in order: a part of each range chosen."""
        return sorted(map(self._part, self._chosen))

    def _part(self, stretch: Change) -> Change:
        length = min(stretch.length, SAMPLE_BYTES)
        start = stretch.start + self._rng.randrange((stretch.length - length) // PAGE + 1) * PAGE
        return Change(start, start + length, clear=False)
