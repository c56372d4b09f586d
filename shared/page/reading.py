"""What the page reads: the report, what stands beside it, and how far what is under way is. It writes nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.azure.services import Services
from shared.azure.tables.at_once import each
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans
from shared.azure.tables.status import Status, Told
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import Job, JobKind, job_row
from shared.model.point import RecoveryPoint
from shared.model.progress import Progress, of_job, of_run
from shared.model.record import DiskRecord
from shared.model.report import DiskReport
from shared.model.restore import Restore
from shared.model.retention_plan import PlanOnRecord
from shared.settings import Settings

MOST_AT_WORK = 64
"""Of how many open runs and jobs of a kind the rows are read, so that a tick of very many disks slows no page."""

POINTS_A_PAGE = 25
"""How many recovery points the page of a disk has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What the page reads by: all of it is in the table `backups`.

    Attributes:
        status: the report.
        records: the records of disks, and their recovery points.
        restores, inspections: the rows of jobs.
        plans: the retention plans.
        now: the clock, UTC.
        settings: the app settings; None where a program reads that has none.
        account: the app's own storage account; empty if its name is not known.
    """

    status: Status
    records: Records
    restores: JobRows[Restore]
    inspections: JobRows[Inspection]
    plans: Plans
    now: Callable[[], datetime]
    settings: Settings | None = None
    account: str = ""

    @classmethod
    def of(cls, services: Services) -> "Reads":
        """Give what the page reads by in the app."""
        return cls(
            status=services.status,
            records=services.records,
            restores=services.restores,
            inspections=services.inspections,
            plans=services.plans,
            now=services.now,
            settings=services.settings,
            account=services.settings.host_storage.account,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read.

    Attributes:
        told: the report, the histories, and the jobs that have ended last.
        jobs: the restores, verifies and drills under way.
        more_jobs: how many more there are, which were not read.
        busy: how far the runs and restores are that disks are busy with, by the disk's name, as far as that was read.
        plans: the retention plans by the disk's name.
    """

    told: Told
    jobs: Sequence[Job]
    more_jobs: int
    busy: Mapping[str, Progress]
    plans: Mapping[str, PlanOnRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsSeen:
    """Recovery points of a disk.

    Attributes:
        points: them, the newest first.
        total: how many the disk has.
        later: how many are newer than these.
        before: the time that those are before which are older than these; empty if there are none.
        record: its record; None if it can't be read.
        plan: its retention plan; None if there is none.
    """

    points: Sequence[RecoveryPoint]
    total: int
    later: int
    before: str
    record: DiskRecord | None
    plan: PlanOnRecord | None


async def read_all(reads: Reads) -> Seen:
    """Read what the page of all disks shows: as many rows, however many recovery points there are."""
    told, (restores, more), (inspections, others), plans = await asyncio.gather(
        reads.status.read_all(),
        reads.restores.under_way(MOST_AT_WORK),
        reads.inspections.under_way(MOST_AT_WORK),
        reads.plans.brief(),
    )
    return Seen(
        told=told,
        jobs=[*restores, *inspections],
        more_jobs=more + others,
        busy=await _busy(reads, told.report.disks, restores),
        plans={plan.disk.name: plan for plan in plans},
    )


async def read_report(reads: Reads) -> tuple[Told, Mapping[str, Progress]]:
    """Read what the report as data has: no plans, and no jobs but those that disks are busy with."""
    told, (restores, _) = await asyncio.gather(reads.status.read_all(), reads.restores.under_way(MOST_AT_WORK))
    return told, await _busy(reads, told.report.disks, restores)


async def read_points(reads: Reads, disk: Disk, before: str) -> PointsSeen:
    """Read recovery points of a disk, the newest or those before a time: all their times, and then some rows."""
    times, record, plan = await asyncio.gather(
        reads.records.point_times(disk), reads.records.read(disk), reads.plans.find(disk)
    )
    older = [time for time in times if not before or time < before]
    shown = older[-POINTS_A_PAGE:]
    points = await reads.records.points_between(disk, shown[0], shown[-1]) if shown else []
    return PointsSeen(
        points=points[::-1],
        total=len(times),
        later=len(times) - len(older),
        before=shown[0] if len(older) > len(shown) else "",
        record=record if isinstance(record, DiskRecord) else None,
        plan=plan[0] if plan else None,
    )


async def _busy(reads: Reads, disks: Sequence[DiskReport], restores: Sequence[Restore]) -> dict[str, Progress]:
    """Read how far open runs are; how far restores are, their rows have said already."""
    under_way = {restore.row_key: restore for restore in restores}

    async def progress(disk: DiskReport) -> tuple[str, Progress] | None:
        if disk.job is None:
            return None
        if disk.job.kind == JobKind.RESTORE:
            restore = under_way.get(job_row(JobKind.RESTORE, disk.job.job))
            return (disk.disk, of_job(restore)) if restore else None
        record = await reads.records.read(Disk.parse(disk.disk))
        run = record.run_of(disk.job.job) if isinstance(record, DiskRecord) else None
        return (disk.disk, of_run(run)) if run else None

    busy = [disk for disk in disks if disk.job][:MOST_AT_WORK]
    return dict(await each(busy, progress))
