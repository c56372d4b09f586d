"""What recovery points hold alone, on the app's own backups: rows, snapshots and diffs say the same as every page."""

from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

import pytest

from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.sizes import NO_BYTES, Bytes
from shared.sizes.costs import costs, freed_bytes
from tests.simulation.billing import billed
from tests.simulation.blobs import SUCCESS, Copy
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HALF_A_DAY = timedelta(hours=12)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


class Backups(Scene):
    """A scene with four backups, between which pages were written, cleared and written again."""

    @property
    def of(self) -> PageBlobDisk:
        return PageBlobDisk(self.disk)

    @property
    def backup(self) -> BlobAddress:
        return self.world.backup_of(self.disk)

    @property
    def points(self) -> list[RecoveryPoint]:
        return self.world.points_of(self.disk)

    async def back_up(
        self, *, written: AbstractSet[int] = frozenset(), cleared: AbstractSet[int] = frozenset()
    ) -> None:
        for page in (*written, *cleared):
            self.world.blobs[self.disk].set(page, [self.world.number() if page in written else None])
        await self.tick()
        await self.pass_time(HALF_A_DAY)

    def freed_by(self, *points: int) -> int:
        """Count what no other version holds."""
        going = {self.points[number].backup_snapshot for number in points}
        return billed(self.world, self.backup) - billed(self.world, self.backup, going)

    async def ask(self, *points: int, **options: Any) -> Bytes:
        return await freed_bytes(self.services, self.of, [self.points[number].time for number in points], **options)

    def count_listings(self) -> list[int]:
        """Count the listings of page ranges from now on."""
        listed, changes = [0], self.services.pages.changes

        def counting(*arguments: Any) -> Any:
            listed[0] += 1
            return changes(*arguments)

        self.services.pages.changes = counting
        return listed


async def four_backups() -> Backups:
    scene = Backups()
    await scene.back_up()
    await scene.back_up(written={0, 1})
    await scene.back_up(written={1}, cleared={3})
    await scene.back_up(written={0, 2})
    return scene


async def test_at_its_seal_a_recovery_point_says_what_only_it_and_the_backup_blob_hold() -> None:
    scene = await four_backups()
    assert [point.added_bytes for point in scene.points] == [3 * 512, 2 * 512, 512, 2 * 512]
    before = ["", *(point.backup_snapshot for point in scene.points[:-1])]
    assert [point.added_since for point in scene.points] == before


async def test_what_deleting_points_frees_is_what_no_other_version_holds() -> None:
    scene = await four_backups()
    for going in ({0}, {1}, {2}, {3}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2, 3}):
        assert await scene.ask(*going) == Bytes.exactly(scene.freed_by(*going)), going


async def test_a_diff_is_listed_once_and_kept_on_record_while_its_point_is() -> None:
    scene = await four_backups()
    listings = scene.count_listings()
    first = await scene.ask(1, 2)
    assert listings == [1], "what the runs wrote is on the rows; only what the two that stay differ in is asked"
    assert await scene.ask(1, 2) == first
    assert listings == [1]
    del scene.world.points[scene.of.key][scene.points[3].row_key]
    await scene.ask(0)
    assert scene.points[2].backup_snapshot not in str(scene.world.diffs[scene.of.key])


async def test_without_time_to_list_the_bytes_are_bounded() -> None:
    scene = await four_backups()
    bound = await scene.ask(1, 2, within=timedelta())
    assert not bound.is_exact
    assert bound.at_least <= scene.freed_by(1, 2) <= bound.at_most <= 3 * 512


async def test_a_snapshot_that_no_row_knows_shares_its_pages() -> None:
    scene = await four_backups()
    blob = scene.world.blobs[scene.backup]
    blob.snapshots[f"{scene.points[1].backup_snapshot[:-2]}9Z"] = blob.snapshots[scene.points[1].backup_snapshot]
    assert await scene.ask(1) == NO_BYTES
    assert await scene.ask(0, 1, 2) == Bytes.exactly(scene.freed_by(0, 1, 2))


async def test_a_copy_over_the_backup_blob_begins_anew_and_shares_nothing() -> None:
    scene = await four_backups()
    blob = scene.world.blobs[scene.backup]
    blob.begin_copy(Copy("", "", tuple(blob.pages)), blob.metadata, None, None)
    blob.end_copy(SUCCESS)
    await scene.back_up(written={1})
    assert scene.points[-1].kind is Kind.RESYNC
    assert scene.points[-1].added_bytes is None
    for going in ({2}, {3}, {2, 3}, {3, 4}):
        assert await scene.ask(*going) == Bytes.exactly(scene.freed_by(*going))


async def test_a_refused_listing_leaves_a_bound_and_is_asked_again() -> None:
    scene = await four_backups()
    changes = scene.services.pages.changes

    async def refused(*_arguments: Any) -> Any:
        raise refusal(403, "AuthorizationPermissionMismatch")
        yield

    scene.services.pages.changes = refused
    assert not (await scene.ask(1)).is_exact
    scene.services.pages.changes = changes
    assert await scene.ask(1) == Bytes.exactly(scene.freed_by(1))


async def test_full_copies_are_wholly_their_own() -> None:
    scene = Backups("full")
    await scene.back_up()
    await scene.back_up(written={2})
    assert await scene.ask(0) == Bytes.exactly(3 * 512)
    found = await costs(scene.services, scene.of)
    assert [point.unique for point in found.points] == [Bytes.exactly(4 * 512), Bytes.exactly(3 * 512)]
    assert found.held == Bytes.exactly(7 * 512)


async def test_the_costs_of_a_disk_name_each_point_newest_first_and_what_all_hold() -> None:
    scene = await four_backups()
    found = await costs(scene.services, scene.of)
    assert [point.time for point in found.points] == [point.time for point in reversed(scene.points)]
    assert [point.unique for point in found.points] == [Bytes.exactly(scene.freed_by(at)) for at in (3, 2, 1, 0)]
    assert found.held == Bytes.exactly(billed(scene.world, scene.backup))
    assert found.soft_deleted == []
