"""Whatever the release before any schema left in its table and on its queues can be read."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from shared.azure.queues import POISON_SUFFIX, QUEUE_OF, QUEUES
from shared.azure.tables.job_rows import UNREADABLE_PARTITION
from shared.azure.tables.records import POISON_PARTITION
from shared.azure.tables.rows import from_properties, from_row, to_row
from shared.model.inspection import INSPECTION_KINDS, Compared, Inspection
from shared.model.job import ENDS, JobKind, Stage, job_row
from shared.model.messages import (
    BatchMessage,
    FinishMessage,
    InspectionMessage,
    Message,
    PartMessage,
    PlanMessage,
    RestoreMessage,
    TickMessage,
)
from shared.model.names import DRILL_QUEUE, REBUILD_CATALOGUE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.point import POINT_ROW_PREFIX, PointState, RecoveryPoint
from shared.model.record import DISK_ROW, DiskRecord
from shared.model.requests import InspectionRequest, RestoreRequest
from shared.model.restore import Restore
from shared.model.run import Kind, Mode
from shared.model.schema import SCHEMA
from tests.data.recorded import RELEASE_0, Row, messages, rows

BACKUPS = rows(RELEASE_0, "backups")
INSPECTION_ROWS = tuple(f"{task}-" for task in INSPECTION_KINDS)
READERS: dict[str, Callable[[bytes], Any]] = {
    **{queue: kind.read for kind, queue in QUEUE_OF.items()},
    RESTORE_REQUESTS_QUEUE: RestoreRequest.read,
    VERIFY_QUEUE: InspectionRequest.read,
    DRILL_QUEUE: InspectionRequest.read,
}


OF_RESTORES = {Stage.REQUESTED, Stage.PROMOTING, Stage.COPYING, Stage.PROVING, *ENDS}
OF_DRILLS = {Stage.REQUESTED, Stage.PROMOTING, Stage.COMPARING, Stage.ENDING, *ENDS}
"""The stages that the release knew."""


def rows_of(*prefixes: str) -> list[Row]:
    return [from_properties(row) for row in BACKUPS if row["RowKey"].startswith(prefixes)]


def read(row: Row) -> DiskRecord | RecoveryPoint | Restore | Inspection:
    """Read a row, by its key."""
    key = row["RowKey"]
    if key == DISK_ROW:
        return from_row(DiskRecord, row)
    if key.startswith(POINT_ROW_PREFIX):
        return from_row(RecoveryPoint, row)
    return from_row(Restore, row) if key.startswith(job_row(JobKind.RESTORE, "")) else from_row(Inspection, row)


def record(name: str) -> DiskRecord:
    """Read the record of a disk of the account `disks`."""
    [row] = [row for row in rows_of(DISK_ROW) if row["PartitionKey"] == f"disks|{name}"]
    return from_row(DiskRecord, row)


def read_messages() -> Iterable[tuple[str, Any]]:
    """Read every message that a step or a person enqueued, with its queue's name, poison queues included."""
    for queue, bodies in messages(RELEASE_0).items():
        for body in bodies:
            if queue != REBUILD_CATALOGUE_QUEUE:
                yield queue, READERS[queue.removesuffix(POISON_SUFFIX)](body)


@pytest.mark.parametrize("row", [row for row in BACKUPS if row["PartitionKey"] != POISON_PARTITION])
def test_every_row_is_read_and_says_what_was_stored(row: Row) -> None:
    stored = from_properties(row)
    said = to_row(read(stored))
    assert "schema" not in stored
    assert said["schema"] == SCHEMA
    said_otherwise = {"PartitionKey", "RowKey", "run_opened"}  # an open run has a stage now
    assert {name: said[name] for name in stored.keys() - said_otherwise} == {
        name: value for name, value in stored.items() if name not in said_otherwise
    }


def test_the_rows_are_in_the_partitions_where_they_are_looked_for() -> None:
    for row in rows_of(DISK_ROW, job_row(JobKind.RESTORE, ""), *INSPECTION_ROWS):
        found = read(row)
        assert not isinstance(found, RecoveryPoint)
        if row["RowKey"] == DISK_ROW and "*" in row["disk"]:
            continue
        if isinstance(found, DiskRecord):
            assert row["PartitionKey"] == found.disk.key
        else:
            assert row["PartitionKey"] == (found.known_disk.key if found.disk else UNREADABLE_PARTITION)
            assert row["RowKey"] == found.row_key


def test_there_are_runs_in_every_state_that_an_upgrade_can_find() -> None:
    planned, between, half_way = record("vhds|new.vhd").run, record("vhds|mail.vhd").run, record("vhds|db.vhd").run
    applied, copying, failed = record("vhds|files.vhd").run, record("vhds|archive.vhd").run, record("vhds|broken.vhd")
    assert planned
    assert not planned.opened
    assert between
    assert 0 < between.position < between.size
    assert not between.at_work
    assert half_way
    assert 0 < half_way.position < half_way.size
    assert half_way.at_work
    assert applied
    assert applied.is_applied
    assert copying
    assert (copying.mode, copying.opened) == (Mode.FULL, True)
    assert failed.run
    assert failed.run.failed
    assert failed.last_error


def test_there_are_idle_adopted_claimed_and_missing_disks() -> None:
    assert record("vhds|web.vhd").run is None
    assert record("vhds|web.vhd").base_snapshot
    assert record("lab|adopted.vhd").adopted
    assert {record(name).restore != "" for name in ("vhds|build.vhd", "lab|promoting.vhd", "lab|proving.vhd")} == {True}
    [pattern] = [row for row in rows_of(DISK_ROW) if "*" in row["disk"]]
    assert from_row(DiskRecord, pattern).last_error


def test_there_are_recovery_points_of_each_kind_and_state() -> None:
    points = [from_row(RecoveryPoint, row) for row in rows_of(POINT_ROW_PREFIX)]
    assert {point.kind for point in points} == set(Kind)
    assert {point.state for point in points} == set(PointState) - {PointState.DELETING}
    assert any(not point.backup_snapshot for point in points), "full copies"


def test_there_are_restores_in_each_state() -> None:
    restores = [from_row(Restore, row) for row in rows_of(job_row(JobKind.RESTORE, ""))]
    assert {restore.state for restore in restores} == OF_RESTORES
    assert any(not restore.disk for restore in restores), "a request that nobody could read"


def test_there_are_verifies_and_drills_at_each_stage() -> None:
    inspections = [from_row(Inspection, row) for row in rows_of(*INSPECTION_ROWS)]
    assert {found.state for found in inspections if found.task is JobKind.DRILL} == OF_DRILLS
    assert {found.state for found in inspections if found.task is JobKind.VERIFY} == OF_DRILLS - {Stage.PROMOTING}


def test_a_message_that_belongs_to_no_disk_is_kept() -> None:
    [kept] = [row for row in BACKUPS if row["PartitionKey"] == POISON_PARTITION]
    assert kept.keys() == {"PartitionKey", "RowKey", "queue", "reason", "body"}


def test_the_parts_that_are_compared_belong_to_inspections_under_way() -> None:
    partitions = {
        f"{found.known_disk.key}!{found.row_key}!{found.attempt}"
        for row in rows_of(*INSPECTION_ROWS)
        for found in [from_row(Inspection, row)]
        if not found.has_ended
    }
    parts = [from_properties(row) for row in rows(RELEASE_0, "parts")]
    assert parts
    for row in parts:
        assert row["PartitionKey"] in partitions
        assert Compared({int(row["RowKey"]): row["bytes"]}, row["differs"]).parts


SINCE = {"manage", "retention"}
"""The queues that came after it."""


def test_every_message_is_read() -> None:
    kinds = {type(message) for _, message in read_messages()}
    assert kinds == {
        PlanMessage,
        BatchMessage,
        FinishMessage,
        RestoreMessage,
        InspectionMessage,
        PartMessage,
        TickMessage,
        RestoreRequest,
        InspectionRequest,
    }
    assert set(messages(RELEASE_0)) == {*QUEUES, "plan-changes-poison"} - SINCE


def test_every_message_of_a_step_says_what_was_put() -> None:
    for queue, bodies in messages(RELEASE_0).items():
        for body in bodies:
            found = READERS.get(queue, bytes)(body)
            if isinstance(found, Message):
                said = json.loads(found.body)
                assert said.pop("schema") == SCHEMA
                before = json.loads(body)
                assert {name: said[name] for name in before} == before


def test_there_are_messages_that_carry_a_request_and_a_tick_that_has_succeeded() -> None:
    found = [message for _, message in read_messages()]
    restores = [message for message in found if isinstance(message, RestoreMessage) and message.request]
    verifies = [message for message in found if isinstance(message, InspectionMessage) and message.request]
    assert [RestoreRequest.read(message.request.encode()).target for message in restores]
    assert [InspectionRequest.read(message.request.encode()).point for message in verifies]
    assert {message.succeeded is None for message in found if isinstance(message, TickMessage)} == {True, False}


def test_there_are_requests_as_people_write_them_and_as_the_portal_sends_them() -> None:
    for queue in (RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE, DRILL_QUEUE):
        assert {body.startswith(b"{") for body in messages(RELEASE_0)[queue]} == {True, False}
