"""What is too large, too long or forbidden is refused alike in memory and on Azurite, as far as Azurite checks it.

The rest of the limits is in `tests/simulation/test_limits.py`.
"""

import uuid
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import RequestTooLargeError, TableTransactionError

from shared.azure.answers import error_code
from shared.limits import PAGE, TRANSACTION
from shared.model.addresses import BlobAddress
from shared.model.messages import RestoreMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import Kind
from tests.conformance.clouds import RUN, Cloud

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEXT, MESSAGE = 32 * 1024, 64 * 1024
GRIN = "\N{GRINNING FACE}"  # two characters in UTF-16


class Refused(NamedTuple):
    kind: type[HttpResponseError]
    status: int | None
    code: str


async def refused(call: Awaitable[object]) -> Refused:
    """Describe what the SDK raised."""
    with pytest.raises(HttpResponseError) as error:
        await call
    return Refused(type(error.value), error.value.status_code, error_code(error.value))


async def keep(cloud: Cloud, *, key: str = "", **values: str) -> None:
    """Write a row with these texts."""
    await cloud.services.records.keep_poison(key or str(uuid.uuid4()), values)


BACKUP = BlobAddress.parse("https://backups.blob.core.windows.net/tidemark/disks/vhds/disk.vhd")


def points(count: int, **texts: str) -> list[RecoveryPoint]:
    """Make recovery points with these texts."""
    made = (
        RecoveryPoint.of_a_copy(
            time=f"2026-11-22T12:00:00.{number:07}Z",
            kind=Kind.FULL,
            reason="",
            backup_blob=BACKUP,
            backup_snapshot="",
            size=PAGE,
            started=NOON,
            sealed=NOON,
        )
        for number in range(count)
    )
    changes: dict[str, Any] = {**texts}
    return [replace(point, **changes) for point in made]


@pytest.mark.parametrize("text", ["x" * TEXT, "ü" * TEXT, GRIN * (TEXT // 2)], ids=["ascii", "two bytes", "surrogates"])
async def test_a_text_in_a_table_has_32_ki_characters_of_utf_16(cloud: Cloud, text: str) -> None:
    await keep(cloud, reason=text)
    assert await refused(keep(cloud, reason=f"{text}x")) == (HttpResponseError, 400, "PropertyValueTooLarge")


async def test_a_record_with_a_text_that_is_too_long_is_refused(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    backup = cloud.services.backups.address(disk)
    wrong = DiskRecord(disk=disk, backup_blob=backup, base_snapshot="x" * (TEXT + 1))
    told_nothing = (HttpResponseError, 400, "")
    assert await refused(records.put(disk, wrong, None)) == told_nothing, "the SDK tells no code where it creates a row"
    right = replace(wrong, base_snapshot="x" * TEXT)
    await records.put(disk, right, None)
    found = await records.get(disk)
    assert found
    assert await refused(records.put(disk, wrong, found[1])) == (HttpResponseError, 400, "PropertyValueTooLarge")
    assert await records.get(disk) == (right, found[1])


async def test_a_row_has_a_mebibyte(cloud: Cloud) -> None:
    await keep(cloud, **{f"text{number}": "x" * 32_000 for number in range(16)})
    too_much = {f"text{number}": "x" * 32_000 for number in range(33)}
    assert await refused(keep(cloud, **too_much)) == (HttpResponseError, 400, "EntityTooLarge")


@pytest.mark.parametrize("character", ["\\", "#", "?", "\t", "\x7f", "\x85"], ids=ascii)
async def test_a_key_has_no_character_that_a_url_or_a_table_does_not_take(cloud: Cloud, character: str) -> None:
    key = f"{uuid.uuid4()}{character}"
    assert (await refused(keep(cloud, key=key, reason="x"))).status == 400


async def test_a_key_has_a_kibibyte_of_utf_16(cloud: Cloud) -> None:
    await keep(cloud, key="k" * 512, reason="x")
    assert (await refused(keep(cloud, key="k" * 513, reason="x"))).status == 400


async def test_more_recovery_points_than_a_transaction_takes_are_added(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    added = points(TRANSACTION + 1)
    await cloud.services.records.add_points(disk, added)
    assert await cloud.services.records.points(disk) == added


async def test_too_large_a_transaction_adds_nothing(cloud: Cloud) -> None:
    disk, long = cloud.named("disk.vhd"), "x" * 30_000
    too_much = points(TRANSACTION, source_snapshot=long, backup_snapshot=long)
    assert await refused(cloud.services.records.add_points(disk, too_much)) == (
        RequestTooLargeError,
        413,
        "RequestBodyTooLarge",
    )
    assert await cloud.services.records.points(disk) == []


async def test_a_transaction_with_one_wrong_row_adds_nothing(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    wrong = points(2, backup_snapshot="x" * (TEXT + 1))
    assert await refused(records.add_points(disk, [points(1)[0], wrong[1]])) == (
        TableTransactionError,
        400,
        "PropertyValueTooLarge",
    )
    assert await records.points(disk) == []


async def test_a_transaction_writes_no_row_twice(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    assert await refused(cloud.services.records.add_points(disk, points(1) * 2)) == (
        TableTransactionError,
        400,
        "InvalidDuplicateRow",
    )


@pytest.mark.parametrize("character", ["x", "ü", "<"])
async def test_a_message_has_64_kib_of_utf_8_whatever_xml_makes_of_it(cloud: Cloud, character: str) -> None:
    disk = cloud.named("disk.vhd")
    # Azurite decodes each chunk of a body on its own: a character near the end of one may be split.
    told, free = character * 1000, MESSAGE - len(RestoreMessage(disk=disk, restore="an-id").body)
    fits = RestoreMessage(disk=disk, restore="an-id", request=told + "x" * (free - len(told.encode())))
    await cloud.services.queues.send(fits)
    assert [RestoreMessage.read(body) for body in await cloud.receive(CONTINUE_RESTORE_QUEUE)] == [fits]
    too_large = replace(fits, request=f"{fits.request}x")
    assert await refused(cloud.services.queues.send(too_large)) == (HttpResponseError, 413, "RequestBodyTooLarge")
    assert await cloud.receive(CONTINUE_RESTORE_QUEUE) == []


@pytest.mark.parametrize("name", ["1a", "a-b"])
async def test_metadata_is_named_as_c_sharp_names_its_identifiers(cloud: Cloud, name: str) -> None:
    disk = cloud.named("disk.vhd")
    backup = cloud.services.backups.address(disk)
    assert await refused(cloud.services.blobs.create(backup, PAGE, {name: "x"})) == (
        HttpResponseError,
        400,
        "InvalidMetadata",
    )
    etag = await cloud.leased_backup(disk, 1)
    snapshot = cloud.services.snapshots.take(backup, etag, {name: "x"}, RUN)
    assert await refused(snapshot) == (HttpResponseError, 400, "InvalidMetadata")
    source = await cloud.disk(1)
    copy = cloud.begin_copy(cloud.lab.blob("copy.vhd"), source, {name: "x"})
    assert await refused(copy) == (HttpResponseError, 400, "InvalidMetadata")


async def test_metadata_that_is_not_ascii_is_signed_otherwise_than_it_is_sent(cloud: Cloud) -> None:
    disk = cloud.named("disk.vhd")
    backup = cloud.services.backups.address(disk)
    assert (await refused(cloud.services.blobs.create(backup, PAGE, {"owner": "Jürgen"}))).status == 403
    etag = await cloud.leased_backup(disk, 1)
    assert (await refused(cloud.services.snapshots.take(backup, etag, {"owner": "Jürgen"}, RUN))).status == 403


@pytest.mark.parametrize("character", ["\n", "\r", "\x0b", "\x7f"], ids=ascii)
async def test_the_sdk_sends_no_metadata_with_a_control_character(cloud: Cloud, character: str) -> None:
    with pytest.raises(ValueError, match="Forbidden control character"):
        await cloud.services.blobs.create(cloud.named("disk.vhd").address, PAGE, {"a": f"x{character}y"})
