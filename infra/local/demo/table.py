"""The table of recovery points: what each moved, and how it was proved."""

from collections.abc import Sequence

from infra.local.demo.terminal import amount
from shared.record import RecoveryPoint

_HEADINGS = ("recovery point", "kind", "took", "ranges", "written", "cleared", "requests", "moved")


def table(points: Sequence[tuple[RecoveryPoint, str]]) -> str:
    """Lay out recovery points, each with a line that says how it was proved; at most 100 columns.

    `moved` is what was written in per cent of the disk's size.
    """
    rows = [_HEADINGS, *(_row(point) for point, _ in points)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    proofs = [f"    {proof}" for _, proof in points]
    return "\n".join([lines[0], *(line for pair in zip(lines[1:], proofs, strict=True) for line in pair)])


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


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Pad to the columns' widths: the first two are text, the rest are numbers."""
    text = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    return text + [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
