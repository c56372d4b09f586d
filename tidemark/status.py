"""`status`: the report that the app has put on record, as lines and tables."""

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.model import progress
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.progress import Progress
from shared.model.report import NOT_SAFE, AppReport, DiskReport, OpenJob, Report
from shared.page.data import Busy, data_of
from tidemark import disks, screen, words
from tidemark.outcome import Answer, Exit, Problem
from tidemark.store import Store, known_disks
from tidemark.times import TimeError, read_length

WATCH_SECONDS = 5


async def look(store: Store, text: str) -> Answer:
    """Read the report, of all disks or of one, and how far is what they are busy with.

    Raises:
        Problem: the text names no disk, or several.
    """
    report = await store.report()
    names = words.short_names([disk.disk for disk in report.disks])
    if text:
        one = disks.named(text, known_disks(report)).name
        told = [disk for disk in report.disks if disk.disk == one]
        if not told:
            raise Problem(f"{one} is not on record. What to do: see the disks with `tidemark status`")
        report = dataclasses.replace(report, disks=told)
    busy = {disk.disk: found for disk in report.disks if disk.job and (found := await _progress(store, disk))}
    needs = any(disk.needs_attention for disk in report.disks) if text else report.needs_attention
    return Answer(
        data=data_of(report, busy, needs=needs),
        shown=shown_of(report, busy, names, in_full=bool(text)),
        code=Exit.ATTENTION if needs else Exit.FINE,
    )


async def watch(store: Store, text: str, patience: str) -> Answer:
    """Show the report again and again, until the time is over or somebody stops it; end with the last one.

    Raises:
        Problem: the timeout is no length of time.
    """
    try:
        end = time.monotonic() + read_length(patience).total_seconds()
    except TimeError as error:
        raise Problem(str(error)) from None
    console = screen.out()
    while True:
        answer = await look(store, text)
        console.clear()
        screen.show(console, answer.shown)
        left = end - time.monotonic()
        if left <= 0:
            return dataclasses.replace(answer, shown=())
        await asyncio.sleep(max(1, min(WATCH_SECONDS, left)))


async def _progress(store: Store, disk: DiskReport) -> Progress | None:
    """Read how far the run or restore is that a disk is busy with; None if it has ended since."""
    job = disk.job
    if job is None or (record := await store.record(Disk.parse(disk.disk))) is None:
        return None
    if job.kind == "backup":
        return progress.of_run(record.run) if record.run and record.run.snapshot == job.job else None
    if record.restore != job.job or record.restore_of is None:
        return None
    row = await store.job(record.restore_of.key, f"restore-{job.job}")
    return progress.of_job(row) if row and not isinstance(row, IntentRow) else None


def busy_with(job: OpenJob | None, found: Progress | None) -> str:
    """Say in a few words what a disk is busy with."""
    if job is None:
        return words.NONE
    return f"{job.kind}: {found.shown if found else job.stage or 'under way'}"


def shown_of(report: Report, busy: Busy, names: Mapping[str, str], *, in_full: bool = False) -> Sequence[Any]:
    """Show the report: the app, a table of the disks, and below it what needs attention and what to do."""
    now, app = report.at, report.app
    shown: list[Any] = [screen.pairs(_of_app(app, now))]
    shown += [screen.below(problem) for problem in report.problems]
    if in_full:
        return [*shown, "", *(screen.pairs(_in_full(disk, now, busy.get(disk.disk))) for disk in report.disks)]
    rows = [
        (
            names[disk.disk],
            screen.state(disk.state),
            words.local(disk.good_point, now),
            words.length(disk.age(now)),
            busy_with(disk.job, busy.get(disk.disk)),
        )
        for disk in report.disks
    ]
    shown += ["", screen.table(("DISK", "STATE", "GOOD POINT", "AGE", "BUSY WITH"), rows, numbers=[3], wide=[0, 4])]
    if not rows:
        shown += [screen.below("no disk is on record yet")]
    for disk in report.disks:
        said = _said(disk)
        if said and disk.needs_attention:
            shown += ["", screen.heading(f"{names[disk.disk]}: {disk.state} since {words.local(disk.since, now)}")]
            shown += [screen.below(why) for why in said]
    if notes := [
        f"{names[disk.disk]}: {why}" for disk in report.disks if not disk.needs_attention for why in _said(disk)
    ]:
        shown += ["", screen.heading("For information"), *(screen.below(note) for note in notes)]
    return shown


def _said(disk: DiskReport) -> list[str]:
    """Return what is said of a disk: why it is in its state if that needs attention, and its flags."""
    reasons = [disk.reason] if disk.reason and disk.state in NOT_SAFE else []
    return [*reasons, *(f"{flag}: {why}" for flag, why in disk.flags.items())]


def _of_app(app: AppReport, now: datetime) -> list[tuple[str, str]]:
    tick = f"{words.local(app.last_tick, now)}, {app.tick_result}" if app.last_tick else "none yet"
    return [
        ("last tick", f"{tick} ({words.many(app.disks, 'disk')})" if app.last_tick else tick),
        ("next tick", words.local(app.next_tick, now)),
        ("times in", words.zone_of(now)),
    ]


def _in_full(disk: DiskReport, now: datetime, found: Progress | None) -> list[tuple[str, str]]:
    """List all that is said of a disk."""
    inspected = [
        (name, f"{words.local(at, now)}: {result}")
        for name, at, result in (
            ("verified", disk.last_verify, disk.last_verify_result),
            ("drilled", disk.last_drill, disk.last_drill_result),
        )
        if at
    ]
    return [
        ("disk", disk.disk),
        ("state", f"{disk.state} since {words.local(disk.since, now)}"),
        *([("reason", disk.reason)] if disk.reason else []),
        *((str(flag), why) for flag, why in disk.flags.items()),
        (
            "good point",
            f"{disk.good_point or words.NONE} ({words.length(disk.age(now))} old)" if disk.good_point else "",
        ),
        ("sealed", words.local(disk.last_success, now)),
        ("size", words.amount(disk.size)),
        *([("damaged", words.many(disk.damaged_points, "recovery point"))] if disk.damaged_points else []),
        *inspected,
        ("busy with", f"{busy_with(disk.job, found)} ({disk.job.job})" if disk.job else ""),
        ("late after", words.length(disk.late_after_seconds)),
    ]
