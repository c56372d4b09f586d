"""`jobs` and `job`: backup runs, restores, verifies, drills and intents, as their rows say."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.model import progress
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.job import Job, Stage
from shared.model.point import RecoveryPoint
from shared.model.progress import Progress
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.run import OpenRun
from tidemark import screen, words
from tidemark.outcome import Answer, Exit, Problem
from tidemark.store import Store, known_disks
from tidemark.waiting import wait_for

type Row = Restore | Job | IntentRow
type Shown = Mapping[str, Any]

BACKUP = "backup"
UNSUCCESSFUL = frozenset({str(Stage.REFUSED), str(Stage.FAILED)})
FINISHED = UNSUCCESSFUL | {str(Stage.DONE), str(Stage.EXPIRING)}
"""The stages at which nobody waits any more: the disk of a trial that expires is ready."""


async def jobs(store: Store, *, everything: bool) -> Answer:
    """List what is under way, and all that has ended too if that is asked for."""
    report, now = await store.report(), datetime.now(UTC)
    runs = [
        data_of_run(record.disk, record.run)
        for disk in report.disks
        if disk.job and disk.job.kind == BACKUP
        if (record := await store.record(Disk.parse(disk.disk))) and record.run
    ]
    rows = await (store.all_jobs() if everything else store.open_jobs())
    found = sorted([*runs, *map(data_of, rows)], key=lambda job: str(job["requested"]), reverse=True)
    names = words.short_names([*{*known_disks(report), *(str(job["disk"]) for job in found if job["disk"])}])
    listed = [
        (
            _short(str(job["id"])),
            str(job["kind"]),
            names.get(job["disk"], words.NONE),
            words.local(job["requested"], now),
            str(job["shown"]),
        )
        for job in found
    ]
    table = screen.table(("ID", "KIND", "DISK", "SINCE", "STATE"), listed, wide=[2, 4])
    nothing = "nothing was asked for yet" if everything else "nothing is under way"
    return Answer(data={"jobs": found}, shown=[table] if listed else [nothing])


async def job(store: Store, start: str, patience: str, *, quiet: bool) -> Answer:
    """Show the jobs of an id; a timer's verifies and drills share one.

    Raises:
        Problem: there is none, or several begin like this.
    """
    found = await _found(store, start.strip())
    if patience:

        async def look() -> Sequence[Shown]:
            return await _found(store, str(found[0]["id"]))

        found = await wait_for(look, patience, quiet=quiet)
    return answer_of(found)


def answer_of(found: Sequence[Shown], more: Mapping[str, Any] | None = None) -> Answer:
    """Show jobs in full; the exit code tells whether one was refused or has failed."""
    now = datetime.now(UTC)
    is_bad = any(job["state"] in UNSUCCESSFUL for job in found)
    shown = [part for job in found for part in ("", screen.pairs(_in_full(job, now)))][1:]
    code = Exit.ATTENTION if is_bad else Exit.FINE
    return Answer(data={**(more or {}), "jobs": list(found)}, shown=shown, code=code)


async def _found(store: Store, start: str) -> Sequence[Shown]:
    if not start or not all(letter.isalnum() or letter in "-:.TZ" for letter in start):
        raise Problem(f"{start!r} is not the id of a job. What to do: see them with `tidemark jobs --all`")
    found = [data_of(row) for row in await store.jobs_named(start)]
    exact = [job for job in found if job["id"] == start]
    if len({job["id"] for job in exact or found}) > 1:
        several = "".join(f"\n  {job['id']} ({job['kind']})" for job in found)
        raise Problem(f"several jobs begin with {start}. What to do: type more of one of them:{several}")
    if not found and (run := await store.run_named(start)):
        return [_data_of_found_run(*run)]
    return exact or found or _none(start)


def _none(start: str) -> Sequence[Shown]:
    raise Problem(
        f"no job begins with {start}. What to do: see them with `tidemark jobs --all`; one that was just asked for"
        " has no row until the app has read it"
    )


def data_of(row: Row) -> dict[str, Any]:
    """Give a job or an intent as data."""
    if isinstance(row, IntentRow):
        return _data(
            id=row.intent,
            kind=row.do or "intent",
            row=row.row_key,
            disk=row.disk.name if row.disk else "",
            state=str(row.state),
            reason=row.reason,
            result=row.outcome,
            point=row.point,
            last_error=row.last_error,
            requested=row.requested,
            ended=row.ended,
            approve=row.subject if row.do == "orphans" and row.listed else "",
        )
    more = (
        {"target": str(row.target or ""), "undo_point": row.undo_point, "expires_at": _text(row.expires_at)}
        if isinstance(row, Restore)
        else {}
    )
    return _data(
        id=row.job,
        kind=str(row.kind),
        row=row.row_key,
        disk=row.disk.name if row.disk else "",
        state=str(row.state),
        reason=row.reason,
        result=row.proof if isinstance(row, Restore) else "",
        point=row.recovery_point or row.point,
        last_error=row.last_error,
        requested=row.requested,
        ended=row.ended,
        progress=None if row.has_ended else progress.of_job(row),
        **more,
    )


def data_of_run(disk: Disk, run: OpenRun) -> dict[str, Any]:
    """Give an open backup run as data."""
    return _data(
        id=run.snapshot,
        kind=BACKUP,
        row="disk",
        disk=disk.name,
        state=str(run.state),
        reason=run.reason,
        point=run.snapshot,
        last_error=run.failed,
        requested=run.started,
        progress=progress.of_run(run),
    )


def _data_of_found_run(disk: Disk, found: DiskRecord | RecoveryPoint) -> dict[str, Any]:
    if isinstance(found, DiskRecord):
        return data_of_run(disk, found.run) if found.run else {}
    return _data(
        id=found.time,
        kind=BACKUP,
        row=found.row_key,
        disk=disk.name,
        state=str(Stage.DONE),
        result=f"{found.kind} recovery point, {words.amount(found.bytes_written)} written",
        point=found.time,
        requested=found.started,
        ended=found.sealed,
    )


def _data(
    *, requested: datetime, ended: datetime | None = None, progress: Progress | None = None, **fields: str
) -> dict[str, Any]:
    """Give all fields that a job has as data, whatever its kind."""
    empty = dict.fromkeys(("reason", "result", "target", "undo_point", "expires_at", "last_error", "approve"), "")
    return {
        **empty,
        **fields,
        "requested": requested.isoformat(),
        "ended": _text(ended),
        "progress": progress.data if progress else None,
        "shown": progress.shown if progress else fields["state"],
    }


def _short(name: str) -> str:
    """Shorten an id: the first characters of a random one tell it from others, and of a time, its second."""
    return name[:19] if name[4:5] == "-" else name[:8]


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _in_full(job: Shown, now: datetime) -> list[tuple[str, str]]:
    rows = [
        (str(job["kind"]), str(job["id"])),
        ("disk", str(job["disk"])),
        ("state", str(job["shown"])),
        ("reason", str(job["reason"])),
        ("result", str(job["result"])),
        ("point", str(job["point"])),
        ("target", str(job["target"])),
        ("undo point", str(job["undo_point"])),
        ("until", words.local(job["expires_at"], now) if job["expires_at"] else ""),
        ("last error", str(job["last_error"]) if not job["ended"] else ""),
        ("asked for", words.local(job["requested"], now)),
        ("ended", words.local(job["ended"], now) if job["ended"] else ""),
    ]
    return [(name, value) for name, value in rows if value]
