"""The table of recovery points: disk, amount copied and checks passed."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

from infra.local.demo.proof_result import ProofResult
from shared.model.point import RecoveryPoint
from shared.model.texts import human_size

_HEADINGS = ("recovery point", "kind", "took", "ranges", "written", "cleared", "requests", "moved")


def table(points: Sequence[ProofResult]) -> str:
    """Format recovery points, each followed by a line with its checks; at most 100 columns wide.

    A line names each disk before its rows. `moved` is the amount written as a percentage of the disk's size.
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
        human_size(point.bytes_written),
        human_size(point.bytes_cleared),
        str(point.write_calls + point.clear_calls),
        f"{100 * point.bytes_written / point.size:.2f} %" if point.bytes_written else "0 %",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Pad to the column widths; the first two columns are text, the rest numbers."""
    text = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*text, *numbers]).rstrip()
