"""Scenes of the report: one disk and its app, and what the report on record says of them."""

from datetime import timedelta

from shared.model.disk import PageBlobDisk
from shared.model.report import DiskReport, Report
from tests.simulation.scenes import Scene

HOUR, HALF_A_DAY, DAY = timedelta(hours=1), timedelta(hours=12), timedelta(days=1)


async def back_up(scene: Scene) -> None:
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)


async def backed_up() -> Scene:
    scene = Scene()
    await back_up(scene)
    return scene


async def report(scene: Scene) -> Report:
    found: Report = await scene.services.status.read()
    return found


async def disk(scene: Scene) -> DiskReport:
    """Give what the report says of the scene's disk."""
    [found] = [told for told in (await report(scene)).disks if told.disk == scene.disk.url]
    return found


def key(scene: Scene) -> str:
    return PageBlobDisk(scene.disk).key
