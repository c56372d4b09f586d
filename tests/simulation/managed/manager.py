"""Azure Resource Manager as the app's HTTP client reaches it: each request is a call that any fault may befall."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from azure.core.rest import HttpRequest

from shared.model.disk_ids import DiskId
from tests.simulation.calls import Calls
from tests.simulation.managed.answers import Answer, answer, refusal_of_manager
from tests.simulation.managed.compute import not_found, size_in_bytes
from tests.simulation.managed.disks import DiskRequests, shape_of
from tests.simulation.managed.noting import note_deleted, note_taken
from tests.simulation.managed.resources import Refused, Taken
from tests.simulation.world import World

URL = "https://management.azure.com"

_PATH = re.compile(
    r"(?P<group>/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.compute)"
    r"/(?P<kind>disks|snapshots)(/(?P<name>[^/]+))?(/(?P<action>[a-z]+))?",
    re.IGNORECASE,
)
_OPERATIONS = "/operations/"


class SimulatedManager:
    """The HTTP client of Azure Resource Manager."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._compute, self._calls = world, world.compute, calls
        self._disks = DiskRequests(world)

    async def send_request(self, request: HttpRequest) -> Answer:
        """Answer a request."""
        path = unquote(urlsplit(request.url).path)
        call = self._calls.read if request.method == "GET" else self._calls.change
        try:
            return await call(lambda: self._effect(request, path))
        except Refused as refused:
            return refusal_of_manager(refused)

    def _effect(self, request: HttpRequest, path: str) -> Answer:
        if path.startswith(_OPERATIONS):
            return answer(200, self._world.compute.operations.get(path, {}))
        found = _PATH.fullmatch(path)
        if found is None:
            raise not_found(path)
        if found["kind"].lower() == "disks" and found["name"]:
            return self._of_disk(path.removesuffix(f"/{found['action']}"), (found["action"] or "").lower(), request)
        do: dict[str, Callable[[], Answer]] = {
            "GET": lambda: self._get(path, found["group"], found["kind"].lower(), found["name"]),
            "PUT": lambda: self._put(path, json.loads(request.content or "{}")),
            "DELETE": lambda: self._delete(path),
            "POST": lambda: self._act(path.rpartition("/")[0], found["action"].lower(), request),
        }
        return do[request.method]()

    def _of_disk(self, path: str, action: str, request: HttpRequest) -> Answer:
        at, body = DiskId.parse(path), json.loads(request.content or "{}")
        if request.method == "GET":
            return answer(200, self._disks.find(at))
        if request.method == "DELETE":
            self._disks.delete(at)
            return answer(202)
        if request.method == "PUT":
            self._disks.put(at, body)
        elif action == "begingetaccess":
            return self._begun({"accessSAS": self._disks.grant(at, body)})
        else:
            self._disks.revoke(at)
        return self._begun({})

    def _get(self, path: str, group: str, kind: str, name: str | None) -> Answer:
        compute = self._compute
        if name:
            return answer(200, self._shape_of(compute.find(path)))
        if kind == "disks":
            disks = [made for at, made in sorted(compute.disks.items()) if at.url.lower().startswith(group.lower())]
            return answer(200, {"value": [shape_of(made) for made in disks]})
        taken = [found for at, found in sorted(compute.snapshots.items()) if at.startswith(group.lower())]
        return answer(200, {"value": [self._shape_of(found) for found in taken]})

    def _put(self, path: str, body: Mapping[str, Any]) -> Answer:
        source = DiskId.parse(body["properties"]["creationData"]["sourceResourceId"])
        is_new = path.lower() not in self._compute.snapshots
        try:
            taken = self._compute.snapshot(path, source, body["tags"], self._world.takes())
        except Refused:
            if source in self._compute.disks:
                self._world.not_snapshotted[self._compute.disks[source].disk] = self._world.now
            raise
        if is_new:
            note_taken(self._world, taken)
        return self._begun({})

    def _delete(self, path: str) -> Answer:
        found = self._compute.snapshots.get(path.lower())
        self._compute.delete_snapshot(path)
        if found:
            note_deleted(self._world, found)
        return answer(202)

    def _act(self, resource: str, action: str, request: HttpRequest) -> Answer:
        if action == "endgetaccess":
            self._compute.revoke(resource)
            return self._begun({})
        asked = json.loads(request.content or "{}")
        return self._begun({"accessSAS": self._compute.grant(resource, asked["durationInSeconds"])})

    def _begun(self, result: Mapping[str, Any]) -> Answer:
        """Begin an operation, which is done when it is asked for."""
        at = f"{_OPERATIONS}{self._compute.number()}"
        self._compute.operations[at] = dict(result)
        return answer(202, {}, Location=f"{URL}{at}")

    def _shape_of(self, taken: Taken) -> dict[str, Any]:
        is_ready = taken.readable <= self._world.now
        return {
            "id": taken.resource,
            "name": taken.name,
            "tags": dict(taken.tags),
            "properties": {
                "provisioningState": "Failed" if taken.has_failed else "Succeeded",
                "incremental": True,
                "incrementalSnapshotFamilyId": taken.family,
                "diskSizeBytes": size_in_bytes(taken),
                "creationData": {"createOption": "Copy", "sourceUniqueId": taken.disk.unique_id},
                "completionPercent": 100.0 if is_ready else 50.0,
                "snapshotAccessState": "Available" if is_ready else "Pending",
                "networkAccessPolicy": taken.network_access,
                "publicNetworkAccess": taken.public_access,
            },
        }
