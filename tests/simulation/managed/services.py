"""The app's own access to managed disks, on top of simulated services: what it asks, and in which order, is real."""

from datetime import timedelta
from typing import Any

from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.managed_disks import ManagedDiskSource
from shared.azure.sources.managed_reading import ManagedReader
from shared.azure.sources.source import Reader
from shared.settings import Settings
from tests.simulation.calls import Calls
from tests.simulation.managed.manager import URL, SimulatedManager
from tests.simulation.managed.storage import SimulatedConnections, SimulatedHosts
from tests.simulation.world import World


def managed_disks(
    world: World, calls: Calls, settings: Settings, blobs: Reader
) -> tuple[ManagedDiskSource, ManagedReader]:
    """Give the managed disks of an invocation, and what reads their snapshots; its process has access to some."""
    manager, access = manager_of(world, calls), world.access()
    connections = SimulatedConnections(SimulatedHosts(world, calls))
    reader = ManagedReader(connections, manager, blobs, settings.storage_api_version, access)
    return ManagedDiskSource(manager, settings, access, world.clock), reader


def manager_of(world: World, calls: Calls) -> ResourceManager:
    """Give Azure Resource Manager, as the app or another tool uses it."""
    http: Any = SimulatedManager(world, calls)

    async def client() -> Any:
        return http

    async def sleep(duration: timedelta) -> None:
        await calls.read(lambda: world.pass_time(duration))

    return ResourceManager(client, URL, sleep)
