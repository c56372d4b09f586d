"""A scene in which somebody upgrades: the storage as a release has left it, with all that was under way."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.azure.tables.records import POISON_PARTITION
from shared.azure.tables.rows import from_properties, from_row
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, job_row
from shared.model.messages import RestoreMessage
from shared.model.names import CONTINUE_RESTORE_QUEUE, RESTORE_METADATA, RESTORE_REQUESTS_QUEUE
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DISK_ROW
from shared.model.restore import Restore
from tests.data.recorded import Row, blobs, messages, rows
from tests.simulation.blobs import Blob, Copy, Snapshot
from tests.simulation.kept import Due
from tests.simulation.scenes import Scene, services_on
from tests.simulation.services import settings_of
from tests.simulation.world import World

_MORE_THAN_WERE_GIVEN = 10_000
"""Of ETags, message ids and page contents: the release has given so many at most."""


def upgraded(release: Path) -> Scene:
    """Give a scene with what a release has left, and with the app settings that it had."""
    stored, scene = blobs(release), Scene()
    scene.world = world = World(now=datetime.fromisoformat(stored["now"]))
    scene.services = services_on(world, settings_of(json.dumps(stored["source_disks"])))
    for _ in range(_MORE_THAN_WERE_GIVEN):
        world.number()
    _put_blobs(world, stored)
    for row in map(from_properties, rows(release, "backups")):
        _put_row(world, row)
    for row in map(from_properties, rows(release, "parts")):
        world.parts.setdefault(row["PartitionKey"], {})[int(row["RowKey"])] = (row["bytes"], row["differs"])
    for queue, bodies in messages(release).items():
        for body in bodies:
            _put_message(world, queue, body)
    return scene


def _put_blobs(world: World, stored: dict[str, Any]) -> None:
    for url, values in stored["blobs"].items():
        snapshots = {time: _snapshot(taken) for time, taken in values.pop("snapshots").items()}
        copy, touched, etag, moment = (values.pop(name) for name in ("copy", "touched", "etag", "moment"))
        blob = Blob(number=world.number, snapshots=snapshots, copy=copy and _copy(copy), **values)
        blob.touched, blob.etag, blob.moment = touched, etag, moment
        world.blobs[address := BlobAddress.parse(url)] = blob
        world.written.setdefault(blob.metadata.get(RESTORE_METADATA, ""), set()).add(address)
    for time, held in stored["held"].items():
        world.held[time] = tuple(held["pages"])
        world.snapshots_of[time] = Disk.parse(held["disk"])
    world.rotten = {(BlobAddress.parse(url), time): world.now for url, time in stored["rotten"]}
    world.spoiled = set(stored["spoiled"])
    for tick, due in stored["ticks"].items():
        settings = settings_of(json.dumps(due["source_disks"]))
        disks = frozenset(map(Disk.parse, due["disks"]))
        world.ticks[datetime.fromisoformat(tick)] = Due(disks, settings, frozenset(), frozenset())


def _put_row(world: World, row: Row) -> None:
    partition, key = row.pop("PartitionKey"), row.pop("RowKey")
    etag = f"{world.number()}"
    if partition == POISON_PARTITION:
        world.poison[key] = row
    elif key == DISK_ROW:
        world.records[partition] = (row, etag)
    elif key.startswith(POINT_ROW_PREFIX):
        point = from_row(RecoveryPoint, row)
        world.points.setdefault(partition, {})[key] = point
        world.sealed.setdefault(partition, {})[point.time] = point.sealed
    elif key.startswith(job_row(JobKind.RESTORE, "")):
        world.restores[partition, key] = (row, etag)
        world.asked[from_row(Restore, row).restore] = b""
    else:
        world.inspections[partition, key] = (from_row(Inspection, row), etag)


def _put_message(world: World, queue: str, body: bytes) -> None:
    asked = world.enqueue(queue, body)
    if queue == CONTINUE_RESTORE_QUEUE:
        asked = RestoreMessage.read(body).restore  # it may carry a request
    if queue in (RESTORE_REQUESTS_QUEUE, CONTINUE_RESTORE_QUEUE):
        world.asked[asked] = body


def _copy(values: dict[str, Any]) -> Copy:
    return Copy(**values | {"content": tuple(values["content"])})


def _snapshot(values: dict[str, Any]) -> Snapshot:
    return Snapshot(**values | {"pages": tuple(values["pages"]), "touched": tuple(values["touched"])})
