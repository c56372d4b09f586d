"""The app's own access to managed disks, on top of simulated services: what it asks, and in which order, is real."""

from datetime import timedelta
from typing import Any, NamedTuple

from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.managed_disks import ManagedDiskSource
from shared.azure.sources.managed_reading import ManagedReader
from shared.azure.sources.source import Reader
from shared.azure.sources.uploads import ManagedUploads, UploadUrls
from shared.limits import STORAGE_API_VERSION
from shared.settings import Settings
from tests.simulation.calls import Calls
from tests.simulation.managed.manager import URL, SimulatedManager
from tests.simulation.managed.storage import SimulatedConnections, SimulatedHosts
from tests.simulation.world import World


class ManagedServices(NamedTuple):
    """What the app has of managed disks.

    Attributes:
        disks: the disks.
        reader: what reads their snapshots.
        uploads: what makes disks.
    """

    disks: ManagedDiskSource
    reader: ManagedReader
    uploads: ManagedUploads


def managed_disks(world: World, calls: Calls, settings: Settings, blobs: Reader) -> ManagedServices:
    """Give the managed disks of an invocation; its process has access to some."""
    manager, (access, urls) = manager_of(world, calls), world.access()
    connections = SimulatedConnections(SimulatedHosts(world, calls))
    reader = ManagedReader(connections, manager, blobs, settings.storage_api_version, access)
    disks = ManagedDiskSource(manager, settings, access, world.clock)
    return ManagedServices(disks, reader, uploads_on(world, calls, manager, urls))


def uploads_on(world: World, calls: Calls, manager: ResourceManager, urls: UploadUrls) -> ManagedUploads:
    """Give uploads as a process has them that knows these URLs."""
    return ManagedUploads(SimulatedConnections(SimulatedHosts(world, calls)), manager, STORAGE_API_VERSION, urls)


def manager_of(world: World, calls: Calls) -> ResourceManager:
    """Give Azure Resource Manager, as the app or another tool uses it."""
    http: Any = SimulatedManager(world, calls)

    async def client() -> Any:
        return http

    async def sleep(duration: timedelta) -> None:
        await calls.read(lambda: world.pass_time(duration))

    return ResourceManager(client, URL, sleep)
