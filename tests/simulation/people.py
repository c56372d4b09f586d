"""People who ask for restores, as they should and as they should not."""

import base64
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shared.model.disk import Disk, ManagedDisk, PageBlobDisk, page_blob
from shared.model.messages import RetentionMessage
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, RETENTION_QUEUE, VERIFY_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.requests import LATEST
from shared.model.retention_plan import PlanState
from tests.simulation.hands import NEW_DISKS
from tests.simulation.managed.disks import LOCATION
from tests.simulation.managed.machines import ELSEWHERE, LAST_ID, NEW_IDS
from tests.simulation.named import is_of_one_disk
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

    def __init__(self, world: World, rng: random.Random, disks: list[Disk]) -> None:
        self._world, self._rng, self._disks = world, rng, disks
        self._makes_managed_disks = any(isinstance(disk, ManagedDisk) for disk in disks)
        self._to_come = rng.choice((0, 1, 2, 2, 3, 4)) + 3 * self._makes_managed_disks
        self._haste = rng.choice((0.3, 2))

    @property
    def haste(self) -> float:
        """How likely it is that somebody asks now: hardly, before there is a recovery point."""
        hardly = 0.002 if self._makes_managed_disks else 0.05
        return self._haste * (self._to_come > 0) * (1 if any(self._world.points.values()) else hardly)

    def ask(self) -> None:
        """Enqueue a request for a restore; now and then twice, or for something else to the same target."""
        self._to_come -= 1
        request = self._request()
        self._enqueue(request)
        if self._rng.random() < 0.2:
            self._enqueue(request if self._rng.random() < 0.5 else {**request, "disk": self._disk().name})

    def ask_for_an_inspection(self) -> None:
        """Enqueue a request to verify a recovery point, or for a drill."""
        disk = self._disk()
        self._world.enqueue(
            self._rng.choice((VERIFY_QUEUE, DRILL_QUEUE)),
            json.dumps({"disk": disk.name, "point": self._point(disk)}).encode(),
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
            message = RetentionMessage(disk=self._rng.choice(known))
            self._world.enqueue(RETENTION_QUEUE, message.body.encode())

    def ask_for_what_there_is(self) -> bool:
        """Enqueue a request that has no reason to fail, if there is any recovery point."""
        points = {disk: self._points(disk) for disk in self._known()}
        disks = [disk for disk, found in points.items() if found]
        if not disks:
            return False
        disk = self._rng.choice(disks)
        point = self._rng.choice(points[disk])
        target = LAST_ID if self._can_make_last(disk) and self._rng.random() < 0.5 else LAST
        self._enqueue({"disk": disk.name, "point": point.time, "target": target.url, "allowDamaged": True})
        return True

    def _can_make_last(self, disk: Disk) -> bool:
        """Tell whether a restore of a disk has no reason not to make a managed disk."""
        due = self._world.ticks[max(self._world.ticks)]
        is_free = LAST_ID not in self._world.compute.disks and not due.settings.excludes(ManagedDisk(LAST_ID))
        return isinstance(disk, ManagedDisk) and is_free and LAST_ID.parent in due.settings.managed_groups

    def _points(self, disk: Disk) -> list[RecoveryPoint]:
        """List the recovery points of a disk that are there."""
        return [point for point in self._world.points_of(disk) if not self._world.is_spoilt(point)]

    def _request(self) -> dict[str, Any]:
        if self._rng.random() < 0.04:
            return {"disk": "no URL"}
        if self._makes_managed_disks and self._rng.random() < 0.7:
            return self._managed_request()
        disk = self._disk()
        damaged = {"allowDamaged": True} if self._rng.random() < 0.2 else {}
        return {"disk": disk.name, "point": self._point(disk), **self._target(disk), **damaged}

    def _target(self, disk: Disk) -> dict[str, Any]:
        """Say where to: to a new disk, over one, which is named in one way or the other, or where none may go."""
        over = page_blob(self._rng.choice(_page_blobs([disk, disk, *self._world.disks])))
        named, refused = self._rng.choice(NEW_DISKS), self._rng.choice(_REFUSED)
        in_place: dict[str, Any] = {"target": over.url, "overwrite": self._rng.choice((over.blob, over.url))}
        targets: tuple[dict[str, Any], ...] = (
            {},
            {},
            {"target": named.url},
            {"target": named.url},
            {"target": named.url, "overwrite": named.blob, **self._words()},
            *[in_place | self._words()] * 3,
            {"target": over.url, "overwrite": True},
            {"target": over.url},
            {"target": refused},
            {"target": named.url, **self._trial()},
            {"target": named.url, **self._trial()},
        )
        return self._rng.choice(targets)

    def _managed_request(self) -> dict[str, Any]:
        """Ask for a new managed disk, seldom for one that is there, which is refused, or where none may go."""
        backed_up = [disk for disk in self._known() if self._world.points_of(disk)]
        disk = self._rng.choice(backed_up) if backed_up else self._disk()
        there = [made.disk.id for made in self._world.compute.disks.values()]
        named = self._rng.choice((*NEW_IDS * 4, ELSEWHERE, *there[:1]))
        region = {"managedDisk": {"location": LOCATION}} if self._rng.random() < 0.7 else {}
        trial = {"adopt": False} if self._rng.random() < 0.4 else {}
        return {"disk": disk.name, "point": self._point(disk), "target": named.url, **region, **trial}

    def _words(self) -> dict[str, bool]:
        """Say what else of a disk that is to be written over: seldom that there need be no way back."""
        words = {"replaceOther": self._rng.random() < 0.8, "undo": self._rng.random() < 0.85}
        return {name: word for name, word in words.items() if self._rng.random() < 0.9}

    def _trial(self) -> dict[str, Any]:
        """Ask for a disk that is not backed up, and may expire."""
        expires = self._rng.choice((None, "1h", "2d", f"{self._world.now + timedelta(days=1):%Y-%m-%d}"))
        return {"adopt": False, **({"expires": expires} if expires else {})}

    def _disk(self) -> Disk:
        return self._rng.choice([*self._disks, *self._known(), *self._known()])

    def _known(self) -> list[Disk]:
        return [Disk.parse(entity["disk"]) for entity, _ in self._world.records.values() if is_of_one_disk(entity)]

    def _point(self, disk: Disk) -> str:
        times = [point.time for point in self._world.points_of(disk)]
        if not times or self._rng.random() < 0.5:
            return LATEST
        time = self._rng.choice(times)
        return self._rng.choice((time, time, f"{time[:19]}Z", f"{self._world.now:%Y-%m-%dT%H:%M:%SZ}", time[:10]))

    def _enqueue(self, request: dict[str, Any]) -> None:
        body = json.dumps(request).encode()
        encoded = base64.b64encode(body) if self._rng.random() < 0.5 else body
        self._world.asked[self._world.enqueue(RESTORE_REQUESTS_QUEUE, encoded)] = body


def _page_blobs(disks: Sequence[Disk]) -> list[Disk]:
    """Leave out managed disks, which no restore goes over; where there is no other, give one that may be there."""
    return [disk for disk in disks if isinstance(disk, PageBlobDisk)] or [PageBlobDisk(NEW_DISKS[0])]
