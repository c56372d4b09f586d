"""Ranges of a blob: lists of (start, end) in bytes, end exclusive, in order and neither overlapping nor adjacent."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .answers import invalid_header

PAGE_BYTES = 512
_RANGE_HEADER = re.compile(r"bytes=(\d+)-(\d*)")
_COMPACT_AT_LEAST = 1024


class Range(NamedTuple):
    """Bytes `start` to `end` (exclusive) that hold data or, if `cleared`, were cleared."""

    start: int
    end: int
    cleared: bool = False


Spans = list[tuple[int, int]]


class Touched:
    """The pages touched since some moment, compacted from time to time."""

    def __init__(self) -> None:
        self._spans: Spans = []
        self._compact_at = _COMPACT_AT_LEAST

    def add(self, start: int, end: int) -> None:
        """Add the bytes from `start` to `end` (exclusive), in amortized constant time."""
        self._spans.append((start, end))
        if len(self._spans) >= self._compact_at:
            self._spans = merged(self._spans)
            self._compact_at = max(_COMPACT_AT_LEAST, 2 * len(self._spans))

    def spans(self) -> Spans:
        """Return the touched ranges, merged and in order."""
        self._spans = merged(self._spans)
        return self._spans


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """Sort spans and join those that overlap or are adjacent."""
    out: Spans = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            if end > out[-1][1]:
                out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def union(parts: Sequence[Spans]) -> Spans:
    """Join several lists of spans into one."""
    return parts[0] if len(parts) == 1 else merged(itertools.chain.from_iterable(parts))


def cut(spans: Spans, start: int, end: int) -> Spans:
    """Cut spans to the bytes from `start` to `end` (exclusive)."""
    return [(max(first, start), min(last, end)) for first, last in spans if last > start and first < end]


def changes(touched: Spans, valid: Spans) -> list[Range]:
    """Split the touched spans into data (valid now) and cleared (not valid now), in order."""
    out: list[Range] = []
    index = 0
    for start, end in touched:
        at = start
        while at < end:
            while index < len(valid) and valid[index][1] <= at:
                index += 1
            first, last = valid[index] if index < len(valid) else (end, end)
            cleared = first > at
            stop = min(first if cleared else last, end)
            out.append(Range(at, stop, cleared))
            at = stop
    return out


def requested_range(headers: Mapping[str, str], *, name: str = "x-ms-range") -> tuple[int, int | None] | None:
    """Read a range header: (start, end exclusive or None for "to the end"), or None without one.

    `x-ms-range` takes precedence over `Range`, as in the service.

    Raises:
        ServiceError: InvalidHeaderValue, for anything but `bytes=START-[END]`.
    """
    value = headers.get(name) or (headers.get("range") if name == "x-ms-range" else None)
    if value is None:
        return None
    match = _RANGE_HEADER.fullmatch(value.strip())
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise invalid_header(name, value)
    return int(match[1]), int(match[2]) + 1 if match[2] else None
