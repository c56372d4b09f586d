"""`costs`: what the backups of a disk hold, and what each choice of a retention would free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from shared.azure.connections import Connections
from shared.model.addresses import ContainerAddress
from shared.model.disk import Disk, page_blob
from shared.model.intent_row import IntentRow
from shared.model.job import Job
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.retention import Facts, decide, read_rules
from shared.model.retention_facts import used_by
from shared.model.retention_plan import PlanOnRecord
from shared.model.retention_rules import Rules
from shared.model.sizes import NO_BYTES, Held, PageDiff
from shared.sizes.costs import costs as costs_of
from shared.sizes.costs import freed_bytes
from tidemark import configuration, disks, screen
from tidemark.accounts import open_for_reading
from tidemark.costs_shown import Choice, DiskCost, data_of, shown_of
from tidemark.counting import Counting, counting, held_by_snapshots
from tidemark.outcome import Answer, Problem
from tidemark.store import Store, known_disks
from tidemark.waiting import seconds_of

CHOICES = ("last=14", "daily=7", "daily=30", "daily=14 weekly=8 monthly=12")
"""The rules that are tried unless others are given."""

type Left = Callable[[], timedelta]

type Tried = tuple[Rules, ZoneInfo]
"""Rules, and the time zone of their periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is on record of a disk.

    Attributes:
        disk, record: the disk, and its record.
        points: its recovery points, oldest first.
        diffs: its counted page diffs.
        plan: its retention plan.
        jobs: its open restores, verifies and drills.
    """

    disk: Disk
    record: DiskRecord | None
    points: Sequence[RecoveryPoint]
    diffs: Sequence[PageDiff]
    plan: PlanOnRecord | None
    jobs: Sequence[Job]

    @property
    def container(self) -> ContainerAddress | None:
        """The container that its newest recovery point is in; None if none is on record. Not every row says it."""
        blobs = [self.record.backup_blob if self.record else None, *(point.backup_blob for point in self.points)]
        return next((blob.parent for blob in reversed(blobs) if blob), None)


async def costs(store: Store, text: str, tried: Sequence[str], within: str) -> Answer:
    """Count what the backups of a disk hold, or of all disks, for as long as somebody has said.

    Raises:
        Problem: what was typed makes no sense, or the backups can't be read.
    """
    rules = [(_rules(one), ZoneInfo("UTC")) for one in tried or CHOICES]
    until = datetime.now(UTC) + timedelta(seconds=seconds_of(within))
    prices, report = configuration.prices(), await store.report()
    known = known_disks(report)
    chosen = [disks.named(text, known)] if text else [Disk.parse(name) for name in sorted(known)]
    jobs = [job for job in await store.open_jobs() if not isinstance(job, IntentRow)]
    found = list[DiskCost]()
    with screen.err().status("") as line:
        async with open_for_reading() as accounts:
            for number, disk in enumerate(chosen):
                line.update(f"counting {disk.shown}")
                # What one disk leaves of the time, the next ones share.
                end = datetime.now(UTC) + _left(until) / (len(chosen) - number)
                rows = await _read(store, disk, [job for job in jobs if job.disk == disk])
                found.append(await _counted(accounts, rows, rules, partial(_left, end)))
    return Answer(data=data_of(found, prices), shown=shown_of(found, prices, report.at, one=bool(text)))


def _left(until: datetime) -> timedelta:
    return max(timedelta(), until - datetime.now(UTC))


async def _read(store: Store, disk: Disk, jobs: Sequence[Job]) -> Rows:
    return Rows(
        disk=disk,
        record=await store.record(disk),
        points=await store.points(disk),
        diffs=await store.diffs(disk),
        plan=await store.plan(disk),
        jobs=jobs,
    )


async def _counted(accounts: Connections, rows: Rows, tried: Sequence[Tried], left: Left) -> DiskCost:
    if rows.container is None:
        return DiskCost(disk=rows.disk.name, unique={})
    return await cost_of(counting(accounts, rows.container, rows.points, rows.diffs), rows, tried, left)


async def cost_of(services: Counting, rows: Rows, tried: Sequence[Tried], left: Left) -> DiskCost:
    """Count what the backups of a disk hold.

    Args:
        services: reads the backups.
        rows: what is on record of the disk.
        tried: the rules of retentions to try, each with its time zone.
        left: how long there is yet to list page ranges.
    """
    disk = rows.disk
    found = await costs_of(services, disk, within=left())
    # Nothing is left of a lost one, but what soft delete may keep.
    present = [point for point in reversed(rows.points) if not point.lost]
    newest, others = present[:1], present[1:]
    older = [point.time for point in others if point.backup_snapshot]
    copies = [point.time for point in others if not point.backup_snapshot]
    unique = {point.time: point.unique for point in found.points}
    snapshots = _source_snapshots(rows.record)
    source, problem = await held_by_snapshots(services, disk, page_blob(disk), snapshots, left())
    return DiskCost(
        disk=disk.name,
        points=list(reversed(rows.points)),
        unique=unique,
        held=found.held,
        newest=unique[newest[0].time] if newest else NO_BYTES,
        older=await freed_bytes(services, disk, older, within=left()),
        older_points=len(older),
        copies=await freed_bytes(services, disk, copies, within=left()),
        full_copies=len(copies),
        source=source,
        source_snapshots=len(snapshots),
        source_problem=problem,
        soft_deleted=found.soft_deleted,
        choices=await _choices(services, rows, tried, left),
        plan_state=str(rows.plan.state) if rows.plan else "",
        plan_reason=rows.plan.reason if rows.plan else "",
    )


async def _choices(services: Counting, rows: Rows, tried: Sequence[Tried], left: Left) -> list[Choice]:
    """Find what each choice deletes once nothing holds the retention back: a disk that is late loses nothing."""
    own = _own_rules(rows.plan)
    facts = Facts(disk=rows.disk.name, base=rows.record.base_snapshot if rows.record else "", in_use=used_by(rows.jobs))
    found = []
    # What is tried is told as that, even if it is the same: of several disks it may be the rules of one.
    for is_the_apps, (rules, zone) in [*((True, one) for one in own), *((False, one) for one in dict.fromkeys(tried))]:
        going = decide(rows.points, facts, rules, zone, services.now()).go
        found.append(
            Choice(
                rules=str(rules),
                zone=zone.key,
                is_the_apps=is_the_apps,
                going=len(going),
                freed=await freed_bytes(services, rows.disk, going, within=left()),
            )
        )
    return found


def _own_rules(plan: PlanOnRecord | None) -> list[Tried]:
    """Return the rules of the app's own plan; none if it has none."""
    if plan is None or not plan.rules:
        return []
    try:
        return [read_rules(plan.rules)]
    except ValueError:  # of a newer release
        return []


def _source_snapshots(record: DiskRecord | None) -> list[Held]:
    """Return the snapshots of a disk that its next backup, or an open one, needs."""
    if record is None:
        return []
    run = [Held(record.run.snapshot, record.run.size)] if record.run else []
    return [*([Held(record.base_snapshot, record.base_size)] if record.base_snapshot else []), *run]


def _rules(text: str) -> Rules:
    try:
        return Rules.parse(text)
    except ValueError as error:
        raise Problem(f"{text!r} are no rules of a retention: each {error}") from None
