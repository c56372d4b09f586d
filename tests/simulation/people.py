"""People who ask for restores, as they should and as they should not."""

import base64
import json
import random
from typing import Any

from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.messages import RetentionMessage
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, RETENTION_QUEUE, VERIFY_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.requests import LATEST
from shared.model.retention_plan import PlanState
from tests.simulation.hands import NEW_DISKS
from tests.simulation.world import DISKS, OWN, World

_REFUSED = (
    "https://elsewhere.blob.core.windows.net/vhds/new.vhd",
    OWN.blob("disks/vhds/new.vhd").url,
    "https://disks.blob.core.windows.net/no-container/new.vhd",
    f"https://disks.blob.core.windows.net/vhds/..{OWN.url.partition('.net')[2]}/disks/vhds/new.vhd",
)
"""Targets where no restore may go."""

LAST = DISKS.blob("last.vhd")
"""A disk that nobody but the last of them names."""


class People:
    """Those who ask for restores in a history; the seed says how many do."""

    def __init__(self, world: World, rng: random.Random, disks: list[BlobAddress]) -> None:
        self._world, self._rng, self._disks = world, rng, disks
        self._to_come = rng.choice((0, 1, 2, 2, 3, 4))
        self._haste = rng.choice((0.3, 2))

    @property
    def haste(self) -> float:
        """How likely it is that somebody asks now: hardly, before there is a recovery point."""
        return self._haste * (self._to_come > 0) * (1 if any(self._world.points.values()) else 0.05)

    def ask(self) -> None:
        """Enqueue a request for a restore; now and then twice, or for something else to the same target."""
        self._to_come -= 1
        request = self._request()
        self._enqueue(request)
        if self._rng.random() < 0.2:
            self._enqueue(request if self._rng.random() < 0.5 else {**request, "disk": self._disk().url})

    def ask_for_an_inspection(self) -> None:
        """Enqueue a request to verify a recovery point, or for a drill."""
        disk = self._disk()
        self._world.enqueue(
            self._rng.choice((VERIFY_QUEUE, DRILL_QUEUE)),
            json.dumps({"disk": disk.url, "point": self._point(disk)}).encode(),
        )

    def has_to_approve(self) -> bool:
        """Tell whether a retention plan waits for approval."""
        return any(row["state"] == PlanState.WAITING for row, _ in self._world.plans.values())

    def approve(self) -> None:
        """Approve a plan that waits, or all of them."""
        waiting = [row["plan"] for row, _ in self._world.plans.values() if row["state"] == PlanState.WAITING]
        of_all = self._world.plan_of_all.get("plan", "")
        named = self._rng.choice([*waiting, *([of_all] if of_all else [])])
        body = json.dumps({"do": "approve", "plan": named}).encode()
        self._world.intended[self._world.enqueue(MANAGE_QUEUE, body)] = body

    def retain(self) -> None:
        """Have the retention look at a disk, as at the end of a tick."""
        if known := self._known():
            message = RetentionMessage(disk=PageBlobDisk(self._rng.choice(known)))
            self._world.enqueue(RETENTION_QUEUE, message.body.encode())

    def ask_for_what_there_is(self) -> bool:
        """Enqueue a request that has no reason to fail, if there is any recovery point."""
        points = {disk: self._points(disk) for disk in self._known()}
        disks = [disk for disk, found in points.items() if found]
        if not disks:
            return False
        disk = self._rng.choice(disks)
        point = self._rng.choice(points[disk])
        self._enqueue({"disk": disk.url, "point": point.time, "target": LAST.url, "allowDamaged": True})
        return True

    def _points(self, disk: BlobAddress) -> list[RecoveryPoint]:
        """List the recovery points of a disk that are there."""
        return [point for point in self._world.points_of(disk) if not self._world.is_spoilt(point)]

    def _request(self) -> dict[str, Any]:
        if self._rng.random() < 0.04:
            return {"disk": "no URL"}
        disk = self._disk()
        over = self._rng.choice([disk, disk, *self._world.disks])
        named, refused = self._rng.choice(NEW_DISKS).url, self._rng.choice(_REFUSED)
        target = self._rng.choice(
            (
                {},
                {},
                {"target": named},
                {"target": named},
                {"target": named, "overwrite": True},
                {"target": over.url, "overwrite": True},
                {"target": over.url, "overwrite": True},
                {"target": over.url, "overwrite": True},
                {"target": over.url},
                {"target": refused},
            )
        )
        damaged = {"allowDamaged": True} if self._rng.random() < 0.2 else {}
        return {"disk": disk.url, "point": self._point(disk), **target, **damaged}

    def _disk(self) -> BlobAddress:
        return self._rng.choice([*self._disks, *self._known(), *self._known()])

    def _known(self) -> list[BlobAddress]:
        return [
            BlobAddress.parse(entity["disk"]) for entity, _ in self._world.records.values() if "*" not in entity["disk"]
        ]

    def _point(self, disk: BlobAddress) -> str:
        times = [point.time for point in self._world.points_of(disk)]
        if not times or self._rng.random() < 0.5:
            return LATEST
        time = self._rng.choice(times)
        return self._rng.choice((time, time, f"{time[:19]}Z", f"{self._world.now:%Y-%m-%dT%H:%M:%SZ}"))

    def _enqueue(self, request: dict[str, Any]) -> None:
        body = json.dumps(request).encode()
        encoded = base64.b64encode(body) if self._rng.random() < 0.5 else body
        self._world.asked[self._world.enqueue(RESTORE_REQUESTS_QUEUE, encoded)] = body
