"""A restore that is about to make its managed disk."""

from dataclasses import replace
from datetime import UTC, datetime

from infra.local.disks.vhd import FOOTER_BYTES
from shared.azure.services import Services
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from shared.model.job import Stage
from shared.model.restore import Restore
from shared.restore.target import claim
from tests.managed_disks.arm import RG
from tests.managed_disks.storage import MIB

SIZE = 20 * MIB
BACKED_UP = ManagedDisk(DiskId.parse(f"{RG}/disks/lost"), "22222222-2222-2222-2222-222222222222")
LINUX = DiskProfile(
    location="westeurope",
    sku="Premium_LRS",
    tier="P30",
    zones=("2",),
    os_type="Linux",
    generation="V2",
    security_type="TrustedLaunch",
    capabilities={"architecture": "Arm64", "acceleratedNetwork": True},
    purchase_plan={"name": "plan", "publisher": "publisher", "product": "product"},
    tags={"team": "data"},
)


async def about_to_upload(services: Services, name: str) -> Restore:
    """Put a restore on record whose next step makes its disk."""
    await services.ensure()
    now = datetime.now(UTC)
    begun = replace(
        Restore.unreadable(name, now),
        disk=BACKED_UP,
        target=ManagedDisk(DiskId.parse(f"{RG}/disks/{name}")),
        target_is_new=True,
        recovery_point="2026-11-30T00:00:00.0000000Z",
        size=SIZE + FOOTER_BYTES,
        made_as=LINUX.text,
        state=Stage.COPYING,
    )
    await services.restores.add(begun)
    await claim(services, begun, begun.known_target)
    return begun
