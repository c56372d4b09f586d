"""The index is correct about a disk, whoever writes at the same time, dies, or is late."""

import contextlib
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.records import RecordConflictError, Records
from shared.azure.tables.status import Status
from shared.model.disk import Disk
from shared.model.index import (
    is_idle,
    is_settled,
    settled,
    unsettled,
)
from shared.model.record import DiskRecord
from tests.logic.test_index import BUSY, DISK, NOON, RECORD, RUN, TIME


class Turn:
    """Let the scheduler run another writer first."""

    def __await__(self) -> Generator[None]:
        yield


@dataclass
class Table:
    """A disk's row in the index and its record, each with its ETag; and every request ever sent.

    Attributes:
        row: the row in the index.
        record: the record.
        sent: the requests sent, which may arrive again, however late.
    """

    row: tuple[dict[str, Any], int] | None = None
    record: tuple[DiskRecord, int] | None = None
    sent: list[Callable[[], object]] = field(default_factory=list)
    _etags: int = 0

    def etag(self) -> int:
        self._etags += 1
        return self._etags

    async def send[Result](self, effect: Callable[[], Result]) -> Result:
        await Turn()
        self.sent.append(effect)
        result = effect()
        self.require_right()
        return result

    def require_right(self) -> None:
        """Require that the index says nothing of the disk that its record does not."""
        record = self.record[0] if self.record else None
        assert self.row or not record, "a record that the index does not know"
        if self.row and is_settled(self.row[0]):
            assert record
            assert is_idle(record)
            assert self.row[0] == settled(record)


class Rows(IndexRows):
    """The row of the disk in the index."""

    def __init__(self, table: Table) -> None:
        self._on = table

    async def put(self, key: str, values: dict[str, Any]) -> str:
        assert key == DISK.key

        def effect() -> str:
            self._on.row = values, self._on.etag()
            return f"{self._on.row[1]}"

        return await self._on.send(effect)

    async def replace(self, key: str, values: dict[str, Any], etag: str) -> bool:
        assert key == DISK.key

        def effect() -> bool:
            if self._on.row is None or f"{self._on.row[1]}" != etag:
                return False
            self._on.row = values, self._on.etag()
            return True

        return await self._on.send(effect)


class NotTold(Status):
    """The report, which is another matter."""

    def __init__(self) -> None:
        pass

    def changed(self, disk: Disk, before: DiskRecord | None, after: DiskRecord | None) -> None:
        pass


class Written(Records):
    """The disk's record, written as it really is."""

    def __init__(self, table: Table) -> None:
        self._on, self._index, self._status = table, Index(Rows(table)), NotTold()

    async def get(self, disk: Disk) -> tuple[DiskRecord, str] | None:
        await Turn()
        assert disk == DISK
        return (self._on.record[0], f"{self._on.record[1]}") if self._on.record else None

    async def _put(self, disk: Disk, record: DiskRecord, etag: str | None) -> str:
        def effect() -> str:
            if etag != (f"{self._on.record[1]}" if self._on.record else None):
                raise RecordConflictError(disk.name)
            self._on.record = record, self._on.etag()
            return f"{self._on.record[1]}"

        return await self._on.send(effect)

    async def _delete(self, disk: Disk, etag: str) -> None:
        def effect() -> None:
            if self._on.record and f"{self._on.record[1]}" != etag:
                raise RecordConflictError(disk.name)
            self._on.record = None

        await self._on.send(effect)


def ticked(record: DiskRecord) -> DiskRecord:
    last = (record.last_tick or NOON) + timedelta(hours=12)
    return replace(record, first_tick=record.first_tick or NOON, last_tick=last)


def moved(record: DiskRecord) -> DiskRecord:
    return replace(record, run=replace(record.run, position=record.run.position + 1)) if record.run else record


CHANGES: Mapping[str, Callable[[DiskRecord], DiskRecord]] = {
    "a run is opened": lambda record: replace(record, run=record.run or RUN),
    "its run goes on": moved,
    "its run is sealed": lambda record: replace(record, run=None, last_point=f"{TIME}{record.last_point}"),
    "a restore claims it": lambda record: replace(record, restore="6f3c1d2e"),
    "the restore lets it go": lambda record: replace(record, restore="", adopted=not record.adopted),
    "a tick asks for it": ticked,
    "something fails": lambda record: replace(record, last_error=f"{record.last_error}!"),
}


async def write(records: Records, deeds: Sequence[str]) -> None:
    """Make each change to the record, provided that nobody else is faster."""
    for how in deeds:
        with contextlib.suppress(RecordConflictError):
            if how == "it is made":
                await records.put(DISK, RECORD, None)
            elif how == "it is deleted":
                if found := await records.get(DISK):
                    await records.delete(DISK, found[1])
            else:
                await records.update(DISK, CHANGES[how])


STARTS: Mapping[str, DiskRecord | None] = {"none": None, "at rest": RECORD, "busy": BUSY[0]}
AT_ONCE = ("a run is opened", "its run is sealed", "the restore lets it go", "a tick asks for it", "it is made")
GOES = ("goes on",) * 14 + ("dies", "arrives again")
DEEDS = st.lists(st.sampled_from((*CHANGES, "it is made", "it is deleted")), min_size=1, max_size=3)


def table_with(record: DiskRecord | None) -> Table:
    table = Table()
    if record:
        row = settled(record) if is_idle(record) else unsettled(DISK.name)
        table.record, table.row = (record, table.etag()), (row, table.etag())
    return table


def play(table: Table, deeds: Sequence[Sequence[str]], order: Iterable[tuple[int, str]]) -> list[int]:
    """Let writers proceed in this order; give those that have not finished."""
    writers: list[Coroutine[Any, Any, None] | None] = [write(Written(table), deed) for deed in deeds]
    for which, what in order:
        at = which % len(writers)
        writer = writers[at]
        if what == "arrives again" and table.sent:
            with contextlib.suppress(RecordConflictError):
                table.sent[which * len(table.sent) // 100]()
            table.require_right()
        elif writer and what == "dies":
            writer.close()
            writers[at] = None
        elif writer:
            try:
                writer.send(None)
            except StopIteration:
                writers[at] = None
    for writer in filter(None, writers):
        writer.close()
    return [at for at, writer in enumerate(writers) if writer]


def orders(start: DiskRecord | None, deeds: Sequence[Sequence[str]]) -> Iterable[list[tuple[int, str]]]:
    """Play all orders in which writers can proceed; one that dies is one that proceeds after all the others."""
    orders: list[list[tuple[int, str]]] = [[]]
    while orders:
        order = orders.pop()
        going_on = play(table_with(start), deeds, order)
        if not going_on:
            yield order
        orders += [[*order, (at, "goes on")] for at in going_on]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("one", "other"), [*combinations_with_replacement(AT_ONCE, 2), *product(AT_ONCE, ["it is deleted"])]
)
def test_in_whatever_order_two_write_the_index_is_correct(start: str, one: str, other: str) -> None:
    assert len(list(orders(STARTS[start], [[one], [other]]))) > 1


@given(
    start=st.sampled_from(sorted(STARTS)),
    deeds=st.lists(DEEDS, min_size=2, max_size=3),
    order=st.lists(st.tuples(st.integers(0, 99), st.sampled_from(GOES)), min_size=20, max_size=80),
)
def test_if_a_writer_dies_or_is_late_the_index_is_still_correct(
    start: str, deeds: list[list[str]], order: list[tuple[int, str]]
) -> None:
    play(table_with(STARTS[start]), deeds, order)


def run_alone(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(StopIteration):
        while True:
            work.send(None)


def test_after_an_undisturbed_run_the_record_need_not_be_read() -> None:
    table = Table()
    run_alone(write(Written(table), ["it is made", "a tick asks for it", "a run is opened"]))
    assert table.row
    assert not is_settled(table.row[0])
    run_alone(write(Written(table), ["its run goes on", "its run is sealed", "something fails"]))
    assert table.record
    assert table.row[0] == settled(table.record[0])


def test_while_a_run_goes_on_the_index_is_not_written() -> None:
    table = Table()
    run_alone(write(Written(table), ["it is made", "a run is opened"]))
    before = table.row
    run_alone(write(Written(table), ["its run goes on", "something fails", "a tick asks for it"]))
    assert table.row == before
