"""Managed disks as the app sees them, through its interface to disks."""

from collections.abc import Sequence

from infra.local.managed_disks import GROUP, SUBSCRIPTION
from infra.local.managed_disks import Disk as FakeDisk
from shared.azure.services import Services
from shared.changes.ranges import Window
from shared.model.disk import Disk

BLOCK = 4096
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"


async def known(services: Services, made: FakeDisk) -> Disk:
    [disk] = [found for found in await found_by(services) if found.name.split("#")[0].endswith(f"/{made.id.name}")]
    return disk


async def found_by(services: Services) -> list[Disk]:
    return await services.disks.find(services.settings.source_disks[0])


async def changes(
    services: Services, disk: Disk, snapshot: str, since: str = "", window: Window | None = None
) -> Sequence[tuple[int, int, bool]]:
    version = services.disks.version(disk, snapshot)
    size = (await services.pages.properties(version)).size
    older = services.disks.version(disk, since) if since else None
    return [
        (change.start, change.end, change.clear)
        async for change in services.pages.changes(version, older, window or Window(0, size))
    ]
