"""Each page from what is on record to its text. The app answers with them; the command line writes them to files."""

import contextlib
from typing import Any

from shared.errors import TidemarkError
from shared.model.addresses import AddressError
from shared.model.disk import Disk
from shared.model.prices import Prices
from shared.model.report import DiskReport, Report
from shared.model.times import normalized_time
from shared.page.data import data_of, data_of_point
from shared.page.disk_page import disk_page, fates_of
from shared.page.overview import Overview, overview
from shared.page.reading import Reads, read_all, read_points, read_report
from shared.page.rendering import HOW_TO_REFRESH, render
from shared.page.scale import ROOM, WIDTH
from shared.page.settings_shown import settings_shown


class NoSuchDiskError(TidemarkError):
    """No disk of this name is on record."""


class NoSuchTimeError(TidemarkError):
    """What was asked for is no time."""


async def status_html(reads: Reads, *, refresh: str = "", links: bool = True, prices: Prices | None = None) -> str:
    """Write the page of all disks.

    Args:
        reads: what it is read by.
        refresh: whether it loads itself again: `on`, `off`, or empty for what it does by default.
        links: whether names lead to the pages of the disks; a file has none.
        prices: what a GiB costs, if somebody has said so.
    """
    seen = await read_all(reads)
    page = overview(seen, prices)
    settings = settings_shown(reads.settings) if reads.settings else None
    common = _common(page, refresh=refresh, links=links, disk="", before="")
    return render("status.html", page=page, settings=settings, **common)


async def disk_html(
    reads: Reads,
    name: str,
    before: str = "",
    *,
    refresh: str = "",
    links: bool = True,
    prices: Prices | None = None,
) -> str:
    """Write the page of a disk.

    Args:
        reads: what it is read by.
        name: the disk's name.
        before: the time that its recovery points are to be older than; empty for the newest.
        refresh: whether it loads itself again: `on`, `off`, or empty for what it does by default.
        links: whether there is a page of all disks to go to.
        prices: what a GiB costs, if somebody has said so.

    Raises:
        NoSuchDiskError: no disk of this name is on record.
        NoSuchTimeError: `before` is no time.
    """
    earlier = _time(before)
    seen = await read_all(reads)
    told = _told(seen.told.report, name)
    disk, whole = _parsed(told), overview(seen, prices, only=told.disk)
    found = await read_points(reads, disk, earlier) if disk else None
    page = disk_page(seen, whole, told, found, reads.account)
    common = _common(whole, refresh=refresh, links=links, disk=told.disk, before=before)
    return render("disk.html", page=page, **common)


async def report_data(reads: Reads) -> dict[str, Any]:
    """Give the report as data."""
    told, busy = await read_report(reads)
    return data_of(told.report, busy, needs=told.report.needs_attention)


async def disk_data(reads: Reads, name: str, before: str = "") -> dict[str, Any]:
    """Give what is said of a disk as data, with its recovery points.

    Raises:
        NoSuchDiskError: no disk of this name is on record.
        NoSuchTimeError: `before` is no time.
    """
    earlier = _time(before)
    told, busy = await read_report(reads)
    one = _told(told.report, name)
    report = Report(at=told.report.at, app=told.report.app, problems=told.report.problems, disks=[one])
    disk = _parsed(one)
    found = await read_points(reads, disk, earlier) if disk else None
    fates = fates_of(found.plan) if found else {}
    return {
        **data_of(report, busy, needs=one.needs_attention),
        "points": [data_of_point(point, fates.get(point.time, ("", ""))) for point in (found.points if found else [])],
        "points_total": found.total if found else 0,
        "points_before": found.before if found else "",
    }


def _common(page: Overview, *, refresh: str, links: bool, disk: str, before: str) -> dict[str, Any]:
    # Loading again folds up what was opened: on a disk's page, the commands that are being copied.
    refreshes = refresh == "on" if disk else refresh != "off"
    return {
        "now": page.now,
        "short": {row.name: row.short for row in page.disks},
        "links": links,
        "refreshes": refreshes and links,
        "how": {HOW_TO_REFRESH: refresh} if refresh in {"on", "off"} else {},
        "disk": disk,
        "before": before,
        "width": WIDTH,
        "room": ROOM,
    }


def _told(report: Report, name: str) -> DiskReport:
    """Return what the report says of a disk, however its name is spelled."""
    found = next((disk for disk in report.disks if disk.disk == name), None)
    if found is None:
        with contextlib.suppress(AddressError):
            parsed = Disk.parse(name)
            found = next((disk for disk in report.disks if parsed.is_named(disk.disk)), None)
    if found is None:
        raise NoSuchDiskError(f"{name} is not on record. What to do: see the page of all disks, and follow its links")
    return found


def _parsed(told: DiskReport) -> Disk | None:
    """Return the disk; None if the record names none, and is told by its key."""
    with contextlib.suppress(AddressError):
        return Disk.parse(told.disk)
    return None


def _time(text: str) -> str:
    try:
        return normalized_time(text) if text else ""
    except ValueError as error:
        raise NoSuchTimeError(
            f"before is {text!r}, which {error}. What to do: follow the links of a disk's page, or give a time such as"
            " 2026-11-27T14:00:00Z"
        ) from None
