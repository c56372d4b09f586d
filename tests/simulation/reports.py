"""What the report on record must say at rest, by the world: of each disk the truth, and of none that is not there."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.azure.tables.rows import from_row
from shared.azure.tables.status import APP_ROW, ENDED_ROW, HISTORY
from shared.model import ended, history
from shared.model.ended import ended_job, with_ended
from shared.model.history import history_of
from shared.model.inspection import Inspection
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.schema import is_known
from shared.settings import Settings
from tests.simulation.named import is_of_one_disk
from tests.simulation.ticks import absences
from tests.simulation.world import World


def wrong_reports(world: World, settings: Settings, tick: datetime) -> Iterator[str]:
    """Say where the report is not what the world is, once a tick has passed and nothing is under way.

    A disk that has come or gone since that tick is told at the next.
    """
    told = {key: json.loads(row["report"]) for key, row in world.status.items() if key not in {APP_ROW, ENDED_ROW}}
    if strangers := told.keys() - world.records.keys():
        yield f"the report speaks of {strangers}, which are not on record"
    yield from _wrong_ended(world)
    absent, before = absences(world, settings), world.ticks[tick].absent
    for key, (entity, _) in world.records.items():
        if not (is_known(entity) and is_of_one_disk(entity)):
            continue
        record = from_row(DiskRecord, entity)
        absence, is_ended = absent.get(record.disk, ""), settings.excludes_by_url(record.disk)
        if key not in told:
            if world.points_of(record.disk):
                yield f"the report says nothing of {record.disk}"
        elif record.retired or is_ended:
            if told[key]["state"] != "retired":
                yield f"{record.disk} is said to be {told[key]['state']}, and its backups were ended"
            if not record.retired or record.retired_keep_points:
                yield from _wrong_damage(world, record, told[key])
        elif bool(absence) == (record.disk in before):
            yield from _wrong_report(world, record, told[key], absence)
            yield from _wrong_history(world, record, world.status[key])


def _wrong_ended(world: World) -> Iterator[str]:
    """Say where the jobs that have ended last are not those on record."""
    jobs: list[Restore | Inspection] = [inspection for inspection, _ in world.inspections.values()]
    jobs += [from_row(Restore, entity) for entity, _ in world.restores.values() if is_known(entity)]
    true = with_ended((), [ended_job(job) for job in jobs if job.has_ended])
    told = ended.from_text(world.status.get(ENDED_ROW, {}).get("ended"))
    if lacking := {(job.kind, job.job) for job in true} - {(job.kind, job.job) for job in told}:
        yield f"{lacking} are not among the jobs that have ended last: {[(job.kind, job.job) for job in told]}"


def _wrong_report(world: World, record: DiskRecord, told: dict[str, Any], absence: str) -> Iterator[str]:
    """Say where the report of a disk is not what its rows are."""
    points = world.points_of(record.disk)
    good = [point.time for point in points if point.is_good]
    if told["good_point"] != max(good, default=""):
        yield f"the newest good recovery point of {record.disk} is said to be {told['good_point']}, of {good}"
    if told["state"] == "retired":
        yield f"{record.disk} is said to be retired, and nobody has ended its backups"
    if (told["state"] if told["state"] in {"unlisted", "missing"} else "") != absence:
        yield f"{record.disk} is said to be {told['state']}, and is {absence or 'present'}"
    if told["state"] in {"restoring", "running"}:
        yield f"{record.disk} is said to be {told['state']}, and nothing is under way"
    if told["state"] == "safe" and not good:
        yield f"{record.disk} is said to be safe, and has no good recovery point"
    if told["state"] == "new" and points:
        yield f"{record.disk} is said to be new, and has recovery points"
    yield from _wrong_damage(world, record, told)
    if told["state"] == "failing" and "What to do" not in told["reason"]:
        yield f"{record.disk} is said to fail without advice: {told['reason']}"


def _wrong_history(world: World, record: DiskRecord, row: dict[str, Any]) -> Iterator[str]:
    """Say where the history of a disk has no recovery point that is there, or one that is not."""
    found = history.from_text(row.get(HISTORY)) or history.History()
    points = history_of(world.points_of(record.disk), world.now)
    told, true = ({mark.second for mark in one.marks if mark.second >= points.since} for one in (found, points))
    if told != true:
        yield f"the history of {record.disk} has {sorted(told - true)} too many, and lacks {sorted(true - told)}"


def _wrong_damage(world: World, record: DiskRecord, told: dict[str, Any]) -> Iterator[str]:
    points = world.points_of(record.disk)
    good = [point.time for point in points if point.is_good]
    if ("damaged" in told["flags"]) != (len(good) < len(points)):
        yield f"of {record.disk} damaged points are said to be {told['flags'].get('damaged')}, and {good} are good"
