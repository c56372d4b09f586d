"""Operators who write intents on the queue `manage`, as they should and as they should not; and what comes of it."""

import base64
import json
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.azure.tables.rows import from_row
from shared.model.disk import Disk
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE
from shared.model.requests import LATEST
from tests.simulation.world import World

_NOT_READ = ({"do": "keep"}, {"do": "delete"}, {"do": "backup", "disk": "no URL"}, {"do": "cancel", "job": "no ID"})


class Operators:
    """Those who write intents in a history; the seed says how many do."""

    def __init__(self, world: World, rng: random.Random, disks: list[Disk]) -> None:
        self._world, self._rng, self._disks = world, rng, disks
        self._to_come = rng.choice((0, 0, 2, 6))

    @property
    def haste(self) -> float:
        """How likely it is that somebody writes one now: hardly, before there is a recovery point."""
        return 0.5 * (self._to_come > 0) * (1 if any(self._world.points.values()) else 0.05)

    def ask(self) -> None:
        """Enqueue an intent, plain or encoded; now and then twice."""
        self._to_come -= 1
        intent = self._intent()
        for _ in range(2 if self._rng.random() < 0.2 else 1):
            body = json.dumps(intent).encode()
            encoded = base64.b64encode(body) if self._rng.random() < 0.5 else body
            self._world.intended[self._world.enqueue(MANAGE_QUEUE, encoded)] = body

    def _intent(self) -> dict[str, Any]:
        do = self._rng.choice(("keep", "keep", "unkeep", "backup", "backup", "cancel", "cancel", "orphans", ""))
        disk = self._rng.choice(self._disks)
        if do in ("keep", "unkeep"):
            times = [point.time for point in self._world.points_of(disk)]
            return {"do": do, "disk": disk.name, "point": self._rng.choice([LATEST, *times])}
        if do == "backup":
            return {"do": do, "disk": disk.name, "keep": self._rng.random() < 0.5}
        if do == "cancel":
            return {"do": do, "job": self._rng.choice([*self._jobs(), *self._world.asked, "none"])}
        if do == "orphans":
            lists = [row.subject for row in intents(self._world) if row.listed]
            return {"do": do, "approve": self._rng.choice(lists)} if lists else {"do": do}
        return self._rng.choice(_NOT_READ)

    def _jobs(self) -> list[str]:
        """List the jobs under way."""
        restores = [row.job for row in self._world.restore_rows() if not row.has_ended]
        return restores + [found.job for found, _ in self._world.inspections.values() if not found.has_ended]


def intents(world: World) -> list[IntentRow]:
    """Give the rows of all intents."""
    return [from_row(IntentRow, entity) for entity, _ in world.intents.values()]


def wrong_intents(world: World) -> Iterator[str]:
    """Say what is wrong with the intents of a world at rest: each has one row, with its outcome.

    What its queue has given up has another id then. It has a row under either where its message was given up once it
    had a row, and that is looked at only after a tick has carried on with it.
    """
    rows = intents(world)
    names = [row.intent for row in rows]
    missing, others = world.intended.keys() - set(names), set(names) - world.intended.keys()
    if len(set(names)) != len(names) or len(missing) > len(others) or others - world.given_up:
        yield f"of the intents {sorted(world.intended)} there are the rows {sorted(names)}"
    for row in rows:
        if not row.has_ended:
            yield f"{row.row_key} ({row.request}) is still {row.state}: {row.reason or row.last_error}"
        elif row.state is not Stage.DONE and "What to do" not in row.reason:
            yield f"{row.row_key} is {row.state} without advice: {row.reason}"
        elif row.state is Stage.DONE:
            yield from _wrong_outcome(world, row, rows)


def _wrong_outcome(world: World, row: IntentRow, rows: list[IntentRow]) -> Iterator[str]:
    """Say where what an intent has done is not so."""
    points = world.points_of(row.disk) if row.disk else []
    point = next((point for point in points if point.time == row.point), None)
    is_undone = any(other.do == "unkeep" and other.point == row.point for other in rows)
    is_buried = row.disk is not None and f"deleted-{row.point}" in world.tombstones.get(row.disk.key, {})
    is_gone = point is None and not is_buried
    if row.do == "backup" and (is_gone or datetime.fromisoformat(row.point) <= row.requested):
        yield f"{row.row_key} says {row.outcome}, and was asked for at {row.requested}"
    if row.do == "keep" and not is_undone and not (point and point.kept):
        yield f"{row.row_key} says {row.outcome}, and that is not kept"
