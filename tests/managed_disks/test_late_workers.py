"""A worker that hangs while others go on with its restore, and comes back later."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.managed_disks import ArmFault, ManagedDisks
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.job import Stage
from shared.model.restore import Restore
from shared.restore.target import claim
from shared.restore.upload import upload
from tests.managed_disks.arm import RG
from tests.managed_disks.test_restoring import LINUX, SIZE

DISK = ManagedDisk(DiskId.parse(f"{RG}/disks/lost"), "22222222-2222-2222-2222-222222222222")


@pytest.fixture(scope="session")
def late_numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
async def restore(services: Services, late_numbers: Iterator[int]) -> Restore:
    """A restore that is about to make its disk."""
    await services.ensure()
    number, now = next(late_numbers), datetime.now(UTC)
    begun = replace(
        Restore.unreadable(f"late{number}", now),
        disk=DISK,
        target=ManagedDisk(DiskId.parse(f"{RG}/disks/late{number}")),
        target_is_new=True,
        size=SIZE + FOOTER_BYTES,
        made_as=LINUX.text,
        state=Stage.COPYING,
    )
    await services.restores.add(begun)
    await claim(services, begun, begun.known_target)
    return begun


@pytest.mark.parametrize(("then", "is_kept"), [(Stage.FAILED, False), (Stage.PROMOTING, True)])
async def test_a_disk_that_is_made_late_is_deleted_again_if_its_restore_has_failed_and_only_then(
    services: Services, managed: ManagedDisks, restore: Restore, *, then: Stage, is_kept: bool
) -> None:
    hold = asyncio.Event()
    fault = managed.resource_manager.faults.add(ArmFault("Disks - Create Or Update", times=1, delay_until=hold))
    late = asyncio.create_task(upload(services, restore))
    await fault.struck.wait()
    await services.restores.update(DISK, restore.row_key, lambda row: replace(row, state=then))
    hold.set()
    await late
    found = await services.uploads.find(restore.managed_target.id)
    assert (found is not None) is is_kept


async def test_a_worker_that_is_late_from_the_start_makes_nothing(services: Services, restore: Restore) -> None:
    await services.restores.update(DISK, restore.row_key, lambda row: replace(row, state=Stage.FAILED))
    with pytest.raises(RecordConflictError, match=restore.restore):
        await upload(services, restore)
    assert await services.uploads.find(restore.managed_target.id) is None
