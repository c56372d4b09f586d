"""What outlives an invocation by identity: connections, tokens and delegation keys, and no key that was revoked."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from azure.storage.blob.aio import ContainerClient

from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import DISKS
from shared.azure import connections
from shared.azure.blobs.reading import BlobReader
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import open_services
from shared.changes.ranges import Change
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import CopyStage
from shared.model.version import BlobVersion
from shared.pages.comparing import Comparison
from shared.pages.copying import BlobCopy, check_copy, start_copy
from shared.pages.signed import SignedReads
from shared.settings import Settings
from tests.app.cloud import until

FIRST = Change(0, PAGE, clear=False)


@pytest.fixture
def settings(azure: IdentityAzure, container: ContainerClient, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of an app that may read and write the disks."""
    chosen = azure.app_settings([f"{container.url}/disk*.vhd"])
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of an app.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", azure.trusted())
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{container.container_name}")
    return Settings.model_validate(chosen | {name.lower(): value for name, value in chosen.items()})


@pytest.fixture
async def kept() -> AsyncIterator[KeptConnections]:
    async with contextlib.aclosing(KeptConnections()) as connections:
        yield connections


@pytest.fixture
async def disk(container: ContainerClient) -> BlobVersion:
    """A disk of a page."""
    blob = container.get_blob_client("disk1.vhd")
    await blob.create_page_blob(PAGE)
    await blob.upload_page(b"*" * PAGE, 0, PAGE)
    return BlobVersion(BlobAddress.parse(blob.url))


class Asked:
    """Counts what the app has asked for since it was made."""

    def __init__(self, azure: IdentityAzure) -> None:
        self._azure, self._before = azure, self._now(azure)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Handshakes with the blob service, tokens, and delegation keys."""
        now = self._now(self._azure)
        return now[0] - self._before[0], now[1] - self._before[1], now[2] - self._before[2]

    @staticmethod
    def _now(azure: IdentityAzure) -> tuple[int, int, int]:
        keys = sum(request.operation == "Get User Delegation Key" for request in azure.gateway.requests)
        agents = [agent for agent in azure.gateway.accepted.agents if not agent.startswith("owner")]
        return len(agents), azure.endpoint.given, keys


async def revoke(azure: IdentityAzure) -> None:
    """Revoke all delegation keys. In the same second, the local Azure would give out the same ones again."""
    azure.authorizer.delegation_keys.revoke()
    second = int(time.time())

    async def has_passed() -> bool:
        return int(time.time()) != second

    await until(has_passed, "the next second")


async def read_once(settings: Settings, kept: KeptConnections, disk: BlobVersion) -> bytes:
    """Do what an invocation does: sign, and read."""
    async with kept.of(settings) as connections:
        reader = BlobReader(connections, settings.storage_api_version)
        return await reader.read(await reader.signed_url(disk), FIRST)


async def test_invocations_one_after_another_share_a_connection_a_token_and_a_key(
    azure: IdentityAzure, settings: Settings, kept: KeptConnections, disk: BlobVersion
) -> None:
    asked = Asked(azure)
    for _ in range(20):
        assert await read_once(settings, kept, disk) == b"*" * PAGE
    assert asked.counts == (1, 1, 1)


async def test_invocations_at_once_share_a_token_and_a_key(
    azure: IdentityAzure, settings: Settings, kept: KeptConnections, disk: BlobVersion
) -> None:
    asked = Asked(azure)
    for _ in range(4):
        await asyncio.gather(*(read_once(settings, kept, disk) for _ in range(20)))
    handshakes, *others = asked.counts
    assert others == [1, 1]
    assert handshakes <= 20, "as many as there were at once"


async def test_however_many_requests_are_made_at_once_a_service_gets_a_bounded_number_of_connections(
    azure: IdentityAzure,
    settings: Settings,
    kept: KeptConnections,
    disk: BlobVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)
    asked = Asked(azure)
    assert set(await asyncio.gather(*(read_once(settings, kept, disk) for _ in range(40)))) == {b"*" * PAGE}
    assert asked.counts[0] == 4


async def test_a_key_that_was_revoked_is_replaced_by_the_first_read_that_is_refused(
    azure: IdentityAzure, settings: Settings, kept: KeptConnections, disk: BlobVersion
) -> None:
    await read_once(settings, kept, disk)
    await revoke(azure)
    asked = Asked(azure)
    for _ in range(2):
        async with open_services(settings, kept) as services:
            reads = await SignedReads.begin(services, disk)
            assert await reads.read(FIRST) == b"*" * PAGE
    assert asked.counts[2] == 1


async def test_a_comparison_whose_key_was_revoked_before_it_began_goes_on_with_a_new_one(
    azure: IdentityAzure, settings: Settings, kept: KeptConnections, disk: BlobVersion
) -> None:
    await read_once(settings, kept, disk)
    await revoke(azure)
    async with open_services(settings, kept) as services:
        comparison = await Comparison.begin(services, disk, disk)
        await comparison.contents([FIRST] * 4)
    assert comparison.samples == 4


async def test_a_copy_of_a_blob_whose_key_was_revoked_starts_with_a_new_one(
    azure: IdentityAzure, settings: Settings, kept: KeptConnections, disk: BlobVersion
) -> None:
    await read_once(settings, kept, disk)
    await revoke(azure)
    async with open_services(settings, kept) as services:
        await services.backups.ensure()
        target = settings.container.blob(f"{disk.blob.container}/copy.vhd")
        await start_copy(services, BlobCopy(target, "mark", PAGE), disk, {}, etag=None)
        assert (await check_copy(services, BlobCopy(target, "mark", PAGE))).stage is not CopyStage.NOT_STARTED
