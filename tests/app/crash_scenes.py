"""The scenes in which the app is killed: what is done in them, and what must be true afterwards."""

import abc
import json
from typing import Any

from azure.storage.blob.aio import BlobClient

from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS
from shared.azure.queues import QUEUES
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.index import INDEX_PARTITION
from shared.model.job import JobKind, Stage
from shared.model.names import BACKUPS_TABLE, SCRATCH_PREFIX
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from tests.app.cloud import App, Cloud, Disk, pages
from tests.app.crashes import MortalApp
from tests.app.inspecting import ask_for, inspections
from tests.app.restoring import ask, over, request, restore_of

SIZE = 64 * PAGE
_LAST = 2


class Scene(abc.ABC):
    """A scene, which is played over and over.

    Attributes:
        name: what is done in it.
        mode: of the backups.
        cloud: where it is played.
        disk: the disk.
        held: what each recovery point holds, by disk and time.
        may_hold: what a recovery point that is new may hold.
    """

    name = ""
    mode = "incremental"
    disk: Disk

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.held: dict[str, dict[str, bytes]] = {}
        self.may_hold: list[bytes] = []
        self._seed = 0

    @property
    def disks(self) -> dict[str, Any]:
        """What the app backs up."""
        return {"url": f"{self.cloud.azure.blob_url(DISKS)}/{self.cloud.container}/*.vhd", "mode": self.mode}

    async def open(self, mortal: MortalApp) -> None:
        """Have done, with no crash, what comes before all; again after a scene that went wrong."""
        if hasattr(self, "disk"):
            await forget(self.cloud, self.disk)
        self.disk = await self.cloud.disk(SIZE)
        await self.change()
        await self.back_up(mortal)

    @abc.abstractmethod
    async def set_up(self) -> None:
        """Have done, with no crash, what comes before the scene is played once more."""

    async def begin(self, app: App) -> None:
        """Begin it; from here on the app may crash."""
        await app.tick()

    async def is_complete(self) -> bool:
        """Tell whether it is over."""
        return await self.is_backed_up(self.disk)

    async def check(self, mortal: MortalApp) -> None:
        """See to it that all is as it must be."""
        await self.require_sound(self.disk)
        await self.require_no_orphans(mortal, self.disk)

    async def close(self) -> None:
        """See to it, at the end of all, that every recovery point still holds what it has held."""
        held = self.held[self.disk.url]
        for point in await self.disk.points():
            assert await content_of(self.cloud, point) == held[point.time], f"{point.time} holds something else now"

    async def change(self) -> None:
        """Change the disk, as its guest does."""
        self._seed += 1
        await self.disk.write(self._seed * 5 % 60 * PAGE, pages(4, self._seed))
        await self.disk.clear(self._seed * 11 % 62 * PAGE, 2 * PAGE)
        self.may_hold = [bytes(self.disk.expected)]

    async def back_up(self, mortal: MortalApp) -> None:
        """Have one more recovery point of all disks made, with no crash."""
        await mortal.play(lambda app: app.tick(), lambda: self.is_backed_up(self.disk))
        await self.require_sound(self.disk)

    async def is_backed_up(self, disk: Disk) -> bool:
        """Tell whether a disk has a new recovery point, and nothing is under way."""
        record = await disk.known_record()
        new = {point.time for point in await disk.points()} - self.held.get(disk.url, {}).keys()
        return bool(new) and record is not None and not (record.run or record.restore)

    async def require_sound(self, disk: Disk) -> None:
        """See to it that a disk's recovery points are what they must be, and nothing is left over or locked."""
        points, held = await disk.points(), self.held.setdefault(disk.url, {})
        assert held.keys() <= {point.time for point in points}, "a recovery point is off the record"
        assert len({point.source_snapshot for point in points}) == len(points), "two recovery points of one run"
        own = await disk.own_snapshots()
        for point in points[-_LAST:] + [point for point in points[:-_LAST] if point.time not in held]:
            content = await content_of(self.cloud, point)
            if point.time in held:
                assert content == held[point.time], f"{point.time} holds something else now"
            assert content in (*held.values(), *self.may_hold), f"{point.time} ({point.kind}) holds what never was"
            if point.source_snapshot in own:
                was = await self.cloud.read(disk.blob, disk.account, point.source_snapshot)
                assert content == was, f"{point.time} ({point.kind}) is not its source snapshot"
            held[point.time] = content
        record = await disk.record()
        assert record.base_snapshot == points[-1].source_snapshot, f"{record.base_snapshot} is on record as the base"
        assert record.base_snapshot in own, f"the base snapshot {record.base_snapshot} is gone: {own}"
        await self._require_no_more_backups(disk, points)
        for blob in (disk.blob, disk.backup_blob):
            if blob is disk.blob or any(point.backup_snapshot for point in points):
                assert await lease_of(blob) == "available", f"a lease is left on {blob.blob_name}"

    async def _require_no_more_backups(self, disk: Disk, points: list[RecoveryPoint]) -> None:
        snapshots = await disk.backup_snapshots()
        wanted = sorted(point.backup_snapshot for point in points if point.backup_snapshot)
        assert snapshots == wanted, f"backup snapshots: {snapshots}, on record: {wanted}"
        name = PageBlobDisk(disk.address).backup_name
        container = self.cloud.services[BACKUPS].get_container_client(BACKUP_CONTAINER)
        blobs = [blob async for blob in container.list_blob_names(name_starts_with=name)]
        on_record = sorted({point.backup_blob.blob for point in points if point.backup_blob})
        assert blobs == on_record, f"backup blobs: {blobs}, on record: {on_record}"

    async def require_no_orphans(self, mortal: MortalApp, disk: Disk) -> None:
        """See to it that, after the next run, a disk has one source snapshot; and that no message was given up."""
        if len(await disk.own_snapshots()) > 1:
            was_complete = set(self.held[disk.url])
            await mortal.play(lambda app: app.tick(), lambda: self.is_backed_up(disk))
            await self.require_sound(disk)
            assert was_complete <= self.held[disk.url].keys()
        own, base = await disk.own_snapshots(), (await disk.record()).base_snapshot
        assert own == [base], f"source snapshots: {own}, base: {base}"
        for queue in QUEUES:
            assert not await mortal.messages_in(f"{queue}-poison"), f"a message of {queue} was given up"


class FirstBackup(Scene):
    name = "the first backup of a disk"

    async def set_up(self) -> None:
        await forget(self.cloud, self.disk)
        self.disk = await self.cloud.disk(SIZE)
        await self.change()


class Incremental(Scene):
    name = "an incremental backup"

    async def set_up(self) -> None:
        await self.change()


class Resync(Scene):
    name = "a resync"

    async def set_up(self) -> None:
        await self.change()
        await self.disk.backup_blob.upload_page(pages(2, seed=666), self._seed % 62 * PAGE, 2 * PAGE)


class FullCopy(Incremental):
    name = "a full copy"
    mode = "full"


class RestoreToNew(Scene):
    name = "a restore to a new disk"
    point: RecoveryPoint
    wanted: bytes
    target: Disk
    asked = ""
    overwrite = False

    async def open(self, mortal: MortalApp) -> None:
        await super().open(mortal)
        [self.point] = await self.disk.points()
        self.wanted = bytes(self.disk.expected)
        await self.change()
        await self.back_up(mortal)

    async def set_up(self) -> None:
        self._seed += 1
        name = f"restored{self._seed}.vhd"
        self.target = await self.cloud.existing_disk(self.disk.address.parent.blob(name).url, self.wanted)
        self.may_hold = [bytes(self.disk.expected), self.wanted]

    async def begin(self, _app: App) -> None:
        where = over(self.target, undo=True) if self.overwrite else {"target": self.target.url}
        text = request(self.disk, self.point.time, **where)
        self.asked = await ask(self.cloud, text)

    async def is_complete(self) -> bool:
        restore, record = await restore_of(self.cloud, self.asked), await self.target.known_record()
        return bool(restore and restore.has_ended) and not (record and (record.restore or record.run))

    async def check(self, mortal: MortalApp) -> None:
        await self._require_restored()
        await self.require_sound(self.disk)
        await self.require_no_orphans(mortal, self.target)
        await forget(self.cloud, self.target)

    async def _require_restored(self) -> None:
        restore = await restore_of(self.cloud, self.asked)
        assert restore is not None
        assert restore.state is Stage.DONE, f"the restore is {restore.state}: {restore.reason}"
        # Of two invocations that begin it at once, after a message that was enqueued twice, one may begin it anew.
        assert restore.attempt <= 2, f"it took {restore.attempt} attempts: {restore.last_error}"
        content = await self.cloud.read(self.target.blob, self.target.account)
        assert content == self.wanted, "the target is not the recovery point"
        await self.require_sound(self.target)
        of_restores = [point for point in await self.target.points() if point.time == restore.target_snapshot]
        assert [point.kind for point in of_restores] == [Kind.RESTORE]


class RestoreOver(RestoreToNew):
    name = "a restore in place"
    overwrite = True

    async def set_up(self) -> None:
        await self.change()
        self.may_hold.append(self.wanted)
        self.target = self.disk

    async def check(self, mortal: MortalApp) -> None:
        self.disk.expected[:] = self.wanted
        await self._require_restored()
        await self.require_no_orphans(mortal, self.disk)


class Verify(Scene):
    name = "a verify"
    task = JobKind.VERIFY
    asked = ""

    async def set_up(self) -> None:
        """Nothing comes before it: the newest recovery point can be inspected again and again."""

    async def begin(self, _app: App) -> None:
        self.asked = await ask_for(self.cloud, self.task, json.dumps({"disk": self.disk.url}))

    async def is_complete(self) -> bool:
        return any(row.inspection == self.asked and row.has_ended for row in await inspections(self.cloud, self.task))

    async def check(self, mortal: MortalApp) -> None:
        [found] = [row for row in await inspections(self.cloud, self.task) if row.inspection == self.asked]
        assert found.state is Stage.DONE, f"the {self.task} is {found.state}: {found.reason}"
        assert found.attempt == 1, f"it took {found.attempt} attempts: {found.last_error}"
        container = self.cloud.services[BACKUPS].get_container_client(BACKUP_CONTAINER)
        assert [name async for name in container.list_blob_names(name_starts_with=SCRATCH_PREFIX)] == []
        await super().check(mortal)


class Drill(Verify):
    name = "a drill"
    task = JobKind.DRILL


SCENES = (FirstBackup, Incremental, Resync, FullCopy, RestoreToNew, RestoreOver, Verify, Drill)


async def content_of(cloud: Cloud, point: RecoveryPoint) -> bytes:
    """Read a recovery point whole: a snapshot, or a full copy."""
    assert point.backup_blob
    blob = cloud.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, point.backup_blob.blob)
    return await cloud.read(blob, BACKUPS, point.backup_snapshot)


async def lease_of(blob: BlobClient) -> str:
    """Tell a blob's lease state."""
    return str((await blob.get_blob_properties()).lease.state)


async def forget(cloud: Cloud, disk: Disk) -> None:
    """Delete a disk and all that is on record of it, its row of the index too; its backups stay."""
    if await disk.blob.exists():
        await disk.blob.delete_blob(delete_snapshots="include")
    table = cloud.tables.get_table_client(BACKUPS_TABLE)
    rows = table.query_entities("PartitionKey eq @disk", parameters={"disk": PageBlobDisk(disk.address).key})
    for row in [row async for row in rows]:
        await table.delete_entity(row["PartitionKey"], row["RowKey"])
    await table.delete_entity(INDEX_PARTITION, PageBlobDisk(disk.address).key)
