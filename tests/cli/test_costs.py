"""What `costs` says is what the service bills; what is not known is said as a range; and no row is written."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shared.model.prices import Money, Prices, cost, read_prices, shown, total
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.retention_rules import Rules
from shared.model.sizes import NO_BYTES, Bytes, SoftDeleted
from tests.cli.schema_told import CostsJson
from tests.logic.retention_points import point_at
from tests.simulation.billing import billed
from tests.simulation.refusals import refusal
from tests.simulation.small import make_small
from tests.simulation.test_costs import HALF_A_DAY, Backups, four_backups
from tidemark import screen
from tidemark.costs import Rows, cost_of
from tidemark.costs_shown import Choice, DiskCost, data_of, shown_of
from tidemark.counting import Counting, DiffsRead, PointsRead

WIDE = 80
NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
GIB = 1024**3
PAGE = 512
LAST = Rules.parse("last=1")
PRICES = Prices(backup_gib_month=0.05, disk_gib_month=0.1, currency="EUR")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def counted(scene: Backups, *, within: timedelta = HALF_A_DAY, tries: int = 1, **plan: Any) -> DiskCost:
    of = scene.services
    services = Counting(
        pages=of.pages,
        records=PointsRead(scene.points),
        diffs=DiffsRead(await of.diffs.of(scene.of)),
        snapshots=of.snapshots,
        backups=of.backups,
        now=of.now,
        sleep=of.sleep,
    )
    made = replace(PlanOnRecord.new(scene.of, of.now()), **plan) if plan else None
    rows = Rows(disk=scene.of, record=scene.world.record(scene.disk), points=scene.points, diffs=(), plan=made, jobs=())
    return await cost_of(services, rows, [(LAST, UTC_ZONE)] * tries, lambda: within)


async def test_what_is_said_is_what_the_service_bills() -> None:
    scene = await four_backups()
    found = await counted(scene)
    count = len(scene.points)
    assert found.held == Bytes.exactly(billed(scene.world, scene.backup))
    assert found.newest == Bytes.exactly(scene.freed_by(count - 1))
    assert found.older == Bytes.exactly(scene.freed_by(*range(count - 1)))
    assert (found.older_points, found.full_copies, found.copies) == (count - 1, 0, NO_BYTES)
    assert found.unique[scene.points[1].time] == Bytes.exactly(scene.freed_by(1))


async def test_rules_free_what_deleting_the_points_frees_that_they_would_delete() -> None:
    scene = await four_backups()
    [choice] = (await counted(scene)).choices
    gone = range(len(scene.points) - 1)
    assert (choice.rules, choice.going) == ("last=1 damaged=30d", len(gone)), (
        "the last one stays, whatever the rules say"
    )
    assert choice.freed == Bytes.exactly(scene.freed_by(*gone))


async def test_the_rules_of_the_apps_own_plan_come_first() -> None:
    scene = await four_backups()
    found = await counted(scene, rules="last=2 damaged=30d (Europe/Berlin)", state=PlanState.WAITING)
    assert [(one.rules, one.zone, one.is_the_apps) for one in found.choices] == [
        ("last=2 damaged=30d", "Europe/Berlin", True),
        ("last=1 damaged=30d", "UTC", False),
    ]


async def test_rules_that_are_tried_though_they_are_the_apps_or_twice_are_counted_once_each() -> None:
    scene = await four_backups()
    found = await counted(scene, tries=2, rules="last=1 damaged=30d (UTC)", state=PlanState.DONE)
    assert [(one.rules, one.is_the_apps) for one in found.choices] == [
        ("last=1 damaged=30d", True),
        ("last=1 damaged=30d", False),
    ]
    gone = len(scene.points) - 1
    for one in (True, False):
        told = printed(shown_of([found], Prices(), NOW, one=one))
        assert [line.split()[-3] for line in told if line.startswith(("last=1", "the app's"))] == [str(gone), str(gone)]


async def test_no_row_is_written_and_what_is_counted_is_not_counted_again() -> None:
    scene = await four_backups()
    before = str(scene.world.diffs)
    listings = scene.count_listings()
    await counted(scene)
    assert str(scene.world.diffs) == before
    once, listings[0] = listings[0], 0
    await counted(scene, tries=3)
    assert listings == [once]


async def test_without_time_to_list_the_bytes_are_a_range_that_holds_the_number() -> None:
    scene = await four_backups()
    whole, bound = await counted(scene), await counted(scene, within=timedelta())
    for exact, known in ((whole.held, bound.held), (whole.older, bound.older), (whole.source, bound.source)):
        assert known.at_least <= exact.at_most <= known.at_most
    assert not bound.held.is_exact


async def test_source_snapshots_hold_what_was_written_over_since() -> None:
    scene = await four_backups()
    assert await source(scene) == (1, NO_BYTES)
    scene.world.blobs[scene.disk].set(0, [7])
    assert await source(scene) == (1, Bytes.exactly(PAGE))


async def test_points_whose_rows_do_not_say_where_they_are_are_in_the_container_of_the_disks_record() -> None:
    scene = await four_backups()
    record = scene.world.record(scene.disk)
    points = [replace(point, backup_blob=None) for point in scene.points]
    rows = Rows(disk=scene.of, record=record, points=points, diffs=(), plan=None, jobs=())
    assert rows.container == scene.backup.parent
    assert replace(rows, points=scene.points, record=None).container == scene.backup.parent
    assert replace(rows, record=None).container is None


async def test_of_points_that_are_lost_nothing_is_left() -> None:
    scene = await four_backups()
    rows = scene.world.points[scene.of.key]
    for point in scene.points:
        rows[point.row_key] = point.as_damaged("it is gone", scene.world.now, lost=True)
    found = await counted(scene)
    assert (found.held, found.newest, found.older, found.unique) == (NO_BYTES, NO_BYTES, NO_BYTES, {})


async def source(scene: Backups) -> tuple[int, Bytes]:
    found = await counted(scene)
    assert found.source_problem == ""
    return found.source_snapshots, found.source


async def test_a_disk_that_may_not_be_read_is_said_with_the_role_and_the_rest_is_told() -> None:
    scene = await four_backups()
    find = scene.services.pages.find

    async def refused(blob: Any) -> Any:
        if blob == scene.disk:
            raise refusal(403, "AuthorizationPermissionMismatch")
        return await find(blob)

    scene.services.pages.find = refused
    found = await counted(scene)
    assert "'Storage Blob Data Reader' on the backup account, and for the disk itself" in found.source_problem
    assert found.source_problem.count("What to do") == 1
    assert found.source == Bytes(0, 4 * PAGE)
    assert found.held == Bytes.exactly(billed(scene.world, scene.backup))


def one_disk(name: str, size: Bytes, **more: Any) -> DiskCost:
    point = point_at(NOW - timedelta(hours=1))
    deleted = SoftDeleted(blob=point.backup_blob, snapshot="", size=GIB, deleted=NOW, days_left=7)  # type: ignore[arg-type]
    return DiskCost(
        disk=f"https://account.blob.core.windows.net/vhds/{name}.vhd",
        points=[point],
        unique={point.time: size},
        held=size,
        older=size,
        older_points=3,
        source=size,
        soft_deleted=[deleted],
        choices=[
            Choice(rules="daily=14 weekly=8 monthly=12 damaged=30d", zone="UTC", is_the_apps=True, going=3, freed=size)
        ],
        plan_state="waiting",
        **more,
    )


def printed(parts: Sequence[Any]) -> list[str]:
    out = Console(file=io.StringIO(), width=WIDE, highlight=False, markup=False, emoji=False)
    screen.show(out, parts)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_a_range_is_shown_as_one_and_why_and_a_number_without_doubt() -> None:
    exact, bound = one_disk("os", Bytes.exactly(3 * GIB)), one_disk("os", Bytes(GIB, 3 * GIB))
    assert any(
        line.split()[:4] == ["all", "backups", "3", "GiB"]
        for line in printed(shown_of([exact], Prices(), NOW, one=True))
    )
    told = "\n".join(printed(shown_of([bound], Prices(), NOW, one=True)))
    assert "1 GiB to 3 GiB" in told
    assert "a range is as much as is known" in told
    assert "a range" not in "\n".join(printed(shown_of([exact], Prices(), NOW, one=True)))


def test_what_soft_delete_keeps_of_a_disk_without_a_recovery_point_is_told() -> None:
    found = replace(one_disk("os", NO_BYTES), points=(), unique={})
    told = printed(shown_of([found], PRICES, NOW, one=True))
    assert any(line.startswith("deleted, kept by soft delete (1)") and "1 GiB" in line for line in told)
    assert not any("no recovery point yet" in line for line in told)
    nothing = DiskCost(disk=found.disk, unique={})
    assert printed(shown_of([nothing], PRICES, NOW, one=True)) == [f"{found.disk} has no recovery point yet"]


def test_money_is_told_by_the_prices_that_are_given_and_else_left_out() -> None:
    found = one_disk("os", Bytes.exactly(10 * GIB))
    told = "\n".join(printed(shown_of([found], PRICES, NOW, one=True)))
    assert "0.50 EUR" in told
    assert "in all a month: 1.50 to 1.55 EUR" in told, "of what soft delete keeps, only the most is known"
    assert "EUR" not in "\n".join(printed(shown_of([found], Prices(), NOW, one=True)))
    data = CostsJson.model_validate(data_of([found], PRICES))
    assert data.disks[0].held.month is not None
    assert data.disks[0].held.month.at_most == 0.5
    assert CostsJson.model_validate(data_of([found], Prices())).month is None


def test_of_all_disks_each_choice_frees_what_it_frees_of_all_together() -> None:
    found = [one_disk(name, Bytes.exactly(3 * GIB)) for name in ("os", "data")]
    told = printed(shown_of(found, Prices(), NOW, one=False))
    [row] = [line.split() for line in told if line.startswith("the app's own rules")]
    assert row[-3:] == ["6", "6", "GiB"]
    assert printed(shown_of([], Prices(), NOW, one=False)) == ["no disk is on record yet"]


sizes = st.tuples(st.integers(0, 2**50), st.integers(0, 2**50)).map(lambda two: Bytes(min(two), max(two)))
names = st.text(alphabet="abcdefghij-", min_size=1, max_size=90)


@given(
    st.lists(st.tuples(names, sizes), min_size=1, max_size=3, unique_by=lambda one: one[0]),
    st.sampled_from([Prices(), PRICES]),
)
def test_no_line_is_wider_than_the_terminal(disks: list[tuple[str, Bytes]], prices: Prices) -> None:
    found = [one_disk(name, size, source_problem="refused " * 20) for name, size in disks]
    for one in (False, True):
        shown_lines = printed(shown_of(found, prices, NOW, one=one))
        assert all(len(line) <= WIDE for line in shown_lines if not line.startswith("http"))


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"backup": 1},
        {"backup_gib_month": "1"},
        {"backup_gib_month": -1},
        {"disk_gib_month": True},
        {"currency": 1},
        {"disk_gib_month": float("nan")},
    ],
)
def test_prices_that_are_none_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match=r"must be|is none of"):
        read_prices(values)


def test_amounts_that_are_not_known_are_not_added() -> None:
    assert total(Money(1, 2), None) is None
    assert total(Money(1, 2), Money(1, 1)) == Money(2, 3)
    assert cost(Bytes.exactly(GIB), None) is None
    assert [shown(found) for found in (Money(0, 0), Money(0, 0.001), Money(1234, 1234))] == [
        "0",
        "0 to <0.01",
        "1,234.00",
    ]
