"""Whatever goes wrong: each recovery point is what its disk was, restores come to an end, and backups go on."""

import logging

import pytest

from shared import batches, ranges, sampling
from shared.names import PAGE
from shared.workflows import listing, plan_changes
from shared.workflows.restoring import carry, prove
from tests.simulation.history import History
from tests.simulation.host import WrongError

SEEDS = range(300)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of a few pages takes several windows, batches and pieces."""
    monkeypatch.setattr(plan_changes, "WINDOW", 8 * PAGE)
    monkeypatch.setattr(prove, "WINDOW", 16 * PAGE)
    monkeypatch.setattr(carry, "PART", 8 * PAGE)
    monkeypatch.setattr(listing, "SMALLEST_WINDOW", 2 * PAGE)
    monkeypatch.setattr(sampling, "SAMPLES", 1)
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", PAGE)
    monkeypatch.setattr(batches, "MAX_CHANGES", 2)
    monkeypatch.setattr(batches, "SECONDS_OF_BLOB", 0.009)
    for module in (batches, ranges):
        monkeypatch.setattr(module, "MAX_WRITE", 2 * PAGE)
    monkeypatch.setattr(logging.getLogger("tidemark"), "disabled", True)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_recovery_point_is_what_its_disk_was_and_backups_go_on(seed: int) -> None:
    history = History(seed)
    try:
        history.play()
    except WrongError as wrong:
        happened = "\n".join(history.host.log[-60:])
        pytest.fail(f"seed {seed}: {wrong}\n{happened}", pytrace=False)
