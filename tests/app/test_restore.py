"""A recovery point becomes a new disk, which is backed up incrementally from there."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from infra.local.disks.vhd import make_footer
from infra.local.gateway import Fault
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, MORE_DISKS
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import CONTINUE_RESTORE_QUEUE
from shared.model.restore import Restore
from shared.model.run import Kind
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until, valid_ranges
from tests.app.restoring import ask, encoded, ended, request, restore_of, restores

FOOTER = make_footer(2 * MIB - PAGE, uuid.UUID(int=5), 1_767_225_600)


async def one_point(app: App, disk: Disk) -> bytes:
    """Make a recovery point of a disk; give what it holds."""
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8))
    await disk.write(2 * MIB - PAGE, FOOTER)
    await app.back_up(disk)
    return bytes(disk.expected)


async def two_points(app: App, disk: Disk) -> list[bytes]:
    """Make two; give what they hold."""
    first = await one_point(app, disk)
    await disk.clear(MIB, 2 * PAGE)
    await disk.write(2 * PAGE, pages(4, seed=2))
    await app.back_up(disk)
    return [first, bytes(disk.expected)]


async def restored(cloud: Cloud, text: str, expected: bytes) -> tuple[Restore, Disk]:
    """Restore, and see that the new disk is what it should be."""
    restore = await ended(cloud, await ask(cloud, text))
    assert (restore.state, restore.reason) == (Stage.DONE, "")
    target = await cloud.existing_disk(restore.known_target.name, expected)
    assert await cloud.read(target.blob, target.account) == expected
    return restore, target


async def test_a_restored_disk_is_the_recovery_point_and_its_next_backup_is_incremental(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    targets = []
    async with cloud.app(disk) as app:
        for held, point in zip(await two_points(app, disk), await disk.points(), strict=True):
            restore, target = await restored(cloud, request(disk, point.time), held)
            assert restore.recovery_point == point.time
            assert restore.bytes_done == restore.bytes_total == 2 * MIB
            assert [found.path for found in cloud.requests if found.operation == "Copy Blob"][-2:] == [
                target.backup_path,
                target.path,
            ]
            [adopted] = await target.points()
            assert (adopted.kind, adopted.time) == (Kind.RESTORE, restore.target_snapshot)
            assert await target.content_of(adopted) == held
            assert (await target.record()).adopted, "no setting names it"
            await target.write(PAGE, pages(3, seed=3))
            await target.clear(6 * PAGE, PAGE)
            targets.append(target)
        cloud.requests.clear()
        *points, of_the_old = await app.back_up(*targets, disk)
    for target, after in zip(targets, points, strict=True):
        assert (after.kind, after.reason) == (Kind.INCREMENTAL, "")
        assert (after.bytes_written, after.bytes_cleared) == (3 * PAGE, PAGE)
        assert cloud.count("Put Page From URL", target.backup_path) == 1
        assert await target.content_of(after) == target.expected
        assert [point.kind for point in await target.points()] == [Kind.RESTORE, Kind.INCREMENTAL]
        assert len(await target.own_snapshots()) == 1
    assert of_the_old.kind is Kind.INCREMENTAL, "the disk that was restored from goes on as before"
    assert await disk.content_of(of_the_old) == disk.expected


async def test_a_restore_moves_its_bytes_by_two_copies_of_the_service_and_its_proof_is_on_record(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        cloud.requests.clear()
        restore = await ended(cloud, await ask(cloud, request(disk)))
        requests = list(cloud.requests)
    assert (restore.state, restore.reason) == (Stage.DONE, "")
    target = await cloud.existing_disk(restore.known_target.name, held)
    assert await cloud.read(target.blob, target.account) == held
    assert [found.path for found in requests if found.operation == "Copy Blob"] == [target.backup_path, target.path]
    assert not [found for found in requests if found.operation in {"Put Page", "Put Page From URL"}]
    read = sum(found.bytes_out for found in requests if found.operation == "Get Blob")
    assert restore.bytes_compared * 2 < read < MIB / 4, "the samples of both sides, and a look at the disk"
    assert restore.proof.startswith(
        "the disk may already have been unusable when it was backed up: no known filesystem;"
        " matches the recovery point: size (2 MiB), page map ("
    )
    assert restore.proof.endswith(
        "; its backup blob matches too; VHD footer valid; no partition table; no known filesystem"
    )
    assert restore.samples_compared >= 2
    service = cloud.services[target.account]
    [point] = await disk.points()
    of_backup = await valid_ranges(cloud.services[BACKUPS], disk.backup_blob, point.backup_snapshot)
    assert await valid_ranges(service, target.blob, restore.target_snapshot) == of_backup


@pytest.mark.nightly
async def test_latest_and_times_name_the_last_point_at_or_before_them_to_the_seventh_digit(cloud: Cloud) -> None:
    disk = await cloud.disk(MIB)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await app.back_up(disk)
        first, second = [point.time for point in await disk.points()]
        asked = {
            "latest": second,
            second: second,
            first: first,
            _just_before(second): first,
            "2999-01-01T00:00:00+14:00": second,
        }
        requests = [request(disk, point, target=f"{disk.url}.{number}") for number, point in enumerate(asked)]
        done = await asyncio.gather(*(restored(cloud, text, bytes(MIB)) for text in requests))
    found = {point: restore.recovery_point for point, (restore, _) in zip(asked, done, strict=True)}
    assert found == asked


def _just_before(time: str) -> str:
    """Take a ten-millionth of a second off a time."""
    head, fraction = time.removesuffix("Z").split(".")
    seconds, digits = divmod(int(datetime.fromisoformat(f"{head}Z").timestamp()) * 10**7 + int(fraction) - 1, 10**7)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{digits:07d}Z"


async def test_the_portals_base64_is_read_and_a_target_may_be_in_any_account_of_a_disk(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    other = await cloud.disk(MIB, account=MORE_DISKS)
    async with cloud.app(disk, other) as app:
        held = await one_point(app, disk)
        target = f"{other.address.parent.url}/back%20again.vhd"
        restore, _ = await restored(cloud, encoded(request(disk, target=target)), held)
    assert str(restore.target) == target


@pytest.mark.nightly
async def test_copies_may_take_days_and_their_progress_is_on_record(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        target = f"{disk.url}-2"
        backup = f"/{BACKUPS.name}/{BACKUP_CONTAINER}/{PageBlobDisk(disk.address).backup_name}-2"
        copies = cloud.azure.gateway.copies
        promoting, copying = copies.hold(backup), copies.hold(f"{disk.path}-2")
        asked = await ask(cloud, request(disk, target=target))
        for held_copy, state in ((promoting, Stage.PROMOTING), (copying, Stage.COPYING)):
            await held_copy.started.wait()
            held_copy.progress(0.25)
            await until(partial(_is_at, cloud, asked, state, MIB // 2), f"a quarter of {state}")
            await held_copy.finish()
        restore = await ended(cloud, asked)
        assert restore.state is Stage.DONE
        new = await cloud.existing_disk(target, held)
        assert await cloud.read(new.blob, new.account) == held
        [point] = await app.back_up(new)
    assert point.kind is Kind.INCREMENTAL


async def _is_at(cloud: Cloud, asked: str, state: Stage, done: int) -> bool:
    found = await restore_of(cloud, asked)
    return found is not None and (found.state, found.bytes_done, found.bytes_total) == (state, done, 2 * MIB)


@pytest.mark.nightly
async def test_a_message_that_is_delivered_again_makes_no_second_restore(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        answers_lost = cloud.azure.gateway.faults.add(Fault("Copy Blob", cut="after", times=2))
        restore, _ = await restored(cloud, request(disk), held)
        [again] = await restores(cloud)
        assert again == restore
        assert answers_lost.hits
        second = await ended(cloud, await ask(cloud, request(disk)))
    assert (second.state, "exists" in second.reason) == (Stage.REFUSED, True)
    container = cloud.services[disk.account].get_container_client(disk.address.container)
    assert len([name async for name in container.list_blob_names()]) == 2


@pytest.mark.nightly
async def test_a_tick_leaves_a_disk_alone_that_is_being_restored_and_then_backs_it_up_as_the_settings_say(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(f"{disk.address.parent.url}/*.vhd") as app:
        held = await one_point(app, disk)
        copying = cloud.azure.gateway.copies.hold(f"/{disk.account.name}/*-restored-*")
        asked = await ask(cloud, request(disk))
        await copying.started.wait()
        await app.back_up(disk)
        found = await restore_of(cloud, asked)
        assert found
        target = await cloud.existing_disk(found.known_target.name, held)
        assert (await target.record()).run is None
        await copying.finish()
        restore = await ended(cloud, asked)
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        assert await cloud.read(target.blob, target.account) == held
        assert not (await target.record()).adopted, "a pattern matches it"
        [point, _] = await app.back_up(target, disk)
    assert point.kind is Kind.INCREMENTAL
    assert "snapshot-failed" not in cloud.log.read_text()


@pytest.mark.nightly
async def test_a_restore_whose_message_was_lost_is_resumed_by_the_next_tick(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        held = await one_point(app, disk)
        copying = cloud.azure.gateway.copies.hold("*-restored-*")
        asked = await ask(cloud, request(disk))
        await copying.started.wait()
        app.host.kill()
    await cloud.queues.get_queue_client(CONTINUE_RESTORE_QUEUE).clear_messages()
    await copying.finish()
    async with cloud.app(disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        await until(partial(_is_forgotten, cloud, asked), "a restore that nobody looks at")
        await app.tick()
        restore = await ended(cloud, asked)
    assert "restore-resumed" in cloud.log.read_text()
    assert restore.state is Stage.DONE
    target = await cloud.existing_disk(restore.known_target.name, held)
    assert await cloud.read(target.blob, target.account) == held


async def _is_forgotten(cloud: Cloud, asked: str) -> bool:
    found = await restore_of(cloud, asked)
    return found is not None and found.is_check_overdue(datetime.now(UTC), timedelta(seconds=1))
