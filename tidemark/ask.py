"""What is asked of the app: a message for each, held against what the app reads, and the wait for what comes of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from shared.azure.tables.job_rows import INTENTS_PARTITION, UNREADABLE_PARTITION
from shared.model import progress
from shared.model.disk import Disk
from shared.model.intent_row import INTENT, IntentRow
from shared.model.intents import INTENTS
from shared.model.job import ENDS, JobKind, job_row
from shared.model.names import (
    DRILL_QUEUE,
    MANAGE_QUEUE,
    REBUILD_CATALOGUE_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    VERIFY_QUEUE,
)
from shared.model.requests import LATEST, Asked, InspectionRequest, RequestError, RestoreRequest
from shared.model.times import last_moment
from tidemark import disks, jobs
from tidemark.jobs import answer_of, data_of
from tidemark.outcome import Answer, Problem
from tidemark.store import Store, known_disks
from tidemark.times import Moment, TimeError, read_point, read_time
from tidemark.waiting import seconds_of, wait_for

_JOBS: Mapping[str, tuple[type[Asked], str]] = {
    JobKind.RESTORE: (RestoreRequest, RESTORE_REQUESTS_QUEUE),
    JobKind.VERIFY: (InspectionRequest, VERIFY_QUEUE),
    JobKind.DRILL: (InspectionRequest, DRILL_QUEUE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that was put on a queue.

    Attributes:
        id: the id of what it asks for.
        row: the row key that this gets.
        disk: the disk that it names; empty if it names none.
        queue, message: the queue, and the message.
    """

    id: str
    row: str
    disk: str
    queue: str
    message: str


async def disk_named(store: Store, text: str) -> Disk:
    """Return the disk that a text names.

    Raises:
        Problem: it names none, or several.
    """
    return disks.named(text, [] if "://" in text else known_disks(await store.report()))


def point_said(text: str) -> str:
    """Read which recovery point is meant, as the app reads it.

    Raises:
        Problem: it is no time.
    """
    try:
        return read_point(text, datetime.now(UTC))
    except TimeError as error:
        raise Problem(str(error)) from None


def time_said(text: str, *, ahead: bool = False) -> Moment:
    """Read a time.

    Raises:
        Problem: it is none.
    """
    try:
        return read_time(text, datetime.now(UTC), ahead=ahead)
    except TimeError as error:
        raise Problem(str(error)) from None


async def own_time(store: Store, disk: Disk, text: str) -> str:
    """Return the time of the one recovery point that a time names; what is deleted is never the one before.

    Raises:
        Problem: it names none, or several.
    """
    if text.strip().lower() == LATEST:
        raise Problem("what is deleted is named by its own time. What to do: see the times with `tidemark points`")
    said = time_said(text)
    first = said.asked.removesuffix("Z") if "." in said.asked else f"{said.first:%Y-%m-%dT%H:%M:%S}"
    times = [point.time for point in await store.points(disk)]
    found = [time for time in times if first <= time <= last_moment(said.asked)]
    if len(found) != 1:
        some = "".join(f"\n  {time}" for time in found)
        what = "several recovery points" if found else "no recovery point"
        raise Problem(
            f"{disk.name} has {what} at {text!r}. What to do: see them with `tidemark points`, and give one's own time"
            f"{some}"
        )
    return found[0]


def message_of(kind: str, values: Mapping[str, object]) -> tuple[str, str]:
    """Write a message, and say on which queue it goes; it is read as the app will.

    Raises:
        Problem: the app would refuse it.
    """
    asked, queue = _JOBS.get(kind) or (INTENTS[kind], MANAGE_QUEUE)
    fields = {name: value for name, value in values.items() if value is not None}
    message = json.dumps(fields if kind in _JOBS else {"do": kind, **fields})
    try:
        asked.read(message.encode())
    except RequestError as error:
        raise Problem(str(error).partition(" Expected: ")[0]) from None
    return queue, message


async def send(store: Store, kind: str, values: Mapping[str, object]) -> Sent:
    """Put a message on its queue.

    Raises:
        Problem: the app would refuse it, or it can't be put there.
    """
    queue, message = message_of(kind, values)
    made = await store.put(queue, message)
    row = job_row(JobKind(kind), made) if kind in _JOBS else f"{INTENT}-{made}"
    return Sent(id=made, row=row, disk=str(values.get("disk", "")), queue=queue, message=message)


async def ask(store: Store, kind: str, asked: Sequence[Mapping[str, object]], patience: str, *, quiet: bool) -> Answer:
    """Send what is asked for, one message each; wait for what comes of it if somebody has said for how long.

    Raises:
        Problem: the app would refuse one of them, in which case none is sent; or they can't be sent.
    """
    for values in asked:
        message_of(kind, values)
    if patience:
        seconds_of(patience)
    sent = [await send(store, kind, values) for values in asked]
    return await outcome_of(store, kind, sent, patience, quiet=quiet)


async def outcome_of(store: Store, kind: str, sent: Sequence[Sent], patience: str, *, quiet: bool) -> Answer:
    """Say what was sent, or wait for what comes of it."""
    data = {"asked": [asdict(one) for one in sent]}
    if not patience:
        shown = [
            f"asked for: {kind}{f' of {one.disk}' if one.disk else ''}; see it with `tidemark job {one.id}`"
            for one in sent
        ]
        return Answer(data={**data, "jobs": []}, shown=shown)

    async def look() -> Sequence[jobs.Shown]:
        return [found for one in sent if (found := await _found(store, one))]

    return answer_of(await wait_for(look, patience, quiet=quiet, expected=len(sent)), data)


async def ask_of(
    store: Store, kind: str, texts: Sequence[str], more: Mapping[str, object], patience: str, *, quiet: bool
) -> Answer:
    """Ask for the same of several disks."""
    found = [await disk_named(store, text) for text in texts]
    asked = [{"disk": disk.name, **more} for disk in dict.fromkeys(found)]
    return await ask(store, kind, asked, patience, quiet=quiet)


async def rebuild(store: Store) -> Answer:
    """Ask for the catalogue to be rebuilt; that has no row."""
    made = await store.put(REBUILD_CATALOGUE_QUEUE, "rebuild")
    sent = Sent(id=made, row="", disk="", queue=REBUILD_CATALOGUE_QUEUE, message="rebuild")
    said = "asked for: rebuild of the catalogue; the app's log says catalogue-rebuilt, and what it has found"
    return Answer(data={"asked": [asdict(sent)], "jobs": []}, shown=[said])


async def cancel(store: Store, start: str, patience: str, *, quiet: bool) -> Answer:
    """Ask for a restore, a verify or a drill to be ended.

    Raises:
        Problem: none that is open begins like this, or several do.
    """
    is_id = start and all(letter.isalnum() or letter in "-:" for letter in start)
    open_ones = [job for job in await store.jobs_named(start) if not isinstance(job, IntentRow)] if is_id else []
    ids = sorted({job.job for job in open_ones if job.state not in ENDS})
    if len(ids) != 1:
        several = "".join(f"\n  {one}" for one in ids)
        what = (
            f"several open jobs begin with {start}" if ids else f"no open restore, verify or drill begins with {start}"
        )
        raise Problem(f"{what}. What to do: see them with `tidemark jobs`{several}")
    return await ask(store, "cancel", [{"job": ids[0]}], patience, quiet=quiet)


async def _found(store: Store, sent: Sent) -> dict[str, Any] | None:
    """Read the row of what was asked for; None before the app has read the message."""
    elsewhere = INTENTS_PARTITION if sent.queue == MANAGE_QUEUE else UNREADABLE_PARTITION
    places = [Disk.parse(sent.disk).key, elsewhere] if sent.disk else [elsewhere]
    for place in places:
        row = await store.job(place, sent.row)
        if row is None:
            continue
        found = data_of(row)
        if isinstance(row, IntentRow) and row.do == "backup" and row.point and row.disk and not row.has_ended:
            record = await store.record(row.disk)
            if record and (run := record.run_of(row.point)):
                made = progress.of_run(run)
                found |= {"progress": made.data, "shown": made.shown}
        return found
    return None
