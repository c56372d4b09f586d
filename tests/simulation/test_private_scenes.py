"""A policy makes the snapshots of managed disks private: they are backed up and restored through the function."""

import json
from datetime import timedelta
from typing import NoReturn

import pytest

from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.run import SERVER_SIDE, Kind
from tests.simulation import model
from tests.simulation.managed.resources import footer_of
from tests.simulation.managed_scenes import DATA, HALF_A_DAY, ManagedScene, managed_disk_backed_up
from tests.simulation.refusals import refusal
from tests.simulation.scenes import services_on
from tests.simulation.services import settings_of, source_disks
from tests.simulation.small import make_small

BACK = DiskId(DATA.subscription, DATA.group, "back")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def make_private(scene: ManagedScene, *, in_network: bool = True) -> None:
    """Have a policy make snapshots private from now on."""
    scene.compute.network_access, scene.compute.public_access = "AllowPrivate", "Disabled"
    scene.compute.is_in_network = in_network


def private_scene(mode: str = "incremental", *, in_network: bool = True) -> ManagedScene:
    scene = ManagedScene(mode)
    make_private(scene, in_network=in_network)
    return scene


async def test_it_is_backed_up_and_restored_as_a_managed_disk_through_the_function() -> None:
    scene = private_scene()
    await scene.back_up()
    scene.compute.write(scene.managed, 2, [7, None])
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.INCREMENTAL]
    for point in scene.world.points_of(scene.managed):
        assert point.copying.startswith("through the function, because the service could not copy from the source")
        assert "private" in point.copying
    body = json.dumps({"disk": scene.managed.name, "point": "latest", "target": BACK.url}).encode()
    scene.world.asked[scene.world.enqueue(RESTORE_REQUESTS_QUEUE, body)] = body
    scene.world.enqueue(VERIFY_QUEUE, json.dumps({"disk": scene.managed.name, "point": "latest"}).encode())
    await scene.pass_time(HALF_A_DAY)
    assert [(row.state, row.copying) for row in scene.world.restore_rows()] == [(Stage.DONE, SERVER_SIDE)]
    back = scene.compute.disks[BACK]
    assert [page or 0 for page in back.content.pages] == [1, 2, 7, *[0] * 9, footer_of(12)]
    assert scene.world.points_of(scene.managed)[-1].state == "verified"
    scene.compute.write(back.disk, 0, [4])
    await scene.back_up()
    assert [point.kind for point in scene.world.points_of(back.disk)] == [Kind.RESTORE, Kind.INCREMENTAL]
    assert [*scene.world.violations, *model.wrong_at_rest(scene.world)] == []


async def test_a_run_whose_snapshots_a_policy_has_just_made_private_is_a_resync_and_the_next_incremental() -> None:
    scene = await managed_disk_backed_up()
    make_private(scene)
    scene.world.meddle(scene.managed)
    await scene.back_up()
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.RESYNC, Kind.INCREMENTAL]
    assert "private" in scene.world.points_of(scene.managed)[1].reason
    assert scene.world.violations == []


async def test_where_private_snapshots_give_no_difference_each_run_is_a_resync() -> None:
    scene = private_scene()
    scene.compute.relays_give_diffs = False
    await scene.back_up()
    scene.compute.write(scene.managed, 2, [7, None])
    scene.world.meddle(scene.managed)
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL, Kind.RESYNC]
    assert scene.world.violations == []


async def test_outside_the_private_network_a_run_waits_says_what_to_do_and_is_done_once_the_app_is_inside() -> None:
    scene = private_scene(in_network=False)
    await scene.tick()
    await scene.pass_time(timedelta(minutes=2))
    assert scene.kinds() == []
    assert "What to do: join the function app to the virtual network" in scene.on_record.last_error
    assert scene.on_record.run, "it waits"
    scene.compute.is_in_network = True
    await scene.pass_time(HALF_A_DAY)
    assert scene.kinds() == [Kind.FULL]
    assert scene.world.violations == []


async def test_in_mode_full_it_is_refused_by_name_with_what_to_do_and_leaves_no_snapshot() -> None:
    scene = private_scene("full")
    await scene.tick()
    await scene.pass_time(timedelta(minutes=2))
    assert scene.on_record.run is None
    said = scene.on_record.last_error
    assert f"{scene.managed.name} can't be backed up in mode full" in said
    assert "What to do: set mode incremental for the disk" in said
    assert (scene.own, scene.kinds()) == ([], [])
    scene.compute.network_access, scene.compute.public_access = "AllowAll", "Enabled"
    await scene.back_up()
    assert scene.kinds() == [Kind.FULL]
    assert scene.world.violations == []


async def test_many_private_disks_of_one_disk_access_are_all_backed_up_and_hold_no_access_between_runs() -> None:
    scene = private_scene()
    disks = [scene.compute.make(DiskId(DATA.subscription, DATA.group, f"data-{n}"), [n] * 12) for n in range(6)]
    urls = {disk.id.url: "incremental" for disk in [scene.managed, *disks]}
    scene.services = services_on(scene.world, settings_of(source_disks(urls)))

    def kinds_of(disk: ManagedDisk) -> list[str]:
        return [str(point.kind) for point in scene.world.points_of(disk)]

    for _ in range(2):
        await scene.back_up()
    assert [kinds_of(disk) for disk in [scene.managed, *disks]] == [[Kind.FULL, Kind.INCREMENTAL]] * 7
    assert [taken for taken in scene.compute.snapshots.values() if taken.access] == []
    assert scene.world.violations == []


async def test_a_backup_whose_snapshot_can_not_be_let_go_of_for_now_is_done_all_the_same() -> None:
    scene = private_scene()

    async def refuse(*_: object) -> NoReturn:
        raise refusal(429, "TooManyRequests")

    scene.services.disks.let_go = refuse
    await scene.back_up()
    assert (scene.kinds(), scene.on_record.last_error) == ([Kind.FULL], "")
