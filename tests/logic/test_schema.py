"""Every row and message names the schema it was written with; what a newer release wrote is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.azure.answers import remedy_for
from shared.azure.tables.rows import Kept, from_row, to_row
from shared.errors import Remedy
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import JobKind
from shared.model.messages import FinishMessage, Message, MessageError, TickMessage
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.requests import RestoreRequest
from shared.model.restore import Restore
from shared.model.run import Kind
from shared.model.schema import SCHEMA, UnknownSchemaError

DISK = "https://disks.blob.core.windows.net/vhds/os.vhd"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIME = "2026-11-22T12:00:00.0000000Z"
REQUEST = RestoreRequest.read(json.dumps({"disk": DISK, "point": "latest"}).encode())
ROWS: list[Kept] = [
    DiskRecord(disk=Disk.parse(DISK), backup_blob=BlobAddress.parse(DISK)),
    RecoveryPoint.of_a_copy(
        time=TIME,
        kind=Kind.FULL,
        reason="",
        backup_blob=BlobAddress.parse(DISK),
        backup_snapshot="",
        size=512,
        started=NOON,
        sealed=NOON,
    ),
    Restore.of("6f3c1d2e", REQUEST, NOON),
    Inspection.of("6f3c1d2e", JobKind.VERIFY, Disk.parse(DISK), "latest", NOON),
]
FINISH = FinishMessage(disk=Disk.parse(DISK), run=TIME)
NOT_KNOWN = [SCHEMA + 1, -1, "1", True, 1.0, None]


@pytest.mark.parametrize("value", ROWS)
def test_a_row_names_the_schema_it_was_written_with(value: Kept) -> None:
    assert to_row(value)["schema"] == SCHEMA
    assert from_row(type(value), to_row(value)) == value  # type: ignore[type-var]


@pytest.mark.parametrize("value", ROWS)
@pytest.mark.parametrize("schema", [*range(SCHEMA), "none"])
def test_a_row_of_an_older_release_is_read_and_rewritten_with_this_ones_schema(value: Kept, schema: Any) -> None:
    row = to_row(value) | {"schema": schema}
    if schema == "none":
        del row["schema"]
    read = from_row(type(value), row)  # type: ignore[type-var]
    assert read == value
    assert to_row(read)["schema"] == SCHEMA


@pytest.mark.parametrize("value", ROWS)
@pytest.mark.parametrize("schema", NOT_KNOWN)
def test_a_row_of_a_newer_release_is_refused_whatever_it_holds(value: Kept, schema: Any) -> None:
    with pytest.raises(UnknownSchemaError):
        from_row(type(value), to_row(value) | {"schema": schema, "kind": 7})  # type: ignore[type-var]


def test_the_refusal_says_which_row_and_what_to_do() -> None:
    row = {"PartitionKey": "disks|vhds|os.vhd", "RowKey": "disk", **to_row(ROWS[0]), "schema": 7}
    with pytest.raises(UnknownSchemaError) as refusal:
        from_row(DiskRecord, row)
    said = str(refusal.value)
    assert said.startswith(
        "the row disk of disks|vhds|os.vhd was written with schema 7, and this release reads schema 1 at most. "
    )
    assert said.endswith("What to do: deploy the release that wrote it, or a newer one")


def test_an_unknown_schema_is_retried_and_ends_nothing() -> None:
    assert remedy_for(UnknownSchemaError("schema 2")) is Remedy.RETRY


@pytest.mark.parametrize("message", [FINISH, TickMessage(tick=NOON, disks=3)])
def test_a_message_names_the_schema_it_was_written_with(message: Message) -> None:
    assert json.loads(message.body)["schema"] == SCHEMA
    assert type(message).read(message.body.encode()) == message


def test_a_message_without_a_schema_is_read_and_sent_on_with_this_releases_schema() -> None:
    read = FinishMessage.read(json.dumps({"disk": DISK, "run": TIME, "plan": 0}).encode())
    assert read == FINISH
    assert json.loads(read.body)["schema"] == SCHEMA


@pytest.mark.parametrize("schema", NOT_KNOWN)
def test_a_message_of_a_newer_release_is_refused_whatever_it_holds(schema: Any) -> None:
    with pytest.raises(UnknownSchemaError, match="FinishMessage"):
        FinishMessage.read(json.dumps({"disk": DISK, "schema": schema, "what": "is new"}).encode())


def test_the_refusal_of_a_message_repeats_no_secret() -> None:
    with pytest.raises(UnknownSchemaError) as refusal:
        FinishMessage.read(json.dumps({"disk": f"{DISK}?sig=S3CRET", "schema": "sig=S3CRET"}).encode())
    assert "S3CRET" not in str(refusal.value)


def test_a_mistake_in_a_message_of_this_schema_is_still_named_by_its_field() -> None:
    with pytest.raises(MessageError, match=r": run is missing"):
        FinishMessage.read(json.dumps({"schema": SCHEMA, "disk": DISK}).encode())
