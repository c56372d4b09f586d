"""What a restore writes and writes over is told as far as it is known, and the plan never fails for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.local_azure import DISKS, LocalAzure
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.prices import Prices
from shared.model.record import DiskRecord
from shared.model.sizes import Bytes
from tests.cli.content.blobs import Blob
from tests.logic.retention_points import point_at
from tidemark import at_stake
from tidemark.at_stake import AtStake, look, shown_of

NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)
GIB = 1024**3
PAGES = 64
PRICES = Prices(backup_gib_month=0.05, disk_gib_month=0.1)
NOTHING = Prices()


@pytest.fixture
async def disk(azure: LocalAzure, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Blob]:
    monkeypatch.setenv("TIDEMARK_CONNECTIONS", f'["{azure.connection_string(DISKS)}"]')
    async with azure.blobs(DISKS) as service:
        container = await service.create_container(f"stake-{datetime.now(UTC):%H%M%S%f}")
        blob = await Blob.make(DISKS, container, PAGES * PAGE)
        await blob.write(0, b"a" * 4 * PAGE)
        yield blob


async def looked(disk: Blob, *, good: str | None = None, has_base: bool = True, **more: Any) -> AtStake:
    """Look at a restore over a disk, of a recovery point that is its own snapshot; `good` is the only good one."""
    base = await disk.snapshot()
    await disk.write(8 * PAGE, b"b" * PAGE)
    await disk.clear(0, 2 * PAGE)
    point = point_at(NOW, backup_blob=disk.address, backup_snapshot=base.snapshot, size=PAGES * PAGE)
    record = DiskRecord(disk=PageBlobDisk(disk.address), base_snapshot=base.snapshot, last_point=base.snapshot)
    if not has_base:
        record = replace(record, base_snapshot="")
    if good is not None:
        record = record.with_damaged([record.last_point], good)
    return await look(replace(point, **more), record, backed_up=True)


async def test_what_changed_since_the_last_recovery_point_is_counted_and_what_the_point_holds(disk: Blob) -> None:
    found = await looked(disk)
    assert (found.written, found.cleared, found.problem) == (PAGE, 2 * PAGE, "")
    assert found.content == Bytes.exactly(4 * PAGE)
    assert found.written_in_all == Bytes.exactly(8 * PAGE)


async def test_a_point_that_can_not_be_read_is_bounded_and_the_rest_is_told(disk: Blob) -> None:
    found = await looked(disk, backup_snapshot="2020-01-01T00:00:00.0000000Z")
    assert found.content == Bytes(0, PAGES * PAGE)
    assert found.written == PAGE
    assert "no longer exists" in found.problem


async def test_what_is_in_no_good_recovery_point_is_not_told_by_a_damaged_one(disk: Blob) -> None:
    good = "2020-01-01T00:00:00.0000000Z"
    found = await looked(disk, good=good)
    assert (found.since, found.written, found.cleared) == (good, None, None)
    assert "no base snapshot of a good recovery point" in found.problem
    assert found.content == Bytes.exactly(4 * PAGE)
    nothing = await looked(disk, good="")
    assert (nothing.since, nothing.written, nothing.problem) == ("", None, found.problem)


async def test_without_a_base_snapshot_it_is_not_known_what_has_changed(disk: Blob) -> None:
    found = await looked(disk, has_base=False)
    assert (bool(found.since), found.written) == (True, None)
    assert "no base snapshot" in found.problem


async def test_who_may_not_read_is_told_so_in_the_plan(disk: Blob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEMARK_CONNECTIONS")
    found = await looked(disk)
    assert (found.written, found.content) == (None, Bytes(0, PAGES * PAGE))
    assert "set TIDEMARK_CONNECTIONS" in found.problem


async def test_it_is_looked_for_no_longer_than_a_while(disk: Blob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_stake, "LOOKED_FOR", timedelta())
    found = await looked(disk)
    assert (found.written, found.problem) == (None, "reading took more than 0 s")


@pytest.mark.parametrize(
    ("backed_up", "is_new", "month"), [(True, True, 0.15), (False, True, 0.1), (True, False, 0.05)]
)
def test_a_month_costs_what_stays_in_either_account(*, backed_up: bool, is_new: bool, month: float) -> None:
    found = AtStake(content=Bytes.exactly(GIB), backed_up=backed_up)
    told = found.month(PRICES, is_new=is_new)
    assert told is not None
    assert told.at_least == told.at_most == pytest.approx(month)
    assert found.month(NOTHING, is_new=is_new) is None


def test_a_price_that_it_does_not_take_need_not_be_known() -> None:
    found = AtStake(content=Bytes.exactly(GIB))
    assert found.month(Prices(backup_gib_month=0.05), is_new=False) == (0.05, 0.05)
    assert found.month(Prices(backup_gib_month=0.05), is_new=True) is None


def test_of_a_recovery_point_that_is_not_known_nothing_is_made_up() -> None:
    plan = {**AtStake().data(PRICES, is_new=True), "undo_point": False, "adopts": True}
    assert (plan["writes"], plan["month"]) == (None, None)
    assert shown_of(plan, NOW) == []


def test_what_would_be_lost_without_an_undo_point_is_said_so() -> None:
    found = AtStake(content=Bytes(GIB, 2 * GIB), since="2026-11-30T09:20:30.1234567Z", written=4096, cleared=0)
    plan = {**found.data(replace(PRICES, currency="EUR"), is_new=False), "undo_point": False, "adopts": True}
    rows = dict(shown_of(plan, NOW))
    assert rows["changed"].endswith("its last good recovery point: 4 KiB written, 0 B cleared; that is lost")
    assert rows["writes"].startswith("2 GiB to 4 GiB, one half to the disk")
    assert rows["a month"] == "0.05 to 0.10 EUR more"
    assert list(dict(shown_of({**plan, "since": "", "month": None, "adopts": False}, NOW))) == ["writes"]
