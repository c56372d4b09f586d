"""Which parts of a disk are sampled when it is verified: chosen by a seed, the same on every retry."""

import random

from shared.changes.ranges import Change
from shared.limits import PAGE

SAMPLES = 8
"""Samples per part of a verification."""

SAMPLE_BYTES = 64 * 1024
"""The most bytes per sample."""

STRETCH = 16 * 1024 * 1024
"""Bytes of a range that count once in the draw."""

FINE_STRETCH = 1024 * 1024
"""The same when looking for changes that a diff left out: small, so that a small disk has room for many samples."""

SAMPLES_OF_A_DISK, SAMPLES_OF_A_WINDOW = 768, 32
"""Samples of the valid ranges before the seal of an incremental run: at least of the disk, and of each of its windows.

If each run changes 1 % of the valid bytes and its diff leaves out 1 % of these changes, 768 samples a run find that
within 60 runs with a probability of 99 %: see `chance_to_find`.
"""


def samples_of_window(windows: int) -> int:
    """Return the samples per window before the seal of an incremental run, by the number of windows."""
    return max(SAMPLES_OF_A_WINDOW, -(-SAMPLES_OF_A_DISK // windows))


def chance_to_find(left_out: float, changed: float, samples: int, runs: int) -> float:
    """Return the probability that samples find, within some runs, that diffs leave out a part of the changes.

    Assumes the worst case: what is left out is in one piece, and the next run's changes overwrite it. It is found
    earlier if it is scattered, or stays.

    Args:
        left_out: the share of the changes that each diff leaves out, 0 to 1.
        changed: the share of the valid bytes that changes from run to run, 0 to 1.
        samples: samples of the valid bytes per run.
        runs: the number of runs.
    """
    return 1 - (1 - left_out * changed) ** (samples * runs)


class Sampler:
    """Samples a stream of ranges: chooses some stretches of them, all equally likely, and a part of each."""

    def __init__(self, seed: str, most: int | None = None) -> None:
        """Choose the usual few samples; or up to `most`, of shorter stretches."""
        self._most, self._stretch = (SAMPLES, STRETCH) if most is None else (most, FINE_STRETCH)
        self._rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
        self._seen = 0
        self._chosen: list[Change] = []

    def see(self, change: Change) -> None:
        """Take in a range; a long one counts as many stretches."""
        for start in range(change.start, change.end, self._stretch):
            self._see(Change(start, min(start + self._stretch, change.end), clear=False))

    def _see(self, stretch: Change) -> None:
        self._seen += 1
        if len(self._chosen) < self._most:
            self._chosen.append(stretch)
        elif (place := self._rng.randrange(self._seen)) < self._most:
            self._chosen[place] = stretch

    def samples(self) -> list[Change]:
        """Return the samples in order: a part of each stretch chosen."""
        return sorted(map(self._part, self._chosen))

    def _part(self, stretch: Change) -> Change:
        length = min(stretch.length, SAMPLE_BYTES)
        start = stretch.start + self._rng.randrange((stretch.length - length) // PAGE + 1) * PAGE
        return Change(start, start + length, clear=False)
