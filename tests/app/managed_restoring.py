"""Restores as managed disks, as a person asks for them and watches them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.gateway import Fault
from infra.local.managed_disks import ArmFault, Disk, ManagedDisks
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from tests.app.cloud import MIB, App, Cloud, pages, until
from tests.app.restoring import restore_of, restores
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up

SIZE = 20 * MIB
"""The smallest that can be uploaded."""

BACK = f"{DISKS_OF_GROUP}/back"
"""The ID of the disk to be made."""

UPLOADING = {"ReadyToUpload", "ActiveUpload"}


async def linux_disk(cloud: Cloud, managed: ManagedDisks, name: str = "data") -> Managed:
    """Make a disk with something on it, and more that it is beside its bytes than a size."""
    made = Managed(
        cloud,
        await managed.create_disk(
            name,
            SIZE,
            sku="StandardSSD_LRS",
            zones=("2",),
            tags={"team": "data"},
            properties={
                "osType": "Linux",
                "hyperVGeneration": "V2",
                "supportedCapabilities": {"architecture": "Arm64", "diskControllerTypes": "SCSI, NVMe"},
            },
        ),
    )
    await made.disk.write(0, pages(32))
    await made.disk.write(SIZE // 2, pages(64, seed=2))
    return made


async def ask(cloud: Cloud, disk: str, target: str = BACK, **more: Any) -> str:
    """Ask for a restore as a managed disk; give the message's id."""
    request = {"disk": disk, "point": "latest", "target": target, **more}
    return await cloud.put(RESTORE_REQUESTS_QUEUE, json.dumps(request))


async def ended(app: App, restore: str) -> Restore:
    """Wait until a restore has ended, and all that follows from that."""

    async def look() -> Restore | None:
        found = await restore_of(app.cloud, restore)
        return found if found and found.has_ended and await app.idle() else None

    try:
        found = await until(look, "the end of the restore")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await restores(app.cloud)}\n{app.cloud.log.read_text()[-6000:]}") from None
    assert found
    return found


async def done(app: App, restore: str) -> Restore:
    """Wait until a restore is done."""
    found = await ended(app, restore)
    assert found.state is Stage.DONE, found.reason
    return found


def at(managed: ManagedDisks, disk_id: str = BACK) -> Disk | None:
    """Give the disk that has an ID."""
    return next((disk for disk in managed.disks if disk.id.key == disk_id.lower()), None)


async def content(disk: Disk) -> bytes:
    """Read all of a disk, its footer included."""
    return await disk.read(0, disk.size + FOOTER_BYTES)


@asynccontextmanager
async def backed_up(cloud: Cloud, managed: ManagedDisks, **given: Any) -> AsyncIterator[tuple[App, Managed]]:
    """Run the app with one managed disk, which has a recovery point."""
    data = await linux_disk(cloud, managed)
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/data", **settings, **given) as app:
        await back_up(app, data)
        yield app, data


async def until_uploading(managed: ManagedDisks) -> None:
    """Wait until the disk is being uploaded."""

    async def look() -> bool:
        await asyncio.sleep(0)
        found = at(managed)
        return found is not None and found.upload == "ActiveUpload"

    await until(look, "the upload")


def hold_back(cloud: Cloud, managed: ManagedDisks, operation: str, hold: asyncio.Event) -> asyncio.Event:
    """Hold a call of a restore to BACK, by ARM or the blob service; give what is set when it is made."""
    if " - " not in operation:
        return cloud.azure.gateway.faults.add(Fault(operation, times=1, delay_until=hold)).struck
    after = 1 if operation == "Disks - Revoke Access" else 0  # the first only looks whether the role is there
    at_disk = "*/back*" if operation.startswith("Disks") else None
    fault = ArmFault(operation, path=at_disk, after=after, times=1, delay_until=hold)
    return managed.resource_manager.faults.add(fault).struck
