"""One local Azure with managed disks for all tests of a process; each test has disks of its own."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from infra.local.local_azure import APP, LocalAzure
from infra.local.managed_disks import Disk, ManagedDisks
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.model.restore import Restore
from shared.settings import Settings
from tests.managed_disks.arm import Arm
from tests.managed_disks.source import GROUP_ID
from tests.managed_disks.storage import MIB, Storage
from tests.managed_disks.uploading import about_to_upload

NewDisk = Callable[..., Awaitable[Disk]]


@pytest.fixture(autouse=True)
def _gateway_as_at_first(azure: LocalAzure) -> Iterator[None]:
    azure.gateway.requests.clear()
    yield
    azure.gateway.faults.clear()


@pytest.fixture(scope="session")
async def http(running_disks: ManagedDisks) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running_disks.trusted())) as session:
        yield session


@pytest.fixture
def arm(managed: ManagedDisks, http: aiohttp.ClientSession) -> Arm:
    """The resource manager, as the app calls it."""
    return Arm(http, managed.url, managed.token(APP))


@pytest.fixture
def storage(http: aiohttp.ClientSession) -> Storage:
    """The storage hosts, as their SASs open them."""
    return Storage(http)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def new_disk(managed: ManagedDisks, numbers: Iterator[int]) -> NewDisk:
    async def make(size: int = MIB, **fields: Any) -> Disk:
        return await managed.create_disk(f"disk{next(numbers)}", size, **fields)

    return make


@pytest.fixture
async def disk(new_disk: NewDisk) -> Disk:
    """A disk of 1 MiB, empty."""
    return await new_disk()


@pytest.fixture
async def services(
    azure: LocalAzure, managed: ManagedDisks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Services]:
    for name, value in managed.settings.items():
        monkeypatch.setenv(name, value)
    # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of an app.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", managed.trusted())
    chosen = azure.app_settings([f"{GROUP_ID}/providers/Microsoft.Compute/disks/*"], **managed.settings)
    settings = Settings.model_validate(chosen | {k.lower(): v for k, v in chosen.items()})
    async with contextlib.aclosing(KeptConnections()) as kept, open_services(settings, kept) as opened:
        yield opened


@pytest.fixture
async def restore(services: Services, numbers: Iterator[int]) -> Restore:
    """A restore that is about to make its disk."""
    return await about_to_upload(services, f"restore{next(numbers)}")
