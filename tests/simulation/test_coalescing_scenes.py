"""A run in a hurry writes short gaps as well; its recovery point is the same, and it costs what is written."""

import pytest

from shared.changes import coalescing
from shared.limits import PAGE
from shared.model.point import RecoveryPoint
from tests.simulation.billing import billed
from tests.simulation.blobs import Blob
from tests.simulation.scenes import Scene
from tests.simulation.test_calls import HALF_A_DAY

DISK = [1, 2, 3, 4, 5, 6, None, 8, 9, 10, 11, 12, *range(20, 100), 13]
"""Pages, of which one was never written."""


async def after_scattered_writes(gap_kib: int) -> tuple[Scene, RecoveryPoint]:
    """Back up a disk twice: pages 0, 2, 4, 7, 9 and 92 are written in between, and 10 is cleared."""
    scene = Scene()
    scene.reconfigure(coalesce_gap_kib=str(gap_kib))
    scene.world.blobs[scene.disk] = Blob(list(DISK), scene.world.number)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    for page in (0, 2, 4, 7, 9, 92):
        scene.world.blobs[scene.disk].set(page, [1000 + page])
    scene.world.blobs[scene.disk].set(10, [None])
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    _, point = scene.world.points_of(scene.disk)
    return scene, point


@pytest.fixture
def in_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "HURRIES_AFTER", 0)


@pytest.mark.usefixtures("in_hurry")
async def test_a_run_in_a_hurry_writes_short_gaps_but_none_that_was_never_written_or_is_long() -> None:
    scene, point = await after_scattered_writes(gap_kib=1)
    assert (point.write_calls, point.clear_calls, point.bytes_written) == (3, 1, 9 * PAGE)
    backup = scene.world.blobs[scene.world.backup_of(scene.disk)]
    assert backup.pages == scene.world.blobs[scene.disk].pages, "no page became valid that is not"
    assert scene.world.holds(scene.disk, point)


@pytest.mark.usefixtures("in_hurry")
async def test_what_a_recovery_point_adds_counts_the_gaps_as_the_service_bills_them() -> None:
    scene, point = await after_scattered_writes(gap_kib=1)
    assert point.added_bytes == point.bytes_written
    backup = scene.world.backup_of(scene.disk)
    assert billed(scene.world, backup) == (len(DISK) - 1) * PAGE + point.bytes_written


@pytest.mark.usefixtures("in_hurry")
async def test_nothing_but_what_changed_is_written_where_the_setting_is_0() -> None:
    _, point = await after_scattered_writes(gap_kib=0)
    assert (point.write_calls, point.bytes_written) == (6, 6 * PAGE)


async def test_nothing_but_what_changed_is_written_while_there_is_time() -> None:
    _, point = await after_scattered_writes(gap_kib=120)
    assert (point.write_calls, point.bytes_written) == (6, 6 * PAGE)
