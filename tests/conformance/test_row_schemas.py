"""Every row in Azurite's tables names its schema, and one of a newer release is left unchanged."""

from datetime import UTC, datetime
from typing import Any

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.model.inspection import Inspection
from shared.model.job import JobKind
from shared.model.messages import PartMessage
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.schema import SCHEMA
from tests.conformance.on_azurite import AzuriteCloud, People
from tests.conformance.test_records import NOON, point_of, record_of, times
from tests.conformance.test_restore_rows import restore_of

NEWER = {"schema": SCHEMA + 1, "run_began": "another name"}


async def rows_of(table: TableClient, partition: str) -> list[dict[str, Any]]:
    query = "PartitionKey ge @partition and PartitionKey lt @end"
    found = table.query_entities(query, parameters={"partition": partition, "end": f"{partition}~"})
    return [{**row} async for row in found]


async def test_every_row_names_the_schema_it_was_written_with(on_azurite: AzuriteCloud, people: People) -> None:
    disk, services = on_azurite.named("disk.vhd"), on_azurite.services
    drill = Inspection.of("d1", JobKind.DRILL, disk, "latest", datetime.now(UTC))
    await services.records.put(disk, record_of(on_azurite, disk), None)
    found = await services.records.get(disk)
    assert found
    await services.records.seal(disk, *found, await point_of(on_azurite, disk, times(2)[0]))
    await services.records.add_points(disk, [await point_of(on_azurite, disk, times(2)[1])])
    await services.restores.add(restore_of(on_azurite))
    await services.inspections.add(drill)
    await services.parts.add(drill, PartMessage(disk=disk, task=JobKind.DRILL, inspection="d1", part=3), 4096, "")
    message = f"message-{disk.address.container}"
    await services.records.keep_poison(message, {"queue": "plan-changes", "reason": "none", "body": "{}"})
    rows = await rows_of(people.tables.get_table_client(BACKUPS_TABLE), disk.key)
    rows += await rows_of(people.tables.get_table_client(PARTS_TABLE), disk.key)
    rows += [
        row
        for row in await rows_of(people.tables.get_table_client(BACKUPS_TABLE), "poison")
        if row["RowKey"] == message
    ]
    assert len(rows) == 7
    assert {row["schema"].value for row in rows} == {SCHEMA}


async def test_a_lost_recovery_point_of_an_older_release_stays_lost_when_its_loss_is_found_again(
    on_azurite: AzuriteCloud, people: People
) -> None:
    disk, records = on_azurite.named("disk.vhd"), on_azurite.services.records
    point = (await point_of(on_azurite, disk, times(1)[0])).as_damaged("its snapshot is gone", NOON, lost=True)
    await records.add_points(disk, [point])
    table = people.tables.get_table_client(BACKUPS_TABLE)
    [row] = await rows_of(table, disk.key)
    await table.update_entity({k: v for k, v in row.items() if k not in {"schema", "lost"}}, UpdateMode.REPLACE)
    again = await records.update_point(
        disk, point.time, lambda found: found.as_damaged("it was deleted", NOON, lost=True)
    )
    assert again == await records.point(disk, point.time) == point.as_damaged("it was deleted", NOON, lost=True)


async def test_a_recovery_point_of_an_older_release_is_marked_with_this_ones_schema(
    on_azurite: AzuriteCloud, people: People
) -> None:
    disk, records = on_azurite.named("disk.vhd"), on_azurite.services.records
    point = await point_of(on_azurite, disk, times(1)[0])
    await records.add_points(disk, [point])
    table = people.tables.get_table_client(BACKUPS_TABLE)
    [row] = await rows_of(table, disk.key)
    await table.update_entity({k: v for k, v in row.items() if k != "schema"}, UpdateMode.REPLACE)
    await records.update_point(disk, point.time, lambda found: found.as_verified(NOON, NOON))
    [row] = await rows_of(table, disk.key)
    assert row["schema"].value == SCHEMA
    assert await records.point(disk, point.time) == point.as_verified(NOON, NOON)
