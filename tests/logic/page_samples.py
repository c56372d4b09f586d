"""Made-up disks, one in each state, for the tests of the page: what is on record of them, as it is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.azure.tables.status import Told
from shared.model.disk import Disk
from shared.model.ended import EndedJob
from shared.model.history import History, history_of
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.progress import Progress
from shared.model.report import AppReport, DiskReport, Flag, OpenJob, State, report_at
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.run import Kind
from shared.page.reading import Seen
from tests.logic.retention_points import point_at, printed

NOW = datetime(2026, 11, 30, 15, 40, tzinfo=UTC)
NOON = NOW.replace(hour=12, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIB, GIB = 1024**2, 1024**3

APP = AppReport(
    last_tick=NOON,
    tick_result="succeeded",
    disks=9,
    next_tick=NOON + 12 * HOUR,
    last_success=NOON,
    late_after_seconds=18 * 3600,
)


def url(name: str) -> str:
    return f"https://production.blob.core.windows.net/vhds/{name}"


def points_of(
    days: float = 30, *, every: float = 12, size: int = 128 * GIB, until: datetime = NOON
) -> list[RecoveryPoint]:
    """Make the recovery points of a disk, oldest first: a full one, and then increments of changing sizes."""
    count = int(days * 24 / every)
    times = [until - number * every * HOUR for number in range(count, -1, -1)]
    return [
        point_at(
            at,
            kind=Kind.FULL if not number else Kind.INCREMENTAL,
            size=size,
            bytes_written=size // 3
            if not number
            else (37 + 211 * number % 97 + (300 if number % 14 == 5 else 0)) * MIB,
            added_bytes=size // 3 if not number else (37 + 211 * number % 97) * MIB,
            state=PointState.VERIFIED if number % 14 == 3 else PointState.SEALED,
            verified=at + HOUR if number % 14 == 3 else None,
            drilled=at + HOUR if number % 28 == 17 else None,
            drill_result="done: identical; ext4" if number % 28 == 17 else "",
        )
        for number, at in enumerate(times)
    ]


def told(name: str, state: State = State.SAFE, **known: Any) -> DiskReport:
    """Make what the report says of a disk."""
    good = printed(NOON)
    facts: dict[str, Any] = {"good_point": good, "last_point": good, "last_success": NOON + timedelta(minutes=4)}
    facts |= {"size": 128 * GIB, "first_tick": NOW - 60 * DAY, "last_verify": NOON - 9 * DAY}
    facts |= {"last_verify_result": "done: 137,438,953,472 bytes are identical", "since": NOW - 20 * DAY}
    return DiskReport(disk=url(name), state=state, **{**facts, **known})


def damaged(points: Sequence[RecoveryPoint], *numbers: int) -> list[RecoveryPoint]:
    """Have some recovery points be damaged."""
    found = list(points)
    for number in numbers:
        found[number] = replace(found[number], state=PointState.DAMAGED, damage="differs at byte 4,096", damaged_at=NOW)
    return found


def every_state() -> Seen:
    """Give a disk in each state, with all that can be drawn."""
    run = OpenJob(kind="backup", job=printed(NOW - HOUR), stage="copying", began=NOW - HOUR)
    late = NOON - 3 * DAY
    failing = (
        "AuthorizationPermissionMismatch (403): this request is not authorized. What to do: give the app's identity the"
        " role in infra/roles/disk-reader.json on the container"
    )
    disks = [
        told("web-01-os.vhd"),
        told("web-01-data.vhd", State.RUNNING, job=run, reason="backup run is under way"),
        told("db-01-log.vhd", size=512 * GIB),
        told(
            "new-build.vhd", State.NEW, good_point="", last_point="", last_success=None, first_tick=NOW - HOUR, size=0
        ),
        told("mail.vhd", State.RESTORING, job=OpenJob(kind="restore", job="6f3c1d2e")),
        told("db-02.vhd", good_point=printed(late), last_point=printed(late), last_success=late),
        told("files.vhd", State.FAILING, reason=failing, good_point=printed(NOON - DAY)),
        told("archive.vhd", State.MISSING, reason="a pattern of SOURCE_DISKS found it before. What to do: recover it"),
        told("sales.vhd", flags={Flag.DAMAGED: "1 recovery point is damaged. What to do: see the point's damage"}),
        told("test.vhd", State.RETIRED, reason="its backups were ended on 2026-10-01", retired=NOW - 60 * DAY),
        told("hr.vhd", State.UNLISTED, reason="SOURCE_DISKS does not name it. What to do: correct SOURCE_DISKS"),
        told("old-release.vhd", flags={Flag.NOTICE: "blob versioning is on in its account"}),
    ]
    points = {disk.disk: points_of() for disk in disks}
    points[url("db-01-log.vhd")] = points_of(40, every=1, size=512 * GIB)
    points[url("db-02.vhd")] = points_of(27, until=late)
    points[url("files.vhd")] = [p for p in points_of(29, until=NOON - DAY) if not 300 < _hours(p) < 396]
    points[url("sales.vhd")] = damaged(points_of(), 40, 51)
    points[url("web-01-data.vhd")][-4] = replace(
        points[url("web-01-data.vhd")][-4], bytes_written=61 * GIB, added_bytes=60 * GIB
    )
    points[url("web-01-os.vhd")][-10] = replace(points[url("web-01-os.vhd")][-10], kept=True, kind=Kind.RESYNC)
    points[url("mail.vhd")][-2] = replace(points[url("mail.vhd")][-2], kind=Kind.RESTORE)
    del points[url("new-build.vhd")], points[url("old-release.vhd")]
    going = [point.time for point in points[url("web-01-os.vhd")][-24:-20]]
    return seen(
        disks,
        {name: history_of(found, NOW) for name, found in points.items()},
        busy={
            url("web-01-data.vhd"): Progress(
                stage="copying", done=43 * GIB, total=128 * GIB, since=NOW - timedelta(minutes=20), seen=NOW
            )
        },
        plans=[plan_of(url("web-01-os.vhd"), going)],
    )


def seen(
    disks: Sequence[DiskReport],
    histories: Mapping[str, History] | None = None,
    *,
    app: AppReport = APP,
    busy: Mapping[str, Progress] | None = None,
    plans: Sequence[PlanOnRecord] = (),
    jobs: bool = True,
) -> Seen:
    """Give what is read of disks."""
    return Seen(
        told=Told(report_at(NOW, app, disks), histories or {}, _ended() if jobs else ()),
        jobs=[_drill()] if jobs else [],
        more_jobs=0,
        busy=busy or {},
        plans={plan.disk.name: plan for plan in plans},
    )


def _hours(point: RecoveryPoint) -> float:
    return (NOW - datetime.fromisoformat(point.time)) / HOUR


def _drill() -> Inspection:
    return Inspection(
        inspection="2026-11-30T15:00:00Z",
        task=JobKind.DRILL,
        disk=Disk.parse(url("db-01-log.vhd")),
        state=Stage.PROMOTING,
        point="latest",
        recovery_point=printed(NOON),
        size=512 * GIB,
        bytes_done=200 * GIB,
        bytes_total=512 * GIB,
        requested=NOW - 40 * timedelta(minutes=1),
        phase_began=NOW - 35 * timedelta(minutes=1),
        progressed=NOW,
        checked=NOW,
    )


def _ended() -> Sequence[EndedJob]:
    times = [NOW - number * 20 * HOUR for number in range(1, 5)]
    kinds = [("verify", "done"), ("drill", "done"), ("restore", "refused"), ("restore", "failed")]
    texts = [
        "137,438,953,472 bytes are identical",
        "identical; GPT; 2 partitions: EFI system, ext4",
        "the target exists already. What to do: name another, or say that it may be written over",
        "the copy was aborted. What to do: request it again",
    ]
    return [
        EndedJob(
            kind=kind,
            job=f"6f3c1d2e{number}",
            disk=url("web-01-os.vhd"),
            target=url("web-01-os-restored.vhd") if kind == "restore" else "",
            point=printed(NOON),
            state=state,
            said=text,
            requested=at - HOUR,
            ended=at,
        )
        for number, (at, (kind, state), text) in enumerate(zip(times, kinds, texts, strict=True))
    ]


def plan_of(disk: str, going: Sequence[str]) -> PlanOnRecord:
    return PlanOnRecord(
        disk=Disk.parse(disk),
        state=PlanState.WAITING,
        plan="9f2c41d07be35a86",
        reason="it is the first of these rules",
        rules="daily=7 weekly=4 (UTC)",
        planned=NOON,
        points=60,
        going=len(going),
        bytes_freed=12 * GIB,
        bytes_freed_at_least=12 * GIB,
        go=json.dumps({"no rule keeps it": list(going)}),
    )
