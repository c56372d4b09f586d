"""The retention in the whole app: planned after a tick, approved by an operator, and carried out in real storage."""

import json
from datetime import timedelta

from shared.azure.tables.retention_rows import RETENTION_PARTITION, plan_of
from shared.azure.tables.rows import from_properties
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, MANAGE_QUEUE
from shared.model.retention_plan import PlanOnRecord, PlanState
from tests.app.cloud import Cloud, Disk, pages, until
from tests.app.restoring import ask, request
from tests.app.restoring import ended as ended_restore

AT_ONCE = {"model.retention.MIN_AGE": timedelta()}
GOING = 2


async def plan_in(cloud: Cloud, disk: Disk, state: PlanState) -> PlanOnRecord:
    """Wait until a disk's plan is in a state."""
    table = cloud.tables.get_table_client(BACKUPS_TABLE)

    async def look() -> list[PlanOnRecord]:
        rows = table.query_entities(
            f"PartitionKey eq '{RETENTION_PARTITION}' and RowKey eq '{PageBlobDisk(disk.address).key}'"
        )
        plans = [plan_of(from_properties(row)) async for row in rows]
        return [plan for plan in plans if plan.state is state and plan.going == GOING]

    [plan] = await until(look, f"a plan that is {state}")
    return plan


async def test_an_approved_plan_is_carried_out_and_what_stays_can_be_restored(cloud: Cloud) -> None:
    disk = await cloud.disk()
    async with cloud.app(disk, changed=AT_ONCE, RETENTION="last=1", RETENTION_MODE="on") as app:
        for seed in range(GOING + 2):
            await disk.write(0, pages(4, seed))
            await app.back_up(disk)
        plan = await plan_in(cloud, disk, PlanState.WAITING)
        before = await disk.points()
        foreign = (await disk.backup_blob.create_snapshot())["snapshot"]
        await cloud.put(MANAGE_QUEUE, json.dumps({"do": "approve", "plan": plan.plan}))
        done = await plan_in(cloud, disk, PlanState.DONE)
        left = await disk.points()
        restored = await ended_restore(cloud, await ask(cloud, request(disk, left[0].time)))
        content = [await disk.content_of(point) for point in left]
        copy = await cloud.existing_disk(restored.known_target.name, b"")
        assert await cloud.read(copy.blob, copy.account) == content[0]
    assert sorted(plan.times) == [point.time for point in before[:-2]]
    assert (done.deleted, [point.time for point in left]) == (len(plan.times), [point.time for point in before[-2:]])
    assert await disk.backup_snapshots() == sorted([*(point.backup_snapshot for point in left), foreign])
    assert restored.state is Stage.DONE
