"""The bound of a run: requests, bytes and minutes that it stops at, and what they cost at most.

The rates are ceilings that we chose, not quotes: they were not compared with a price list when this was written, as the
pages show prices by region only in a browser. Compare them with those of your region, and pass your own where higher.
"""

import math
from dataclasses import dataclass

from shared.limits import PAGE
from tests.conformance.real.ground import FULL, Accounts, Scale
from tests.conformance.real.managed.place import BLOCK, DISKS_MADE
from tests.conformance.real.witness import Bounds

PRICES = (
    "https://azure.microsoft.com/pricing/details/storage/page-blobs/",
    "https://azure.microsoft.com/pricing/details/storage/queues/",
    "https://azure.microsoft.com/pricing/details/storage/tables/",
    "https://azure.microsoft.com/pricing/details/bandwidth/",
    "https://azure.microsoft.com/pricing/details/managed-disks/",
)

_MIB, _GIB = 1024**2, 1024**3
REQUESTS_OF_ALL_ELSE = 4_000
"""Of the probes, beside what their scale says: looks at copies, clean-up, and what is retried."""
# On the local Azure, where little is retried, it made 6,606 requests and wrote 2.8 MB.
REQUESTS_OF_THE_SUITE = 12_000
BYTES_OF_THE_SUITE = 16 * _MIB
BYTES_OF_ALL_ELSE = 16 * _MIB
REQUESTS_OF_DISKS = 3_000
"""Of the probes of managed disks, beside the blocks that they write: most of them look whether something is ready."""
# On the local Azure, where all is ready at once, they made 10,508 requests, those blocks included, and wrote 42 MB.
_KEPT_MONTHS = 1.0
_MINUTES_OF_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class Rates:
    """What is charged at most, in USD.

    Attributes:
        requests: for 10,000 requests of any kind.
        stored: for a GiB stored for a month.
        sent: for a GiB that leaves the region.
        premium: for the smallest premium page blob for an hour, which is begun.
        disk: for a managed disk of 8 GiB and its snapshots, for an hour, which is begun.
    """

    requests: float = 0.20
    stored: float = 0.25
    sent: float = 0.20
    premium: float = 0.10
    disk: float = 0.01


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of a run.

    Attributes:
        requests: of the probes, at most.
        suite_requests: of the conformance suite, at most; 0 where it is not run.
        bytes: written by the probes, at most.
        suite_bytes: written by the suite, at most.
        minutes: until the run stops.
        usd: what that costs at most.
        premium_blobs: page blobs in a premium account.
        disks: managed disks.
    """

    requests: int
    suite_requests: int
    bytes: int
    suite_bytes: int
    minutes: float
    usd: float
    premium_blobs: int
    disks: int = 0

    def bounds(self) -> Bounds:
        """Give what the probes are stopped at."""
        return Bounds(self.requests, self.bytes)

    def suite_bounds(self) -> Bounds:
        """Give what the suite is stopped at."""
        return Bounds(self.suite_requests, self.suite_bytes)


def bound_of(
    accounts: Accounts,
    minutes: float,
    *,
    with_suite: bool,
    with_disks: bool = False,
    rates: Rates | None = None,
    scale: Scale = FULL,
) -> Bound:
    """Compute the bound of a run, of what its probes are told to do."""
    rates = rates or Rates()
    written = scale.fragments + (scale.writers + 1) * scale.writes + scale.copies
    requests = written + scale.copies + REQUESTS_OF_ALL_ELSE
    suite_requests = REQUESTS_OF_THE_SUITE if with_suite else 0
    length = written * PAGE + BYTES_OF_ALL_ELSE
    suite_length = BYTES_OF_THE_SUITE if with_suite else 0
    premium_blobs = 1 if accounts.premium else 0
    if with_disks:
        requests += scale.disks.fragments + REQUESTS_OF_DISKS
        # Each block is uploaded, and copied once to an account.
        length += 2 * scale.disks.fragments * BLOCK
    disks = DISKS_MADE if with_disks else 0
    # Stored for a month: so long soft delete may keep what is deleted; and each byte is read back once.
    usd = (requests + suite_requests) / 10_000 * rates.requests
    usd += (length + suite_length) / _GIB * (rates.stored * _KEPT_MONTHS + rates.sent) + premium_blobs * rates.premium
    usd += disks * math.ceil(minutes / _MINUTES_OF_AN_HOUR) * rates.disk
    return Bound(requests, suite_requests, length, suite_length, minutes, usd, premium_blobs, disks)


def said(bound: Bound, rates: Rates | None = None) -> list[str]:
    """Say a bound and how it is computed."""
    rates = rates or Rates()
    all_requests, mib = bound.requests + bound.suite_requests, (bound.bytes + bound.suite_bytes) / _MIB
    lines = [
        f"at most {bound.usd:.2f} USD, {bound.minutes:g} minutes, {mib:.0f} MiB written:",
        f"  {all_requests} requests at {rates.requests:.2f} USD per 10,000: {bound.requests} of the probes, and",
        f"  {bound.suite_requests} of the suite",
        f"  {mib:.0f} MiB stored for a month, as soft delete may do, at {rates.stored:.2f} USD/GiB,",
        f"  and sent once at {rates.sent:.2f} USD/GiB",
    ]
    if bound.premium_blobs:
        lines.append(f"  {bound.premium_blobs} premium page blob of the smallest tier, {rates.premium:.2f} USD")
    if bound.disks:
        lines.append(f"  {bound.disks} managed disks of at most 8 GiB, and snapshots, {rates.disk:.2f} USD an hour")
    lines.append("  These rates are ceilings, not quotes. Compare them with the prices of your region:")
    return [*lines, *(f"  {page}" for page in PRICES)]
