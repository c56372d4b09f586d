"""The report on record: a row for the app and a row for each disk, in a partition of the table `backups`.

The row of a disk also has its history, written when its recovery points have changed. A row of its own has the jobs of
all disks that have ended last.

Each row is written from the disk's record: at the end of an invocation that has changed that, and by ticks for all
disks. If a worker dies before, those who watch the tick put it right.
"""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.azure.answers import explain
from shared.azure.tables.at_once import each
from shared.azure.tables.rows import from_properties, require_readable, to_properties
from shared.azure.tables.unless_changed import delete_unless_changed, has_changed, is_gone, merge_unless_changed
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model import ended, history
from shared.model.disk import Disk
from shared.model.ended import EndedJob, ended_job, with_ended
from shared.model.history import History, history_of
from shared.model.index import Summary
from shared.model.job import Job
from shared.model.names import RUN_SEPARATOR
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.report import (
    AppReport,
    DiskReport,
    Flag,
    Report,
    disk_report,
    is_outdated,
    is_the_same,
    report_at,
    unreadable,
)
from shared.model.schema import is_known, with_schema
from shared.model.texts import MAX_CHARACTERS, fits_property

STATUS_PARTITION = "status"
"""The partition of the report; every disk's partition key has a `|`."""

APP_ROW = f"{RUN_SEPARATOR}app"
"""The row of the app; a disk's has the disk's key, which starts with an account name."""

ENDED_ROW = f"{RUN_SEPARATOR}ended"
"""The row of the jobs that have ended last."""

_REPORT = "report"
"""The property that has all of a report, as JSON."""

HISTORY = "history"
"""The property that has a disk's history, as JSON."""

_NEWEST = "newest"
"""The property that has the last recovery point by the disk's record as it was when that history was written."""

_ENDED = "ended"
"""The property that has the jobs that have ended last, as JSON."""

TRIES = 10
"""How often a row that others change meanwhile is tried."""

_CONFLICTS = "other invocations kept changing its report"

_NO_DISKS = frozenset({APP_ROW, ENDED_ROW})

type ReadRecord = Callable[[Disk], Awaitable[DiskRecord | str | None]]
"""Reads the record of a disk, or says why it can't be read; None if there is nothing to say of the disk."""

type ReadPoints = Callable[[Disk], Awaitable[Sequence[RecoveryPoint]]]
"""Reads all recovery points of a disk, oldest first."""

_TEXTS = (MAX_CHARACTERS, 2000, 1000, 400)
"""How long each text of a report is at most, tried in this order until all fit."""

_DISK: TypeAdapter[DiskReport] = TypeAdapter(DiskReport)
_APP: TypeAdapter[AppReport] = TypeAdapter(AppReport)


class StatusRow(NamedTuple):
    """A row.

    Attributes:
        key: its row key.
        values: its properties.
        etag: its ETag.
    """

    key: str
    values: dict[str, Any]
    etag: str


class StatusRows:
    """Access to the rows of the report; each method is one request or one query."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def find(self, key: str) -> StatusRow | None:
        """Read a row; None if there is none."""
        try:
            return _row(await self._table.get_entity(STATUS_PARTITION, key))
        except ResourceNotFoundError:
            return None

    async def put(self, key: str, values: dict[str, Any], etag: str | None) -> bool:
        """Write a row, provided that it has this ETag, or, without one, that there is none; tell whether it was so.

        Of a row that is there, what is not given stays as it is.
        """
        entity = {"PartitionKey": STATUS_PARTITION, "RowKey": key, **to_properties(values)}
        try:
            await merge_unless_changed(self._table, entity, etag)
        except HttpResponseError as error:
            if has_changed(error):
                return False
            raise
        return True

    async def drop(self, key: str, etag: str) -> bool:
        """Delete a row, provided that it has this ETag; tell whether it had, or was gone."""
        try:
            await delete_unless_changed(self._table, STATUS_PARTITION, key, etag)
        except HttpResponseError as error:
            if has_changed(error):
                return is_gone(error)
            raise
        return True

    async def all(self) -> list[StatusRow]:
        """List the rows of the app and of all disks."""
        rows = self._table.query_entities("PartitionKey eq @partition", parameters={"partition": STATUS_PARTITION})
        return [_row(row) async for row in rows]


class Listed(NamedTuple):
    """What is on record.

    Attributes:
        disks: the disks and patterns.
        strays: the keys of rows that somebody has edited, so that they name no disk or another; each with how.
    """

    disks: Collection[Disk]
    strays: Mapping[str, str]


class Told(NamedTuple):
    """All that is on record for who shows it.

    Attributes:
        report: the report.
        histories: the history of each disk by its name; without those that are not on record yet.
        ended: the jobs that have ended last, the newest first.
    """

    report: Report
    histories: Mapping[str, History]
    ended: Sequence[EndedJob]


class Status:
    """The report on record. No backup needs it: what can't be written is logged, and the next tick tries again.

    Of writers at once the one counts that has read the record last: each reads a disk's row, then its record, and
    writes the row, provided that it has not changed since. Who has changed the record writes the row even if it says
    the same: one that has read the record before may be about to write.
    """

    def __init__(
        self,
        rows: StatusRows,
        *,
        inspects: bool = False,
        excludes: Callable[[Disk], bool] = lambda _: False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take what is needed; only who writes the report needs to know of the settings.

        Args:
            rows: the rows.
            inspects: whether there is a schedule of verifies or drills.
            excludes: whether SOURCE_DISKS excludes a disk by its own URL.
            now: the clock, UTC.
        """
        self._rows, self._inspects, self._excludes, self._now = rows, inspects, excludes, now
        self._changed: set[Disk] = set()
        self._points_changed: set[Disk] = set()
        self._ended: list[EndedJob] = []

    def changed(self, disk: Disk, before: DiskRecord | None, after: DiskRecord | None) -> None:
        """Note that a disk's record was written: if that says something else now, `tell_changed` tells it.

        Nothing is told at once: a worker may die meanwhile, and what it was about to do next, such as sending a run's
        first message, matters more.

        Args:
            disk: the disk.
            before: its record as it was; None if that is not known.
            after: its record as it is; None if it was deleted.
        """
        now = self._now()
        if not (before and after and is_the_same(self._report(before, now), self._report(after, now))):
            self._changed.add(disk)

    def points_changed(self, disk: Disk) -> None:
        """Note that a disk's recovery points are others now, or more is known of one: `tell_changed` tells it."""
        self._points_changed.add(disk)

    def job_ended(self, job: Job) -> None:
        """Note that a job has ended: `tell_ended` tells it, or else `tell_changed`."""
        self._ended.append(ended_job(job))

    async def tell_ended(self) -> None:
        """Put the jobs on record that have ended since this was last called.

        Raises:
            AzureError: it can't be written now. Anything else is logged.
        """
        try:
            await self._tell_ended(self._ended)
        except TidemarkError as error:
            log_event(Event.REPORT_FAILED, disk=_ENDED, reason=explain(error))
        self._ended = []

    async def tell_changed(self, read: ReadRecord, points: ReadPoints) -> None:
        """Put on record what was changed since this was last called.

        That is the report of a disk whose record was written, its history if its recovery points were, and the jobs
        that have ended.
        """
        changed, self._changed = self._changed, set()
        others, self._points_changed = self._points_changed, set()
        await self.tell_some(sorted(changed - others), read, anew=True)
        await self.tell_some(sorted(others), read, points=points, anew=True)
        with _logged(_ENDED):
            await self.tell_ended()
        self._ended = []

    async def _tell_ended(self, more: Sequence[EndedJob]) -> None:
        if not more:
            return
        for _ in range(TRIES):
            row = await self._rows.find(ENDED_ROW)
            before = _ended_of(row)
            after = with_ended(before, more)
            values = with_schema({_ENDED: ended.to_text(after)})
            if after == before or await self._rows.put(ENDED_ROW, values, row and row.etag):
                return
        raise TidemarkError(_CONFLICTS)

    async def tell_some(
        self, disks: Collection[Disk], read: ReadRecord, *, points: ReadPoints | None = None, anew: bool = False
    ) -> None:
        """Put the reports of some disks on record, anew or only those that say something else.

        Args:
            disks: the disks.
            read: reads the record of a disk.
            points: reads its recovery points, if its history is to be written as well.
            anew: whether to write a row even if it says nothing else.
        """

        async def tell(disk: Disk) -> None:
            async def told(record: DiskRecord | str, row: StatusRow | None) -> DiskReport:
                report = self._said(disk, record)
                return report.with_what_ticks_know(_known(row) or await self._by_schedule(report))

            await self._tell(disk, partial(self._rows.find, disk.key), read, told, points=points, anew=anew)

        await each(disks, tell)

    async def change_app(self, change: Callable[[AppReport], AppReport]) -> AppReport:
        """Change the report of the app, retrying on conflicts, and return it.

        `change` may be called more than once; if it returns the report unchanged, nothing is written.

        Raises:
            UnknownSchemaError: a newer release wrote it.
            TidemarkError: it conflicted on every try.
        """
        for _ in range(TRIES):
            row = await self._rows.find(APP_ROW)
            before = _read(_APP, row) or AppReport()
            after = change(before)
            values = with_schema({_REPORT: _APP.dump_json(after).decode()})
            if after == before or await self._rows.put(APP_ROW, values, row and row.etag):
                return after
        raise TidemarkError(_CONFLICTS)

    async def tell(
        self,
        listed: Callable[[], Awaitable[Listed]],
        read: ReadRecord,
        *,
        points: ReadPoints,
        late_after: timedelta,
        trials: Mapping[Disk, int],
        repeat: bool = False,
    ) -> None:
        """Put the reports of all disks on record, and drop those of disks of which there is nothing to say any more.

        The history of a disk is written too if a recovery point was sealed since it was, as where a worker died between
        the two writes.

        Args:
            listed: lists what is on record.
            read: reads the record of a disk.
            points: reads its recovery points.
            late_after: how old the newest recovery point of one may become.
            trials: how many disks of trial restores of each are still there.
            repeat: whether to log the state even of those of which nothing has changed.
        """
        rows = {row.key: row for row in await self._rows.all() if row.key not in _NO_DISKS}
        disks, strays = await listed()

        async def tell(disk: Disk) -> None:
            first = [rows.get(disk.key)]

            async def row() -> StatusRow | None:
                return first.pop() if first else await self._rows.find(disk.key)

            async def told(record: DiskRecord | str, _: StatusRow | None) -> DiskReport:
                report = self._said(disk, record).with_trials(trials.get(disk, 0))
                return replace(report, late_after_seconds=late_after.total_seconds())

            await self._tell(disk, row, read, told, points=points, only_stale=True, repeat=repeat)

        async def tell_stray(key: str) -> None:
            with _logged(key):
                await self._put(key, unreadable(key, strays[key], self._now()), rows.get(key), repeat=repeat)

        async def drop(key: str) -> None:
            with _logged(key):
                await self._drop(rows[key])

        self._changed -= set(disks)
        await each(sorted(disks), tell)
        await each(sorted(strays), tell_stray)
        # What a newer release has put there may be of something else than a disk.
        others = {key for key, row in rows.items() if is_known(row.values)} - {disk.key for disk in disks}
        await each(sorted(others - strays.keys()), drop)

    async def outdated(self, known: Mapping[Disk, Summary]) -> list[Disk]:
        """List the disks whose record has changed since their report, as far as the index shows, or time has."""
        rows, now = {row.key: row for row in await self._rows.all()}, self._now()

        def is_to_tell(disk: Disk, summary: Summary) -> bool:
            row = rows.get(disk.key)
            report = _known(row)
            if row is None or report is None:
                return True
            return is_outdated(report, summary) or row.values.get("state") != str(report.seen_at(now).state)

        return [disk for disk, summary in known.items() if is_to_tell(disk, summary)]

    async def read(self) -> Report:
        """Read the whole report, as it stands now; rows of a newer release are left out."""
        return (await self.read_all()).report

    async def read_all(self) -> Told:
        """Read the whole report, and what stands beside it, as it stands now; rows of a newer release are left out."""
        rows = {row.key: row for row in await self._rows.all() if is_known(row.values)}
        app = _read(_APP, rows.pop(APP_ROW, None)) or AppReport()
        last = _ended_of(rows.pop(ENDED_ROW, None))
        disks, histories = list[DiskReport](), dict[str, History]()
        for row in rows.values():
            if told := _read(_DISK, row):
                disks.append(told)
                if known := history.from_text(row.values.get(HISTORY)):
                    histories[told.disk] = known
        return Told(report_at(self._now(), app, disks), histories, last)

    async def _tell(
        self,
        disk: Disk,
        find: Callable[[], Awaitable[StatusRow | None]],
        read: ReadRecord,
        report: Callable[[DiskRecord | str, StatusRow | None], Awaitable[DiskReport]],
        *,
        points: ReadPoints | None = None,
        only_stale: bool = False,
        repeat: bool = False,
        anew: bool = False,
    ) -> None:
        """Put the report of a disk on record, retrying on conflicts; an error is logged.

        Args:
            disk: the disk.
            find: reads its row.
            read: reads its record.
            report: says what there is to say.
            points: reads its recovery points, if its history is to be written as well.
            only_stale: whether to write the history only if a recovery point was sealed since it was.
            repeat: whether to log its state even if nothing has changed.
            anew: whether to write the row even if nothing has.
        """
        with _logged(disk.name):
            for _ in range(TRIES):
                row = await find()  # before the record: see the class
                record = await read(disk)
                if record is None:
                    done = row is None or await self._drop(row)
                else:
                    said = await report(record, row)
                    last = record.last_point if isinstance(record, DiskRecord) else None
                    is_stale = last is not None and (row is None or row.values.get(_NEWEST, "") != last)
                    more = {}
                    if points and (is_stale or not only_stale):
                        more = await self._history(disk, points, row, said, last or "")
                    done = await self._put(disk.key, said, row, more=more, repeat=repeat, anew=anew)
                if done:
                    return
            log_event(Event.REPORT_FAILED, disk=disk.name, reason=_CONFLICTS)

    async def _history(
        self, disk: Disk, points: ReadPoints, row: StatusRow | None, told: DiskReport, last: str
    ) -> dict[str, str]:
        """Write the history of a disk; nothing if its recovery points can't be read, which is logged."""
        with _logged(disk.name):
            before = history.from_text(row.values.get(HISTORY)) if row else None
            late_after = timedelta(seconds=told.late_after_seconds)
            found = history_of(await points(disk), self._now(), before=before, late_after=late_after)
            return {HISTORY: history.to_text(found), _NEWEST: last}
        return {}

    async def _put(
        self,
        key: str,
        told: DiskReport,
        row: StatusRow | None,
        *,
        repeat: bool,
        more: Mapping[str, str] | None = None,
        anew: bool = False,
    ) -> bool:
        """Log what is said of a disk if that is new or to be repeated; write its report, anew or if it is not there.

        Returns:
            Whether the row was still as it had been read.

        Raises:
            UnknownSchemaError: a newer release wrote its row.
        """
        before, now = _known(row), self._now()
        if before and before.state is told.state:
            told = replace(told, since=before.since)
        seen, was = told.seen_at(now), row.values.get("state") if row is not None else ""
        is_news = repeat or before is None or was != str(seen.state) or _news(before) != _news(seen)
        try:
            if row is not None:
                require_readable(row.values)
            written = {**_disk_row(told, seen), **(more or {})}
            is_there = (
                not anew and row is not None and all(row.values.get(name) == value for name, value in written.items())
            )
            is_so = is_there or await self._rows.put(key, written, row and row.etag)
        except Exception:
            if is_news:
                log_event(Event.DISK_STATE, **seen.log_fields)  # even if it can't be put on record
            raise
        if is_so and is_news:
            log_event(Event.DISK_STATE, **seen.log_fields)
        return is_so

    async def _drop(self, row: StatusRow) -> bool:
        """Delete the row of a disk and log that, else its last state is taken for what holds; tell whether it is so."""
        is_so = await self._rows.drop(row.key, row.etag)
        if is_so:
            log_event(Event.DISK_DROPPED, disk=row.values.get("disk", row.key))
        return is_so

    async def _by_schedule(self, told: DiskReport) -> DiskReport:
        """Return a first report with how old a recovery point may become by what ticks have found."""
        row = await self._rows.find(APP_ROW)
        app = _read(_APP, row) if row is not None and is_known(row.values) else None
        return replace(told, late_after_seconds=(app or AppReport()).late_after_seconds)

    def _said(self, disk: Disk, record: DiskRecord | str) -> DiskReport:
        now = self._now()
        return unreadable(disk.name, record, now) if isinstance(record, str) else self._report(record, now)

    def _report(self, record: DiskRecord, now: datetime) -> DiskReport:
        return disk_report(record, now, inspects=self._inspects, is_excluded=self._excludes(record.disk))


@contextlib.contextmanager
def _logged(disk: str) -> Iterator[None]:
    """Log an error of one disk."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the record is written, and others are to be told
        log_event(Event.REPORT_FAILED, disk=disk, reason=explain(error))


def _disk_row(report: DiskReport, seen: DiskReport) -> dict[str, Any]:
    """Make the row of a disk: for people who look at it, with the state as it is while the row is written."""
    columns = {"disk": seen.disk, "state": str(seen.state), "attention": seen.needs_attention}
    return with_schema(columns | {_REPORT: _fitting(report)})


def _fitting(report: DiskReport) -> str:
    """Write all of a report into one property, whatever its texts quote: what JSON escapes takes up to six each."""
    sizes = (_DISK.dump_json(report.with_texts_of(most)).decode() for most in _TEXTS)
    return next((text for text in sizes if fits_property(text)), "")


def _ended_of(row: StatusRow | None) -> tuple[EndedJob, ...]:
    """Read the jobs that have ended last.

    Raises:
        UnknownSchemaError: a newer release wrote the row.
    """
    if row is None:
        return ()
    require_readable(row.values)
    return ended.from_text(row.values.get(_ENDED))


def _news(report: DiskReport) -> tuple[set[Flag], str]:
    """Return what is logged, beside a change of the state, if it is another than before."""
    return set(report.flags), report.good_point


def _row(entity: TableEntity) -> StatusRow:
    return StatusRow(str(entity["RowKey"]), from_properties(entity), str(entity.metadata["etag"]))


def _known(row: StatusRow | None) -> DiskReport | None:
    """Read the report of a disk; None if there is none, or none that this release can read."""
    return _read(_DISK, row) if row is not None and is_known(row.values) else None


def _read[R](adapter: TypeAdapter[R], row: StatusRow | None) -> R | None:
    if row is None:
        return None
    require_readable(row.values)
    try:
        return adapter.validate_json(row.values.get(_REPORT, ""))
    except ValidationError:
        return None
