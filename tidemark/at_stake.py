"""What a restore writes, and what it writes over that no recovery point has: as far as somebody may read that."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError

from shared.azure.blobs.reading import BlobReader
from shared.changes.ranges import windows
from shared.errors import TidemarkError
from shared.limits import STORAGE_API_VERSION
from shared.model import prices as money
from shared.model.disk import page_blob
from shared.model.point import RecoveryPoint
from shared.model.prices import Money, Prices, cost, total
from shared.model.record import DiskRecord
from shared.model.sizes import Bytes
from shared.model.version import BlobVersion
from shared.pages.listing import LISTING_WINDOW, listed
from tidemark import words
from tidemark.accounts import open_for_reading, why_unread
from tidemark.content.access import Reading
from tidemark.content.changes import changes
from tidemark.outcome import Problem

LOOKED_FOR = timedelta(seconds=15)
"""How long is looked before the plan is shown without what is not known by then."""


_NO_BASE = "what is replaced has no base snapshot of a good recovery point: what no such point has can't be told"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStake:
    """What a restore writes, and what it writes over.

    Attributes:
        content: valid bytes of the recovery point, each of which is written to the target, and with `backed_up` to its
            backup blob too; None if the recovery point is not known.
        backed_up: whether the target gets a backup blob that holds the same.
        since: the last good recovery point of the target; empty if nothing is written over that has one.
        written, cleared: bytes of the target that were written and cleared since; None if that is not known.
        problem: why some of this is not known.
    """

    content: Bytes | None = None
    backed_up: bool = True
    since: str = ""
    written: int | None = None
    cleared: int | None = None
    problem: str = ""

    @property
    def written_in_all(self) -> Bytes | None:
        """Bytes that the restore writes, in both accounts; None if the recovery point is not known."""
        return self.content.plus(self.content) if self.content and self.backed_up else self.content

    def month(self, prices: Prices, *, is_new: bool) -> Money | None:
        """Return what the restore adds to the bill of a month; None if that, or a price that it takes, is not known.

        A target that exists is replaced, but the recovery points before keep what the backup blob had.
        """
        if self.content is None:
            return None
        paid = [(self.backed_up, prices.backup_gib_month), (is_new, prices.disk_gib_month)]
        return total(*(cost(self.content, price) for grows, price in paid if grows))

    def data(self, prices: Prices, *, is_new: bool) -> dict[str, Any]:
        """Give it as data."""
        writes, month = self.written_in_all, self.month(prices, is_new=is_new)
        return {
            "since": self.since,
            "since_written": self.written,
            "since_cleared": self.cleared,
            "unread": self.problem,
            "writes": {"at_least": writes.at_least, "at_most": writes.at_most} if writes else None,
            "month": {"at_least": month.at_least, "at_most": month.at_most} if month else None,
            "currency": prices.currency,
        }


def shown_of(plan: Mapping[str, Any], now: datetime) -> Sequence[tuple[str, str]]:
    """Show what a plan says of it."""
    rows = []
    if plan["since"]:
        known = plan["since_written"] is not None
        what = f"{words.amount(plan['since_written'])} written, {words.amount(plan['since_cleared'])} cleared"
        kept = "the undo point keeps that" if plan["undo_point"] else "that is lost"
        changed = f"{what}; {kept}" if known else "not known"
        rows.append(("changed", f"since {words.local(plan['since'], now)}, its last good recovery point: {changed}"))
    if plan["writes"]:
        twice = ", one half to the disk, the other to its backup blob" if plan["adopts"] else ""
        rows.append(("writes", f"{words.some(Bytes(**plan['writes']))}{twice}"))
    if plan["month"]:
        rows.append(("a month", f"{money.shown(Money(**plan['month']), plan['currency'])} more"))
    return [*rows, *([("not read", plan["unread"])] if plan["unread"] else [])]


async def look(point: RecoveryPoint, over: DiskRecord | None, *, backed_up: bool) -> AtStake:
    """Look what is at stake. What can't be read, or not in time, is no error: the plan says so.

    Args:
        point: the recovery point.
        over: the record of the disk that is written over; None if none is that has one.
        backed_up: whether the target is backed up afterwards.
    """
    since = over.newest_good_point if over else ""
    known = AtStake(content=Bytes(0, point.size), backed_up=backed_up, since=since)
    if over and over.last_point and (since != over.last_point or not over.base_snapshot):
        known, over = replace(known, problem=_NO_BASE), None
    try:
        async with asyncio.timeout(LOOKED_FOR.total_seconds()), open_for_reading() as accounts:
            reader = BlobReader(accounts, STORAGE_API_VERSION)
            known = await _with_content(reader, known, point)
            return await _with_changes(reader, known, over) if over and since else known
    except TimeoutError:
        return _unread(known, f"reading took more than {LOOKED_FOR.total_seconds():.0f} s")
    except Problem as problem:
        return _unread(known, str(problem))


def _unread(known: AtStake, why: str) -> AtStake:
    is_all = known.content is not None and known.content.is_exact and not known.since
    return known if is_all else replace(known, problem=known.problem or why)


async def _with_content(reader: BlobReader, known: AtStake, point: RecoveryPoint) -> AtStake:
    """Count what the recovery point holds."""
    if point.backup_blob is None:
        return replace(known, problem="the row of the recovery point does not say where it is")
    reading, version, found = Reading(reader), BlobVersion(point.backup_blob, point.backup_snapshot), 0
    try:
        for window in windows(point.size, LISTING_WINDOW):
            async for change in listed(reading, version, None, window):
                found += change.length
    except (AzureError, TidemarkError) as error:
        return replace(known, problem=why_unread(error))
    return replace(known, content=Bytes.exactly(found))


async def _with_changes(reader: BlobReader, known: AtStake, over: DiskRecord) -> AtStake:
    """Count what has changed on the disk since its last recovery point."""
    blob = page_blob(over.disk)
    try:
        found = await changes(reader, BlobVersion(blob), BlobVersion(blob, over.base_snapshot))
    except (AzureError, TidemarkError) as error:
        return replace(known, problem=why_unread(error))
    return replace(known, written=found.written, cleared=found.cleared)
