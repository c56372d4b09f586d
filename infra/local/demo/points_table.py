"""The table of recovery points: whose they are, what each moved, and how it was proved."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

from infra.local.demo.proof_result import ProofResult
from infra.local.demo.terminal import amount
from shared.model.point import RecoveryPoint

_HEADINGS = ("recovery point", "kind", "took", "ranges", "written", "cleared", "requests", "moved")


def table(points: Sequence[ProofResult]) -> str:
    """Lay out recovery points, each with a line that says how it was proved; at most 100 columns.

    A line before those of a disk names it. `moved` is what was written in per cent of the disk's size.
    """
    rows = [_HEADINGS, *(_row(result.point) for result in points)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(chain([_line(_HEADINGS, widths)], _lines(points, widths)))


def _lines(points: Sequence[ProofResult], widths: Sequence[int]) -> Iterator[str]:
    for disk, of_disk in groupby(points, lambda result: result.disk):
        yield f"disk {disk}"
        for result in of_disk:
            yield _line(_row(result.point), widths)
            yield f"    {result}"


def _row(point: RecoveryPoint) -> tuple[str, ...]:
    return (
        point.time,
        point.kind,
        f"{point.duration_seconds:.1f} s",
        str(point.ranges),
        amount(point.bytes_written),
        amount(point.bytes_cleared),
        str(point.write_calls + point.clear_calls),
        f"{100 * point.bytes_written / point.size:.2f} %" if point.bytes_written else "0 %",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Pad to the columns' widths: the first two are text, the rest are numbers."""
    text = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*text, *numbers]).rstrip()
