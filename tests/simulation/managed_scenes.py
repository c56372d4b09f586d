"""Scenes of a managed disk: one disk and its app, with nothing going wrong but what a test has go wrong."""

from datetime import timedelta

from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.record import DiskRecord
from tests.simulation.managed.compute import Compute
from tests.simulation.managed.resources import Made, Taken
from tests.simulation.scenes import Scene, services_on
from tests.simulation.services import settings_of, source_disks
from tests.simulation.world import DISKS, OWN

DATA = DiskId("0b1f6471-1bf0-4dda-aec3-cb9272f09590", "machines", "data")
HALF_A_DAY = timedelta(hours=12)


class ManagedScene(Scene):
    """One managed disk and its app.

    Attributes:
        managed: the disk.
    """

    def __init__(self, mode: str = "incremental") -> None:
        super().__init__()
        self.world.blobs.clear()
        self.managed: ManagedDisk = self.compute.make(DATA, [1, 2, None, 3, *[None] * 8])
        self.services = services_on(
            self.world, settings_of(source_disks({DATA.url: mode}), restore_containers=DISKS.url)
        )

    @property
    def compute(self) -> Compute:
        """All managed disks."""
        return self.world.compute

    @property
    def made(self) -> Made:
        """The disk as the service keeps it."""
        return self.compute.of(self.managed)

    @property
    def own(self) -> list[Taken]:
        """The app's snapshots of it, oldest first."""
        return [taken for _, taken in sorted(self.compute.times_of(self.managed, OWN.url).items())]

    @property
    def on_record(self) -> DiskRecord:
        """Its record."""
        found = self.world.record(self.managed)
        assert found
        return found

    async def back_up(self) -> None:
        """Have a tick, and what it starts."""
        await self.tick()
        await self.pass_time(HALF_A_DAY)

    def kinds(self) -> list[str]:
        """Give the kinds of its recovery points, oldest first."""
        return [str(point.kind) for point in self.world.points_of(self.managed)]


async def managed_disk_backed_up() -> ManagedScene:
    """Give a scene of a disk that has a recovery point."""
    scene = ManagedScene()
    await scene.back_up()
    return scene
