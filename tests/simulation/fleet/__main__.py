"""Print what instances and disks come to, in virtual time: `python -m tests.simulation.fleet`."""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.fleet.fleet import Fleet, Outcome, simulate
from tests.simulation.fleet.host import Platform
from tests.simulation.fleet.service import MIB, Service

PROGRAM = "python -m tests.simulation.fleet"
INSTANCES = (1, 4, 10, 20, 40, 100)
DISKS = (1, 12, 50, 200)

_LONGEST, _SHORTEST = 20.0, 3.0
_DISK_MINUTES = 240.0  # what is simulated of each row, so that all of them take about as long
_HEADING = (
    "instances  disks  minutes  MiB/s each: slowest, mean   of limit  refused  instance-s/TiB  most at once  small run"
)


@dataclass(frozen=True)
class Options:
    """The command line.

    Attributes:
        instances: the rows' `maximumInstanceCount`.
        disks: the rows' large disks.
        small: small disks beside them.
        minutes: of each row; None to choose by its disks.
        limit: what a blob takes, as a part of what is documented.
        delays: whether the service delays what is beyond that.
        transfer: seconds that 4 MiB take.
        seed: what is left to chance.
    """

    instances: list[int]
    disks: list[int]
    small: int
    minutes: float | None
    limit: float
    delays: bool
    transfer: float
    seed: int


def rows(options: Options) -> Iterator[tuple[int, Fleet, Outcome]]:
    """Simulate all rows; where fewer instances than there may be were wanted, more of them change nothing."""
    service = Service(
        requests=500 * options.limit,
        bytes=60 * MIB * options.limit,
        delays=options.delays,
        bandwidth=4 * MIB / options.transfer,
    )
    for disks in options.disks:
        enough: tuple[Fleet, Outcome] | None = None
        minutes = options.minutes or min(_LONGEST, max(_SHORTEST, _DISK_MINUTES / max(disks, 1)))
        for instances in sorted(options.instances):
            if enough is None:
                fleet = Fleet(
                    large=disks,
                    small=options.small,
                    minutes=minutes,
                    ticks=(0, minutes / 3),
                    service=service,
                    platform=Platform(maximum=instances),
                    seed=options.seed,
                )
                outcome = simulate(fleet)
                yield instances, fleet, outcome
                enough = (fleet, outcome) if outcome.peak < instances else None
            else:
                yield (instances, *enough)


def line(instances: int, fleet: Fleet, outcome: Outcome) -> str:
    """Write a row."""
    rates, shares = outcome.mib_per_second, outcome.share
    mean = sum(rates) / len(rates) if rates else 0.0
    share = sum(shares) / len(shares) if shares else 0.0
    wait = f"{outcome.longest_wait:.0f} s" if outcome.longest_wait < math.inf else f"not in {fleet.minutes:.0f} min"
    return (
        f"{instances:9} {fleet.large:6} {fleet.minutes:8.1f} {min(rates, default=0.0):18.1f} {mean:7.1f} {share:10.1%}"
        f" {outcome.refused_share:8.2%} {outcome.seconds_per_tib:15,.0f} {outcome.peak:13} {wait:>10}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table as it comes; 1 where a recovery point was wrong."""
    options = _read_options(arguments)
    print(_HEADING)
    wrong: list[str] = []
    for instances, fleet, outcome in rows(options):
        print(line(instances, fleet, outcome), flush=True)
        wrong += outcome.violations
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def _read_options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--instances", type=int, nargs="+", default=INSTANCES, metavar="N", help="%(default)s")
    parser.add_argument("--disks", type=int, nargs="+", default=DISKS, metavar="N", help="first backups: %(default)s")
    parser.add_argument("--small", type=int, default=5, metavar="N", help="disks with increments beside (%(default)s)")
    parser.add_argument("--minutes", type=float, metavar="N", help="of virtual time (20 for a few disks, 3 for many)")
    parser.add_argument("--limit", type=float, default=1.0, metavar="X", help="of what is documented of a blob")
    parser.add_argument("--delays", action="store_true", help="the service delays what it else refuses")
    parser.add_argument("--transfer", type=float, default=0.04, metavar="S", help="seconds for 4 MiB (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
