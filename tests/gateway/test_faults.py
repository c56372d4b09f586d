"""Faults on demand: requests refused, held back or cut off."""

import asyncio
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import ContainerClient

from infra.local.gateway import Fault, Gateway
from tests.gateway.conftest import DISKS
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal

PATIENCE_SECONDS = 60.0


async def test_a_refused_request_has_no_effect(disk: PageBlob, gateway: Gateway) -> None:
    handle = gateway.faults.add(Fault("Put Page", refuse=(503, "ServerBusy", "The server is busy.")))
    assert await refusal(disk.write(0, 0)) == (503, "ServerBusy")
    assert handle.hits == 1
    handle.remove()
    assert await disk.ranges() == []
    await disk.write(0, 0)
    assert handle.hits == 1


async def test_a_refusal_of_a_head_request_has_its_code(disk: PageBlob, gateway: Gateway) -> None:
    gateway.faults.add(Fault("Get Blob Properties", refuse=(409, "SystemInUse", "Attached.")))
    assert await refusal(disk.client.get_blob_properties()) == (409, "SystemInUse")


async def test_a_fault_strikes_as_often_as_told_after_as_many_as_told(disk: PageBlob, gateway: Gateway) -> None:
    handle = gateway.faults.add(Fault("Put Page", times=2, after=1, refuse=(500, "OperationTimedOut", "Late.")))
    outcomes = []
    for page in range(5):
        try:
            await disk.write(page, page)
            outcomes.append("written")
        except HttpResponseError:
            outcomes.append("refused")
    assert outcomes == ["written", "refused", "refused", "written", "written"]
    assert handle.hits == 2
    assert await disk.ranges() == [(0, 0, False), (3, 4, False)]


async def test_a_fault_is_for_its_operation_path_and_method(disk: PageBlob, gateway: Gateway) -> None:
    refuse = (500, "InternalError", "No.")
    handles = [
        gateway.faults.add(Fault("Snapshot Blob", refuse=refuse)),
        gateway.faults.add(Fault(path="*/another.vhd", refuse=refuse)),
        gateway.faults.add(Fault(path=disk.path, method="DELETE", refuse=refuse)),
    ]
    await disk.write(0, 0)
    assert [handle.hits for handle in handles] == [0, 0, 0]
    assert (await refusal(disk.snapshot()))[0] == 500
    assert (await refusal(disk.client.delete_blob()))[0] == 500
    assert [handle.hits for handle in handles] == [1, 0, 1]
    gateway.faults.clear()
    await disk.client.delete_blob()


async def test_a_connection_cut_before_leaves_the_blob_as_it_was(disk: PageBlob, gateway: Gateway) -> None:
    gateway.faults.add(Fault("Put Page", cut="before"))
    gateway.requests.clear()
    with pytest.raises(AzureError):
        await disk.write(0, 0)
    assert gateway.requests[0].status is None
    assert await disk.ranges() == []


async def test_a_connection_cut_after_leaves_the_write_done(disk: PageBlob, gateway: Gateway) -> None:
    before = await disk.snapshot()
    gateway.faults.add(Fault("Put Page", cut="after"))
    with pytest.raises(AzureError):
        await disk.write(0, 0)
    assert await disk.ranges() == await disk.ranges(before) == [(0, 0, False)]


async def test_an_sdk_that_tries_again_takes_a_second_snapshot(
    disk: PageBlob, patient_disks: ContainerClient, gateway: Gateway
) -> None:
    handle = gateway.faults.add(Fault("Snapshot Blob", cut="after", times=1))
    patient = PageBlob(DISKS, patient_disks, str(disk.client.blob_name))
    known = await patient.snapshot()
    listed = patient_disks.list_blobs(name_starts_with=disk.client.blob_name, include=["snapshots"])
    snapshots = [found.snapshot async for found in listed if found.snapshot]
    assert handle.hits == 1
    assert len(snapshots) == 2
    assert known == max(snapshots)


async def test_one_cut_alone_may_not_reach_the_sdk_for_its_transport_asks_again(
    disk: PageBlob, gateway: Gateway
) -> None:
    await disk.ranges()
    gateway.requests.clear()
    gateway.faults.add(Fault("Put Page", cut="after", times=1))
    await disk.write(0, 0)
    assert [(seen.operation, seen.status) for seen in gateway.requests] == [("Put Page", None), ("Put Page", 201)]


async def test_a_download_can_be_cut(disk: PageBlob, gateway: Gateway) -> None:
    gateway.faults.add(Fault("Get Blob", cut="after"))
    with pytest.raises(AzureError):
        await disk.read(0, 0)


async def test_a_download_can_be_cut_midway(disk: PageBlob, gateway: Gateway) -> None:
    await disk.write(0, 7)
    gateway.faults.add(Fault("Get Blob", cut="midway"))
    gateway.requests.clear()
    with pytest.raises(HttpResponseError, match="2048 of 4096 bytes"):
        await disk.read(0, 7)
    assert (gateway.requests[0].status, gateway.requests[0].bytes_out) == (206, 4 * PAGE)


async def test_a_held_request_lands_when_it_is_let_go(disk: PageBlob, gateway: Gateway) -> None:
    let_go = asyncio.Event()
    handle = gateway.faults.add(Fault("Put Page", times=1, delay_until=let_go))
    held = asyncio.create_task(disk.write(0, 0, b"old"))
    await asyncio.wait_for(handle.struck.wait(), PATIENCE_SECONDS)
    before = await disk.snapshot()
    await disk.write(0, 0, b"new")
    assert not held.done()
    let_go.set()
    await held
    assert await disk.read(0, 0) == (b"old" * PAGE)[:PAGE]
    assert await disk.ranges(before) == [(0, 0, False)]


async def test_a_held_request_lands_though_its_client_has_gone(disk: PageBlob, gateway: Gateway) -> None:
    let_go = asyncio.Event()
    handle = gateway.faults.add(Fault("Put Page", times=1, delay_until=let_go))
    gone = asyncio.create_task(disk.write(0, 0))
    await asyncio.wait_for(handle.struck.wait(), PATIENCE_SECONDS)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await disk.ranges() == []
    let_go.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await disk.ranges():
            pass


async def test_a_held_write_with_an_ended_lease_is_refused_when_it_lands(backup: PageBlob, gateway: Gateway) -> None:
    lease = await backup.client.acquire_lease()
    let_go = asyncio.Event()
    handle = gateway.faults.add(Fault("Put Page", times=1, delay_until=let_go))
    late = asyncio.create_task(backup.write(0, 0, lease=lease.id))
    await asyncio.wait_for(handle.struck.wait(), PATIENCE_SECONDS)
    await lease.release()
    let_go.set()
    assert await refusal(late) == (412, "LeaseNotPresentWithBlobOperation")


async def test_a_delayed_request_takes_its_time(disk: PageBlob, gateway: Gateway) -> None:
    gateway.faults.add(Fault("Put Page", delay_seconds=0.2))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await disk.write(0, 0)
    assert loop.time() - start >= 0.2


async def test_a_source_can_be_made_to_refuse(disk: PageBlob, backup: PageBlob, gateway: Gateway) -> None:
    url = disk.source_url(await disk.snapshot())
    gateway.faults.add(Fault("Put Page From URL", times=1, refuse_source=(403, "AuthenticationFailed")))
    with pytest.raises(HttpResponseError) as refused:
        await backup.client.upload_pages_from_url(url, 0, PAGE, 0)
    error: Any = refused.value
    assert (error.status_code, error.error_code) == (403, "CannotVerifyCopySource")
    assert error.response.headers["x-ms-copy-source-error-code"] == "AuthenticationFailed"
    await backup.client.upload_pages_from_url(url, 0, PAGE, 0)


async def test_a_source_that_refuses_can_be_told_by_another_status(
    disk: PageBlob, backup: PageBlob, gateway: Gateway
) -> None:
    url = disk.source_url(await disk.snapshot())
    gateway.faults.add(Fault("Put Page From URL", refuse_source=(503, "ServerBusy"), mirrored_as=409))
    with pytest.raises(HttpResponseError) as refused:
        await backup.client.upload_pages_from_url(url, 0, PAGE, 0)
    error: Any = refused.value
    assert (error.status_code, error.error_code) == (409, "CannotVerifyCopySource")
    assert error.response.headers["x-ms-copy-source-status-code"] == "503"
    assert (error.additional_info["copysourcestatuscode"], error.additional_info["copysourceerrorcode"]) == (
        "503",
        "ServerBusy",
    )


async def test_the_source_of_a_copy_can_be_made_to_refuse_where_it_has_no_signature(
    disk: PageBlob, new_disk: NewBlob, gateway: Gateway
) -> None:
    snapshot, target = await disk.snapshot(), await new_disk(1)
    unsigned, signed = disk.source_url(snapshot, ""), disk.source_url(snapshot)
    fault = gateway.faults.add(
        Fault("Copy Blob", only_unsigned=True, refuse_source=(403, "AuthorizationPermissionMismatch"))
    )
    assert await refusal(target.client.start_copy_from_url(unsigned)) == (403, "CannotVerifyCopySource")
    await target.client.start_copy_from_url(signed)
    assert fault.hits == 1


async def test_only_what_is_longer_can_be_made_to_fail(disk: PageBlob, gateway: Gateway) -> None:
    timed_out = (500, "OperationTimedOut", "Operation could not be completed within the specified time.")
    gateway.faults.add(Fault("Clear Pages", longer_than=2 * PAGE, refuse=timed_out))
    assert await refusal(disk.clear(0, 2)) == (500, "OperationTimedOut")
    await disk.clear(0, 1)


async def test_what_was_asked_is_on_record(disk: PageBlob, gateway: Gateway) -> None:
    gateway.requests.clear()
    await disk.write(0, 1)
    await disk.clear(0, 0)
    snapshot = await disk.snapshot()
    await disk.ranges(snapshot)
    await refusal(disk.client.acquire_lease(lease_duration=1))
    assert [(seen.method, seen.operation, seen.path, seen.bytes_in) for seen in gateway.requests] == [
        ("PUT", "Put Page", disk.path, 2 * PAGE),
        ("PUT", "Clear Pages", disk.path, 0),
        ("PUT", "Snapshot Blob", disk.path, 0),
        ("GET", "Get Page Ranges", disk.path, 0),
        ("PUT", "Lease Blob", disk.path, 0),
    ]
    assert [seen.status for seen in gateway.requests] == [201, 201, 201, 200, 400]
    assert gateway.requests[3].query["prevsnapshot"] == snapshot
    assert gateway.requests[3].bytes_out > 0
    assert gateway.requests[0].headers["x-ms-range"] == "bytes=0-1023"
