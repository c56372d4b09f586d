"""Plans, tombstones and a disk's backups are kept and listed alike in memory and on Azurite."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.azure.tables.records import RecordConflictError
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.retention import Plan
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.model.tombstone import Tombstone
from tests.conformance.clouds import RUN, Cloud
from tests.conformance.test_records import NOON, UNICODE, point_of, times


def plan_of(disk: PageBlobDisk, state: PlanState, count: int = 3) -> PlanOnRecord:
    going = dict.fromkeys(times(count), "no rule keeps it")
    stay = {f"2027{time[4:]}": ["last", UNICODE] for time in times(count)}
    plan = Plan(disk=disk.name, rules="last=6 (UTC)", stay=stay, go=going)
    on_record = PlanOnRecord.new(disk, NOON).replaced_by(plan, state, UNICODE, NOON)
    return replace(on_record, bytes_freed=2**40, billed_until=NOON)


async def test_a_plan_is_read_as_it_was_put_however_long_it_is(cloud: Cloud) -> None:
    disk, plans = cloud.named("Disk 1 ünï.vhd"), cloud.services.plans
    assert await plans.find(disk) is None
    short, long = plan_of(disk, PlanState.WAITING), plan_of(disk, PlanState.WAITING, 3000)
    etag = await plans.put(long, None)
    assert await plans.find(disk) == (long, etag)
    etag = await plans.put(short, etag)
    assert await plans.find(disk) == (short, etag)


async def test_all_plans_are_listed_in_brief_and_a_long_one_does_not_say_which_points_go(cloud: Cloud) -> None:
    disks, plans = (cloud.named("brief.vhd"), cloud.named("long.vhd")), cloud.services.plans
    short, long = plan_of(disks[0], PlanState.WAITING), plan_of(disks[1], PlanState.REPORT, 3000)
    for plan in (short, long):
        await plans.put(plan, None)
    found = {plan.disk: plan for plan in await plans.brief() if plan.disk in disks}
    assert found[disks[0]] == replace(short, stay="{}")
    assert found[disks[1]] == replace(long, stay="{}", go="{}")


async def test_of_two_who_put_a_plan_at_once_one_is_told(cloud: Cloud) -> None:
    disk, plans = cloud.named("disk.vhd"), cloud.services.plans
    plan = plan_of(disk, PlanState.WAITING)
    etag = await plans.put(plan, None)
    with pytest.raises(RecordConflictError):
        await plans.put(plan, None)
    await plans.put(plan.approve(plan.plan, NOON), etag)
    with pytest.raises(RecordConflictError):
        await plans.put(plan, etag)


async def test_plans_that_wait_are_listed_with_those_that_a_hash_has_approved(cloud: Cloud) -> None:
    plans = cloud.services.plans
    disks = [cloud.named(f"disk{number}.vhd") for number in range(4)]
    states = (PlanState.WAITING, PlanState.WAITING, PlanState.DONE, PlanState.REPORT)
    waiting, approved, *others = (plan_of(disk, state) for disk, state in zip(disks, states, strict=True))
    for plan in (waiting, approved.approve("0123456789abcdef", NOON), *others):
        await plans.put(plan, None)
    await plans.tell_all({"plan": "0123", "disks": 1})
    own = {disk.name for disk in disks}
    found = {
        named: [plan.disk for plan in await plans.to_approve(named) if plan.disk.name in own]
        for named in ("", "0123456789abcdef", "f")
    }
    assert {named: sorted(disks) for named, disks in found.items()} == {
        "": [disks[0]],
        "0123456789abcdef": disks[:2],
        "f": [disks[0]],
    }


async def test_a_tombstone_takes_the_place_of_its_point(cloud: Cloud) -> None:
    disk, other, services = cloud.named("disk.vhd"), cloud.named("other.vhd"), cloud.services
    points = [await point_of(cloud, disk, time) for time in times(3)]
    await services.records.add_points(disk, points)
    stones = [Tombstone.of(point.as_deleting(UNICODE), NOON + timedelta(days=1)) for point in points]
    await services.tombstones.bury(disk, stones[1])
    await services.tombstones.bury(disk, stones[1])
    await asyncio.gather(*(services.tombstones.bury(disk, stones[0]) for _ in range(2)))
    assert await services.tombstones.of(disk) == stones[:2]
    assert await services.tombstones.of(other) == []
    assert await services.records.points(disk) == [points[2]]
    await services.tombstones.drop(disk, stones[0])
    await services.tombstones.drop(disk, stones[0])
    assert await services.tombstones.of(disk) == [stones[1]]


async def test_a_point_that_is_not_on_record_leaves_no_tombstone(cloud: Cloud) -> None:
    disk, services = cloud.named("disk.vhd"), cloud.services
    await services.tombstones.bury(disk, Tombstone.of(await point_of(cloud, disk, times(1)[0]), NOON))
    assert await services.tombstones.of(disk) == []


async def test_a_point_is_written_on_the_condition_of_its_etag(cloud: Cloud) -> None:
    disk, records = cloud.named("disk.vhd"), cloud.services.records
    point = await point_of(cloud, disk, times(1)[0])
    assert await records.find_point(disk, point.time) is None
    await records.add_points(disk, [point])
    found = await records.find_point(disk, point.time)
    assert found
    assert found[0] == point
    await records.put_point(disk, replace(point, kept=True), found[1])
    with pytest.raises(RecordConflictError):
        await records.put_point(disk, point.as_deleting("no rule keeps it"), found[1])


async def test_a_disks_backups_are_listed_and_no_other_disks(cloud: Cloud) -> None:
    disk, other = await cloud.disk(1, name="disk.vhd"), await cloud.disk(1, name="disk.vhd2")
    assert await cloud.services.backups.of(disk) == []
    expected = []
    for of in (disk, other):
        backup = cloud.services.backups.address(of)
        etag = await cloud.services.blobs.create(backup, PAGE, {})
        await cloud.services.leases.take(backup, RUN, etag)
        taken = await cloud.services.snapshots.take(backup, etag, {"of": "it"}, RUN)
        copy = cloud.services.backups.full_copy_address(of, times(1)[0])
        await cloud.services.blobs.create(copy, PAGE, {})
        expected.append([(backup, taken), (backup, ""), (copy, "")])
    for of, of_it in zip((disk, other), expected, strict=True):
        found = [(stored.blob, stored.snapshot) for stored in await cloud.services.backups.of(of)]
        assert sorted(found, key=repr) == sorted(of_it, key=repr)
