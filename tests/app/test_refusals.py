"""What the service, or who owns the account, refuses: it is waited out, tried again, or told; nothing is lost."""

import asyncio
from functools import partial

import pytest

from infra.local.gateway import Fault
from shared.azure.queues import POISON_SUFFIX
from shared.events import Event
from shared.limits import PAGE
from shared.model.names import PLAN_CHANGES_QUEUE
from shared.model.record import DiskRecord
from shared.model.run import SERVER_SIDE, Kind
from tests.app.cloud import MIB, Cloud, Disk, pages, until

BUSY = (503, "ServerBusy", "The server is busy.")
REFUSED = (403, "AuthorizationFailure", "not now")

RETRIES = 2
"""Fewer than the app makes of a run, as each is a tick."""


@pytest.mark.nightly
async def test_a_busy_service_slows_the_whole_batch_down_and_no_run_fails(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    for start in range(0, 16 * MIB, MIB):
        await disk.write(start, pages(1))
    busy = cloud.azure.gateway.faults.add(Fault("Put Page From URL", after=2, times=10, refuse=BUSY))
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert busy.hits == 10
    assert await disk.content_of(point) == disk.expected
    assert (await disk.record()).last_error == ""
    assert 0 < len(cloud.events(Event.SLOWED_DOWN)) < busy.hits, "those that are refused together slow it down once"


async def test_a_permission_lost_in_mid_run_and_given_back_lets_the_next_tick_finish_the_same_run(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    await disk.write(0, pages(2))
    await disk.write(8 * MIB, pages(2))
    async with cloud.app(disk) as app:
        lost = cloud.azure.gateway.faults.add(Fault("Put Page From URL", after=1, refuse=REFUSED))
        await app.tick()
        failed = await _failed(disk)
        lost.remove()
        await disk.write(0, pages(2, seed=2))
        [point] = await app.back_up(disk)
        await _poison_is_empty(cloud)
    assert failed.run
    assert (point.time, point.kind) == (failed.run.snapshot, Kind.FULL)
    assert "AuthorizationFailure (403)" in failed.last_error
    held = await disk.content_of(point)
    assert held[: 2 * PAGE] == held[8 * MIB : 8 * MIB + 2 * PAGE] == pages(2), "as at its source snapshot, not today"


@pytest.mark.nightly
async def test_a_run_that_fails_at_every_tick_is_given_up_and_the_next_is_a_resync_of_the_disk_of_then(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    async with cloud.app(disk, changed={"model.failed_runs.MAX_RUN_RETRIES": RETRIES}) as app:
        await app.back_up(disk)
        await disk.write(0, pages(2, seed=2))
        refused = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, refuse=REFUSED))
        for tries in range(RETRIES + 1):
            await app.tick()
            await _failed(disk, tries)
        refused.remove()
        await disk.write(0, pages(2, seed=3))
        [point] = await app.back_up(disk)
    assert (point.kind, f"failed {RETRIES + 1} times" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected
    assert len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_a_snapshot_that_premium_storage_refuses_is_told_and_taken_later(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    refusals = {
        "SnapshotCountExceeded": "delete old snapshots of the disk",
        "SnapshotOperationRateExceeded": "tried again in about 1 min",
    }
    async with cloud.app(disk) as app:
        for code, said in refusals.items():
            refusal = cloud.azure.gateway.faults.add(Fault("Snapshot Blob", disk.path, refuse=(409, code, "no")))
            await app.tick()
            error = await until(partial(_last_error, disk, code), f"{code} on record")
            assert said in error, code
            refusal.remove()
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_premium_disk_that_is_attached_to_a_vm_is_backed_up_from_its_snapshots_alone(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    in_use = (409, "SystemInUse", "The blob is in use.")
    for operation in ("Get Blob", "Get Page Ranges", "Lease Blob", "Set Blob Metadata"):
        cloud.azure.gateway.faults.add(Fault(operation, disk.path, only_base=True, refuse=in_use))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.write(PAGE, pages(1, seed=2))
        [point] = await app.back_up(disk)
    assert (point.kind, (await disk.record()).last_error) == (Kind.INCREMENTAL, "")
    assert await disk.content_of(point) == disk.expected


async def test_a_signature_that_the_service_takes_no_more_is_made_anew(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    for start in range(0, 16 * MIB, 4 * MIB):
        await disk.write(start, pages(1))
    hold = asyncio.Event()
    expired = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", times=3, delay_until=hold, refuse_source=(403, "AuthenticationFailed"))
    )

    async def are_all_under_way() -> bool:
        return expired.hits == 3

    async with cloud.app(disk) as app:
        await app.tick()
        await until(are_all_under_way, "requests with one signature")
        hold.set()
        [point] = await app.next_points([disk], [0])
    assert (expired.hits, point.copying) == (3, SERVER_SIDE)
    assert await disk.content_of(point) == disk.expected


async def _failed(disk: Disk, tries: int = 0) -> DiskRecord:
    """Wait until the open run is marked as failed, after it was tried again so often."""

    async def look() -> DiskRecord | None:
        record = await disk.known_record()
        return record if record and record.run and record.run.failed and record.run.tries == tries else None

    found = await until(look, "a run that has failed")
    assert found
    return found


async def _last_error(disk: Disk, code: str) -> str:
    record = await disk.known_record()
    return record.last_error if record and code in record.last_error else ""


async def _poison_is_empty(cloud: Cloud) -> None:
    async def is_empty() -> bool:
        queue = cloud.queues.get_queue_client(f"{PLAN_CHANGES_QUEUE}{POISON_SUFFIX}")
        return (await queue.get_queue_properties()).approximate_message_count == 0

    await until(is_empty, "an empty poison queue")
