"""The picture of the bytes that a disk's runs changed in the last two weeks. Pure functions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.model.history import History, Mark
from shared.model.words import amount, many
from shared.page.scale import MANY, UNIT, place, since, window

_FLOOR, _HEIGHT, _LEAST = 44, 38, 1024**2
"""Of the chart: its bottom, the height of the tallest bar, and what changes its height at all, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The picture of the bytes that each run changed, on a logarithmic scale.

    Attributes:
        summary: it in words.
        bars: the path of the bars.
        odd: the path of the bars of unusual runs.
        marks: the path of the marks above them.
        dense: whether the bars are thin.
        usual: how high what is usual is; None if that is not known.
        last, most: bytes of the last run, and the most.
        unusual: how many runs were unusual.
    """

    summary: str
    bars: str = ""
    odd: str = ""
    marks: str = ""
    dense: bool = False
    usual: float | None = None
    last: str = ""
    most: str = ""
    unusual: int = 0


def chart(history: History, now: datetime) -> Chart:
    """Draw how many bytes each run changed."""
    start, _ = window(now)
    marks = since(history, start)
    if not marks:
        return Chart(summary="no run in the last 14 days")
    odd = [mark for mark in marks if "u" in mark.letters]
    most, usual, dense = max(mark.written for mark in marks), history.usual, len(marks) > MANY
    scale = _HEIGHT / math.log1p(max(most, usual or 0, 1) / _LEAST)
    compared = f"; {amount(usual)} is usual" if usual is not None else ""
    told = f"; {many(len(odd), 'unusual run')}" if odd else ""
    return Chart(
        summary=f"bytes changed by {many(len(marks), 'run')}: at most {amount(most)}{compared}{told}",
        bars=_bars([mark for mark in marks if not mark.is_unusual] if odd else marks, start, scale, dense=dense),
        odd=_bars(odd, start, scale, dense=False),
        marks="".join(f"M{place(mark.second, start) - 4:g} 1h8l-4 5z" for mark in odd),
        dense=dense,
        usual=None if usual is None else round(_FLOOR - scale * math.log1p(usual / _LEAST), 1),
        last=amount(marks[-1].written),
        most=amount(most),
        unusual=len(odd),
    )


def _bars(marks: Iterable[Mark], start: int, scale: float, *, dense: bool) -> str:
    """Draw bars by the logarithm: a full backup is thousands of times an increment.

    Of runs that are closer than bars can be drawn, only the largest is.
    """
    tallest: dict[int, int] = {}
    width = _THIN if dense else 1
    for second, _, written, _ in marks:
        slot = second - second % width
        if written >= tallest.get(slot, 0):
            tallest[slot] = written
    return "".join(
        f"M{(second - start) / UNIT:.1f} {_FLOOR}v-{max(1.0, scale * math.log1p(written / _LEAST)):.0f}"
        for second, written in tallest.items()
    )


_THIN = 2 * 3600
"""How many seconds a bar takes where there are many."""
