"""A disk in full-copy mode: each run is a whole copy, a blob of its own, restored by the same message."""

import uuid
from collections.abc import Sequence
from urllib.parse import unquote

import pytest

from infra.local.disks.vhd import make_footer
from infra.local.gateway import Fault
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS
from shared.events import Event
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import OWNER_MARK
from shared.model.point import RecoveryPoint
from shared.model.run import SERVER_SIDE, Kind, Mode
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.restoring import ask, ended, request


def in_mode(disk: Disk, mode: Mode) -> dict[str, str]:
    return {"url": disk.url, "mode": mode}


async def content_of(cloud: Cloud, disk: Disk, point: RecoveryPoint) -> bytes:
    """Read a full copy whole."""
    name = f"{PageBlobDisk(disk.address).backup_name}/{point.time}"
    assert unquote(str(point.backup_blob)) == f"{(await disk.record()).backup_blob}/{point.time}"
    return await cloud.read(cloud.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, name), BACKUPS)


async def copies(app: App, disk: Disk, seeds: Sequence[int]) -> list[tuple[RecoveryPoint, bytes]]:
    """Back a disk up after each of some changes; give the recovery points and what they hold."""
    made = []
    for seed in seeds:
        await disk.write(0, pages(8, seed))
        await disk.write(2 * MIB - PAGE, make_footer(2 * MIB - PAGE, uuid.UUID(int=5), 1_767_225_600))
        await disk.clear(6 * PAGE, PAGE)
        [point] = await app.back_up(disk)
        made.append((point, bytes(disk.expected)))
    return made


async def test_each_run_is_a_copy_of_its_own_and_each_copy_can_be_restored(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        cloud.requests.clear()
        made = await copies(app, disk, (1, 2))
        assert cloud.count("Copy Blob", status=202) == 2
        assert not cloud.count("Put Page From URL") + cloud.count("Get Page Ranges")
        for point, held in made:
            assert (point.kind, point.copying, point.size) == (Kind.FULL, "Copy Blob", 2 * MIB)
            assert await content_of(cloud, disk, point) == held
            restore = await ended(cloud, await ask(cloud, request(disk, point.time)))
            assert (restore.state, restore.reason, restore.doubts) == (Stage.DONE, "", "no known filesystem")
            target = await cloud.existing_disk(restore.known_target.name, held)
            assert await cloud.read(target.blob, target.account) == held
        await target.write(0, pages(1, seed=5))
        [after, _] = await app.back_up(target, disk)
        assert (after.kind, after.bytes_written) == (Kind.INCREMENTAL, PAGE)
        assert len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_a_copy_may_take_days_and_one_that_fails_is_begun_anew(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    held = cloud.azure.gateway.copies.hold(f"{disk.backup_path}/*")
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        await app.tick()
        await held.started.wait()
        held.progress(0.75)

        async def progress() -> bool:
            run = (await disk.record()).run
            return run is not None and (run.position, run.size) == (3 * MIB // 2, 2 * MIB)

        await until(progress, "three quarters")
        await held.fail("500 OperationCancelled")

        async def again() -> bool:
            return held.count == 2

        await until(again, "another copy")
        # Of two that ask for it anew at once, one is told that a copy is under way: that may be the last error.
        assert "OperationCancelled" in cloud.events(Event.FULL_COPY_FAILED)[0]["reason"]
        await app.tick()
        await until(app.idle, "the tick's end")
        await held.finish()
        await app.next_points([disk], [1])
        for point in await disk.points():
            assert await content_of(cloud, disk, point) == disk.expected
        assert len(await disk.own_snapshots()) == 1


@pytest.mark.nightly
async def test_a_full_copy_whose_source_snapshot_is_gone_is_given_up_and_leaves_nothing(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    held = cloud.azure.gateway.copies.hold(f"{disk.backup_path}/*")
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        await app.tick()
        await held.started.wait()
        [snapshot] = await disk.own_snapshots()
        await (
            cloud.services[disk.account]
            .get_blob_client(disk.address.container, disk.address.blob, snapshot=snapshot)
            .delete_blob()
        )
        await held.fail()

        async def given_up() -> bool:
            return (await disk.record()).run is None and await app.idle()

        await until(given_up, "the end of the run")
        await held.finish()
        [point] = await app.back_up(disk)
        container = cloud.services[BACKUPS].get_container_client(BACKUP_CONTAINER)
        assert [name async for name in container.list_blob_names() if name != OWNER_MARK] == [
            f"{PageBlobDisk(disk.address).backup_name}/{point.time}"
        ]


@pytest.mark.nightly
async def test_the_mode_can_be_switched_at_any_run_and_the_old_points_stay(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    made: list[tuple[RecoveryPoint, bytes]] = []
    for mode in (Mode.FULL, Mode.INCREMENTAL, Mode.FULL, Mode.INCREMENTAL):
        async with cloud.app(in_mode(disk, mode)) as app:
            made += await copies(app, disk, (1,) if mode is Mode.FULL else (1, 2))
            if len(made) == 6:
                chosen = [made[0], made[2], made[3]]  # of either mode, before and after a switch
                asked = [await ask(cloud, request(disk, point.time)) for point, _ in chosen]
                for (_, held), name in zip(chosen, asked, strict=True):
                    restore = await ended(cloud, name)
                    target = await cloud.existing_disk(restore.known_target.name, held)
                    assert await cloud.read(target.blob, target.account) == held
    kinds = [point.kind for point, _ in made]
    assert kinds == [Kind.FULL, Kind.FULL, Kind.INCREMENTAL, Kind.FULL, Kind.RESYNC, Kind.INCREMENTAL]
    switched_back = [point.reason for point, _ in made if point.reason]
    assert switched_back == ["the last backup was a full copy"] * 2
    assert len(await disk.own_snapshots()) == 1


async def test_a_refused_source_is_on_record_with_what_the_service_says(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    refusal = (403, "CannotVerifyCopySource", "Server failed to authenticate the request.")
    refused = cloud.azure.gateway.faults.add(Fault("Copy Blob", refuse=refusal, times=2))
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        [point] = await app.back_up(disk)
    assert refused.hits == 2, "once with another signature, which may have been what was refused"
    assert "CannotVerifyCopySource" in (await disk.record()).last_error
    assert await content_of(cloud, disk, point) == disk.expected


@pytest.mark.nightly
async def test_a_source_that_is_busy_or_fails_for_a_while_is_asked_again_and_nothing_has_failed(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    faults = (
        Fault("Copy Blob", refuse_source=(503, "ServerBusy"), mirrored_as=409, times=3),
        Fault("Copy Blob", refuse=(500, "CannotVerifyCopySource", "no"), times=3),
    )
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        for number, fault in enumerate(faults):
            await disk.write(0, pages(8, seed=number))
            passing = cloud.azure.gateway.faults.add(fault)
            [point] = await app.back_up(disk)
            assert (passing.hits, (await disk.record()).last_error) == (3, ""), fault
            assert await content_of(cloud, disk, point) == disk.expected, fault
        for number, fault in enumerate(faults):
            passing = cloud.azure.gateway.faults.add(fault)
            restore = await ended(cloud, await ask(cloud, request(disk, target=f"{disk.url}-{number}")))
            done = (passing.hits, restore.state, restore.copying, restore.last_error)
            assert done == (3, Stage.DONE, SERVER_SIDE, ""), fault


@pytest.mark.nightly
async def test_the_backup_container_is_created_when_it_is_missing_and_not_asked_for_else(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(in_mode(disk, Mode.FULL)) as app:
        await app.back_up(disk)
        assert cloud.count("Create Container", f"/{BACKUPS.name}/{BACKUP_CONTAINER}") == 1
        cloud.requests.clear()
        [point] = await app.back_up(disk)
        await ended(cloud, await ask(cloud, request(disk)))
    assert not cloud.count("Create Container")
    assert await content_of(cloud, disk, point) == disk.expected
