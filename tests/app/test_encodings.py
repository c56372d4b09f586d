"""A disk whose blob says that its content is encoded, as some tools upload them, is backed up and restored as it is."""

import uuid

import pytest
from azure.storage.blob.aio import BlobClient

from infra.local.disks.vhd import make_footer
from infra.local.gateway import Fault
from shared.limits import PAGE
from shared.model.job import JobKind, Stage
from shared.model.run import SERVER_SIDE, Kind
from tests.app.cloud import MIB, App, Cloud, Disk, pages
from tests.app.inspecting import inspected
from tests.app.restoring import ask, ended, over, request

FOOTER = make_footer(2 * MIB - PAGE, uuid.UUID(int=5), 1_767_225_600)


async def encoded_disk(cloud: Cloud, encoding: str) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8, seed=2))
    await disk.write(2 * MIB - PAGE, FOOTER)
    await disk.encode(encoding)
    return disk


async def encoding_of(blob: BlobClient) -> str:
    return str((await blob.get_blob_properties()).content_settings.content_encoding)


async def restored_and_inspected(cloud: Cloud, app: App, disk: Disk, how: str) -> None:
    """Verify the newest recovery point, drill it, restore it to a new disk and over its own; then back that up."""
    for task in (JobKind.VERIFY, JobKind.DRILL):
        found = await inspected(cloud, task, disk)
        assert (found.state, found.last_error) == (Stage.DONE, "")
    held = bytes(disk.expected)
    for target in (f"{disk.url}-2", disk.url):
        restore = await ended(cloud, await ask(cloud, request(disk, **over(target, replaceOther=True))))
        assert (restore.state, restore.attempt) == (Stage.DONE, 1)
        assert restore.seen.startswith("VHD footer valid")
        assert restore.copying.startswith(how)
        restored = await cloud.existing_disk(target, held)
        assert await cloud.read(restored.blob, restored.account) == held
    [point] = await app.back_up(disk)
    assert (point.kind, point.bytes_written, await disk.content_of(point)) == (Kind.INCREMENTAL, 0, held)


@pytest.mark.nightly
async def test_a_disk_said_to_be_encoded_is_backed_up_verified_drilled_and_restored(cloud: Cloud) -> None:
    disk = await encoded_disk(cloud, "gzip")
    async with cloud.app(disk) as app:
        [full] = await app.back_up(disk)
        assert full.copying == SERVER_SIDE
        assert await disk.content_of(full) == disk.expected
        await disk.write(PAGE, pages(1, seed=3))
        await disk.clear(MIB, PAGE)
        [point] = await app.back_up(disk)
        assert point.kind is Kind.INCREMENTAL
        assert await disk.content_of(point) == disk.expected
        await restored_and_inspected(cloud, app, disk, SERVER_SIDE)
        assert await encoding_of(disk.blob) == "gzip"
        assert (await disk.record()).last_error == ""


@pytest.mark.nightly
async def test_by_any_encoding_its_bytes_are_read_as_they_are(cloud: Cloud) -> None:
    disk = await encoded_disk(cloud, "gzip")
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure")))
    async with cloud.app(disk) as app:
        for number, encoding in enumerate(("deflate", "br"), 3):
            await disk.encode(encoding)
            await disk.write(0, pages(8, seed=number))
            [point] = await app.back_up(disk)
            assert point.copying.startswith("through the function"), encoding
            assert await disk.content_of(point) == disk.expected, encoding
            assert (await inspected(cloud, JobKind.VERIFY, disk)).state is Stage.DONE, encoding


@pytest.mark.nightly
async def test_a_disk_said_to_be_encoded_is_carried_through_the_function_as_it_is(cloud: Cloud) -> None:
    disk = await encoded_disk(cloud, "gzip")
    firewall = (403, "AuthorizationFailure")
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse_source=firewall))
    cloud.azure.gateway.faults.add(Fault("Copy Blob", f"/{disk.account.name}/*", refuse_source=firewall))
    async with cloud.app(disk) as app:
        [full] = await app.back_up(disk)
        assert await disk.content_of(full) == disk.expected
        await restored_and_inspected(cloud, app, disk, "through the function")


@pytest.mark.nightly
async def test_a_full_copy_of_a_disk_said_to_be_encoded_is_restored(cloud: Cloud) -> None:
    disk = await encoded_disk(cloud, "gzip")
    async with cloud.app({"url": disk.url, "mode": "full"}) as app:
        await app.back_up(disk)
        for task in (JobKind.VERIFY, JobKind.DRILL):
            assert (await inspected(cloud, task, disk)).state is Stage.DONE
        restore = await ended(cloud, await ask(cloud, request(disk)))
        assert (restore.state, restore.last_error) == (Stage.DONE, "")
        target = await cloud.existing_disk(restore.known_target.name, bytes(disk.expected))
        assert await cloud.read(target.blob, target.account) == disk.expected
        assert await encoding_of(target.blob) == "gzip"
