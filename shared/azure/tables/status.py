"""The report on record: a row for the app and a row for each disk, in a partition of the table `backups`.

Each row is written from the disk's record right after that has changed, and by ticks for all disks: if a worker dies in
between, the next tick puts it right.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.azure.answers import explain
from shared.azure.tables.at_once import each
from shared.azure.tables.rows import from_properties, require_readable, to_properties
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.index import Summary
from shared.model.names import RUN_SEPARATOR
from shared.model.record import DiskRecord
from shared.model.report import (
    AppReport,
    DiskReport,
    Report,
    disk_report,
    is_outdated,
    is_the_same,
    report_at,
    unreadable,
)
from shared.model.schema import is_known, with_schema
from shared.model.texts import MAX_CHARACTERS

STATUS_PARTITION = "status"
"""The partition of the report; every disk's partition key has a `|`."""

APP_ROW = f"{RUN_SEPARATOR}app"
"""The row of the app; a disk's has the disk's key, which starts with an account name."""

_REPORT = "report"
"""The property that has all of a report, as JSON."""

_PROPERTY_BYTES = 64 * 1024
"""Of a text, in UTF-16 (REST: Understanding the Table service data model)."""

_TEXTS = (MAX_CHARACTERS, 2000, 1000, 400)
"""How long each text of a report is at most, tried in this order until all fit."""

_DISK: TypeAdapter[DiskReport] = TypeAdapter(DiskReport)
_APP: TypeAdapter[AppReport] = TypeAdapter(AppReport)


class StatusRow(NamedTuple):
    """A row.

    Attributes:
        key: its row key.
        values: its properties.
    """

    key: str
    values: dict[str, Any]


class StatusRows:
    """Access to the rows of the report; each method is one request or one query."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def find(self, key: str) -> dict[str, Any] | None:
        """Read a row; None if there is none."""
        try:
            return from_properties(await self._table.get_entity(STATUS_PARTITION, key))
        except ResourceNotFoundError:
            return None

    async def put(self, key: str, values: dict[str, Any]) -> None:
        """Write a row."""
        row = {"PartitionKey": STATUS_PARTITION, "RowKey": key, **to_properties(values)}
        await self._table.upsert_entity(row, UpdateMode.REPLACE)

    async def drop(self, key: str) -> None:
        """Delete a row, if it exists."""
        await self._table.delete_entity(STATUS_PARTITION, key)

    async def all(self) -> list[StatusRow]:
        """List the rows of the app and of all disks."""
        rows = self._table.query_entities("PartitionKey eq @partition", parameters={"partition": STATUS_PARTITION})
        return [StatusRow(str(row["RowKey"]), from_properties(row)) async for row in rows]


class Status:
    """The report on record. No backup needs it: what can't be written is logged, and the next tick tries again."""

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

    async def changed(self, disk: Disk, before: DiskRecord | None, after: DiskRecord | None) -> None:
        """Put the report of a disk on record whose own record has been written, if that says something else now.

        Args:
            disk: the disk.
            before: its record as it was; None if that is not known.
            after: its record as it is; None if it was deleted.
        """
        now = self._now()
        try:
            if before and after and is_the_same(self._report(before, now), self._report(after, now)):
                return
            if after is None:
                await self._rows.drop(disk.key)
                return
            row, told = await self._rows.find(disk.key), self._report(after, now)
            known = _known(row) or await self._by_schedule(told)
            await self._put(disk, told.with_what_ticks_know(known), row)
        except Exception as error:  # noqa: BLE001 - whatever it is, the record is written
            log_event(Event.REPORT_FAILED, disk=disk.name, reason=explain(error))

    async def app(self) -> AppReport:
        """Read the report of the app; an empty one if there is none.

        Raises:
            UnknownSchemaError: a newer release wrote it.
        """
        return _read(_APP, await self._rows.find(APP_ROW)) or AppReport()

    async def change_app(self, change: Callable[[AppReport], AppReport]) -> AppReport:
        """Change the report of the app, and return it. Of two at once the later one counts: only ticks change it.

        Raises:
            UnknownSchemaError: a newer release wrote it.
        """
        before = await self.app()
        after = change(before)
        if after != before:
            await self._rows.put(APP_ROW, with_schema({_REPORT: _APP.dump_json(after).decode()}))
        return after

    async def tell(
        self,
        disks: Mapping[Disk, DiskRecord | str],
        *,
        late_after: timedelta,
        trials: Mapping[Disk, int],
        repeat: bool = False,
    ) -> None:
        """Put the reports of all disks on record, and drop those of disks that are not on record any more.

        Args:
            disks: the disks, each with its record, or with why that can't be read.
            late_after: how old the newest recovery point of one may become.
            trials: how many disks of trial restores of each are still there.
            repeat: whether to log the state even of those of which nothing has changed.
        """
        now, keys = self._now(), {disk.key: disk for disk in disks}
        rows = {row.key: row.values for row in await self._rows.all() if row.key != APP_ROW}

        async def put(key: str) -> None:
            disk = keys[key]
            record = disks[disk]
            told = unreadable(disk, record, now) if isinstance(record, str) else self._report(record, now)
            told = told.with_trials(trials.get(disk, 0))
            told = replace(told, late_after_seconds=late_after.total_seconds())
            try:
                await self._put(disk, told, rows.get(key), repeat=repeat)
            except Exception as error:  # noqa: BLE001 - one disk must not keep the others from being told
                log_event(Event.REPORT_FAILED, disk=disk.name, reason=explain(error))

        await each(sorted(keys), put)
        # What a newer release has put there may be of something else than a disk.
        others = {key for key, values in rows.items() if is_known(values)} - keys.keys()
        await each(sorted(others), self._rows.drop)

    async def outdated(self, known: Mapping[Disk, Summary]) -> list[Disk]:
        """List the disks whose record has changed since their report, as far as the index shows."""
        reports = {told.disk: told for told in (await self.read()).disks}
        return [
            disk
            for disk, summary in known.items()
            if disk.name not in reports or is_outdated(reports[disk.name], summary)
        ]

    async def read(self) -> Report:
        """Read the whole report, as it stands now; rows of a newer release are left out."""
        rows = {row.key: row.values for row in await self._rows.all() if is_known(row.values)}
        app = _read(_APP, rows.pop(APP_ROW, None)) or AppReport()
        return report_at(self._now(), app, [told for row in rows.values() if (told := _read(_DISK, row))])

    async def _put(self, disk: Disk, told: DiskReport, row: dict[str, Any] | None, *, repeat: bool = False) -> None:
        """Log what is said of a disk if that is new, or is to be repeated, and write its report unless it is there.

        Raises:
            UnknownSchemaError: a newer release wrote its row.
        """
        before, now = _known(row), self._now()
        if before and before.state is told.state:
            told = replace(told, since=before.since)
        seen, was = told.seen_at(now), before.seen_at(now) if before else None
        if repeat or was is None or (was.state, set(was.flags)) != (seen.state, set(seen.flags)):
            log_event(Event.DISK_STATE, **seen.log_fields)  # even if it can't be put on record
        if row is not None:
            require_readable(row)
        written = _disk_row(told, seen)
        if row is None or any(row.get(name) != value for name, value in written.items()):
            await self._rows.put(disk.key, written)

    async def _by_schedule(self, told: DiskReport) -> DiskReport:
        """Return a first report with how old a recovery point may become by what ticks have found."""
        row = await self._rows.find(APP_ROW)
        app = _read(_APP, row) if row is not None and is_known(row) else None
        return replace(told, late_after_seconds=(app or AppReport()).late_after.total_seconds())

    def _report(self, record: DiskRecord, now: datetime) -> DiskReport:
        return disk_report(record, now, inspects=self._inspects, is_excluded=self._excludes(record.disk))


def _disk_row(report: DiskReport, seen: DiskReport) -> dict[str, Any]:
    """Make the row of a disk: for people who look at it, with the state as it is while the row is written."""
    columns = {"disk": seen.disk, "state": str(seen.state), "attention": seen.needs_attention}
    return with_schema(columns | {_REPORT: _fitting(report)})


def _fitting(report: DiskReport) -> str:
    """Write all of a report into one property, whatever its texts quote: what JSON escapes takes up to six each."""
    sizes = (_DISK.dump_json(report.with_texts_of(most)).decode() for most in _TEXTS)
    return next((text for text in sizes if len(text.encode("utf-16-le")) <= _PROPERTY_BYTES), "")


def _known(row: dict[str, Any] | None) -> DiskReport | None:
    """Read the report of a disk; None if there is none, or none that this release can read."""
    return _read(_DISK, row) if row is not None and is_known(row) else None


def _read[R](adapter: TypeAdapter[R], row: dict[str, Any] | None) -> R | None:
    if row is None:
        return None
    require_readable(row)
    try:
        return adapter.validate_json(row.get(_REPORT, ""))
    except ValidationError:
        return None
