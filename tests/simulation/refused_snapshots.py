"""Source snapshots that the service refuses for a while."""

from datetime import datetime
from typing import Any

from tests.simulation.scenes import Scene


class Refusing:
    """The snapshots of a scene's disks, refused for a while.

    Attributes:
        tried: when each was asked for.
    """

    def __init__(self, scene: Scene, error: Exception, times: int = 10**9, name: str = "os") -> None:
        self.tried: list[datetime] = []
        self._scene, self._error, self._times, self._name = scene, error, times, name
        self._take = scene.services.disks.take_snapshot
        scene.services.disks.take_snapshot = self

    async def __call__(self, asked: Any, *others: Any) -> Any:
        if self._name in asked.name:
            self.tried.append(self._scene.world.now)
            if len(self.tried) <= self._times:
                raise self._error
        return await self._take(asked, *others)

    def end(self) -> None:
        self._scene.services.disks.take_snapshot = self._take
