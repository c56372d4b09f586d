"""Whatever goes wrong: each recovery point is what its disk was, restores come to an end, and backups go on."""

import pytest

from shared.model.job import Stage
from tests.simulation.history import History
from tests.simulation.host import WrongError
from tests.simulation.small import make_small

SEEDS = (10089, 16161, 52868, 702183, 601230012, 8100057, 6100523, 44000809, *range(16))
"""The first eight found something once. `soak` plays others, for as long as it is let; nightly, for an hour."""

MAKES_DISKS = 176
"""In this history restores make managed disks, with adoption and without."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of a few pages takes several windows, batches and pieces."""
    make_small(monkeypatch.setattr)


def test_managed_disks_are_among_them_alone_and_beside_page_blobs() -> None:
    worlds = [History(seed).world for seed in range(30)]
    managed = [world for world in worlds if world.compute.disks]
    assert len(managed) >= 5
    assert {bool(world.blobs) for world in managed} == {True, False}


def test_managed_disks_are_made_by_restores_among_them() -> None:
    history = History(MAKES_DISKS)
    history.play()
    rows = [row for row in history.world.restore_rows() if row.makes_managed_disk and row.state is Stage.DONE]
    assert {row.adopt for row in rows} == {True, False}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_recovery_point_is_what_its_disk_was_and_backups_go_on(seed: int) -> None:
    history = History(seed)
    try:
        history.play()
    except WrongError as wrong:
        happened = "\n".join(history.host.log[-60:])
        pytest.fail(f"seed {seed}: {wrong}\n{happened}", pytrace=False)
