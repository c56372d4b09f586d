"""What was proven of each recovery point, as a list."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from infra.local.demo.proof_result import ProofResult


def listed(points: Sequence[ProofResult]) -> str:
    """List recovery points by disk, each followed by a line with its checks."""
    return "\n".join(_lines(points))


def _lines(points: Sequence[ProofResult]) -> Iterator[str]:
    for disk, of_disk in groupby(points, lambda result: result.disk):
        yield f"disk {disk}"
        for result in of_disk:
            yield f"{result.point.time}  {result.point.kind}"
            yield f"    {result}"
