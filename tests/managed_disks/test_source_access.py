"""Access to snapshots of managed disks: had, kept, refused and ended, and never told."""

import asyncio
import contextlib
import traceback
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ConnectionTimeoutError, ServerTimeoutError
from azure.core import AsyncPipelineClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from infra.local.gateway.roles import Role
from infra.local.local_azure import APP
from infra.local.managed_disks import GROUP, ArmFault, ManagedDisks
from infra.local.managed_disks import Disk as FakeDisk
from shared.azure.answers import explain, is_busy, is_transient
from shared.azure.kept_connections import KeptConnections
from shared.azure.resource_manager import ResourceManager
from shared.azure.services import Services, open_services
from shared.azure.sources.source import COPY_URL_LIFETIME
from shared.changes.ranges import Window
from shared.errors import ListingTimedOutError
from shared.model.disk import Disk
from tests.managed_disks.source import changes, known
from tests.managed_disks.storage import MIB


async def test_access_that_ended_is_asked_for_anew(services: Services, managed: ManagedDisks, disk: FakeDisk) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    before = await changes(services, of, taken)
    managed.revoke(managed.snapshots[0])
    assert await changes(services, of, taken) == before


async def test_a_snapshot_that_the_data_of_a_deleted_one_merges_into_is_read_later(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    older, taken = await services.disks.take_snapshot(of), await services.disks.take_snapshot(of)
    before = await changes(services, of, taken)
    managed.behaviour.merging_reads = 1
    await services.disks.delete_snapshot(of, older)
    with pytest.raises(HttpResponseError) as refused:
        await changes(services, of, taken)
    assert is_transient(refused.value)
    assert await changes(services, of, taken) == before


async def test_azure_that_asks_for_patience_is_asked_again_but_not_for_as_long_as_a_function_may_take(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))
    for patience in (1, 1200):
        refused = (429, "OperationNotAllowed", "Too many requests.")
        managed.resource_manager.faults.add(
            ArmFault("Snapshots - Grant Access", times=1, refuse=refused, retry_after=patience)
        )
    async with asyncio.timeout(5):
        with pytest.raises(HttpResponseError) as raised:
            await services.pages.signed_url(version)
        assert is_busy(raised.value)
        assert await services.pages.signed_url(version)


async def test_a_role_that_is_not_assigned_is_named(services: Services, managed: ManagedDisks, disk: FakeDisk) -> None:
    of = await known(services, disk)
    managed.roles.clear()
    for actions in ((), ("Microsoft.Compute/disks/read", "Microsoft.Compute/snapshots/*")):
        managed.give(APP, Role("Some", actions))
        with pytest.raises(HttpResponseError) as refused:
            await services.disks.take_snapshot(of)
        assert "the role Tidemark managed disk reader" in explain(refused.value)


async def test_access_that_others_have_all_is_waited_for_like_a_busy_service(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    managed.behaviour.accesses_per_family = 0
    taken = await services.disks.take_snapshot(of)
    with pytest.raises(HttpResponseError, match=r"SAS URIs of at most 0.*five snapshots of a disk at once") as refused:
        await services.pages.signed_url(services.disks.version(of, taken))
    assert is_busy(refused.value)


async def test_a_copy_of_days_gets_access_for_days_though_a_batch_has_some_for_hours(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    managed.behaviour.second_access = "new"
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))
    for_batch = await services.pages.signed_url(version)
    for_copy = await services.pages.signed_url(version, COPY_URL_LIFETIME)
    access = managed.snapshots[0].access
    assert access
    assert for_copy != for_batch
    assert access.expires_at - managed.clock.now() > COPY_URL_LIFETIME - timedelta(minutes=1)
    assert await services.pages.signed_url(version) == for_copy, "which serves batches too"


async def test_access_without_a_url_is_none(
    services: Services, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))

    async def nothing(*_: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(ResourceManager, "act", nothing)
    with pytest.raises(ServiceResponseError, match="but no URL"):
        await services.pages.signed_url(version)


async def test_a_resource_group_that_is_not_there_is_told_with_what_to_do(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    managed.give(APP)
    elsewhere = Disk.parse(of.name.replace(f"/{GROUP}/", "/gone/"))
    with pytest.raises(ResourceNotFoundError) as refused:
        await services.disks.own_snapshots(elsewhere)
    assert "ResourceGroupNotFound (404)" in explain(refused.value)
    assert "What to do: check the subscription and the resource group" in explain(refused.value)


async def test_no_secret_is_in_what_is_said(services: Services, disk: FakeDisk) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    version = services.disks.version(of, taken)
    url = await services.pages.signed_url(version)
    secret = url.partition("sig=")[2].partition("&")[0]
    assert secret
    assert secret not in f"{version} {version.name} {version.of}"


@pytest.mark.parametrize(
    ("kind", "raised"),
    [(ServerTimeoutError, ListingTimedOutError), (ConnectionTimeoutError, ServiceRequestError)],
)
async def test_no_secret_is_in_what_the_host_logs_of_a_listing_that_timed_out(
    services: Services,
    disk: FakeDisk,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[ServerTimeoutError],
    raised: type[Exception],
) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    version = services.disks.version(of, taken)
    await services.pages.properties(version)
    secret = (await services.pages.signed_url(version)).partition("sig=")[2].partition("&")[0]

    async def late(_: object, request: HttpRequest, **__: object) -> None:
        said = kind(f"Connection timeout to host {request.url}")  # as aiohttp says it
        raise ServiceRequestError(str(said), error=said)

    monkeypatch.setattr(AsyncPipelineClient, "send_request", late)
    with pytest.raises(raised) as timed_out:
        async for _ in services.pages.changes(version, None, Window(0, MIB)):
            pass
    assert secret not in "".join(traceback.format_exception(timed_out.value))


async def test_access_is_kept_by_its_worker_for_the_next_invocation_and_no_other_worker_has_it(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    managed.behaviour.second_access = "new"
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))
    given = []
    for kept in (KeptConnections(), KeptConnections()):
        async with contextlib.aclosing(kept):
            for _ in range(2):
                async with open_services(services.settings, kept) as invocation:
                    given.append(await invocation.pages.signed_url(version))
    assert (given[0] == given[1], given[2] == given[3], given[0] == given[2]) == (True, True, False)
