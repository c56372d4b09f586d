"""What Azure Resource Manager does to disks for one client, and what that client may have done with them."""

from collections.abc import Mapping
from typing import Any

from shared.azure.sources.disk_shapes import RESTORE_TAG
from shared.limits import PAGE
from shared.model.disk_ids import DiskId
from tests.simulation.managed import uploads
from tests.simulation.managed.compute import not_found
from tests.simulation.managed.resources import Made, Refused
from tests.simulation.world import World

LOCATION = "westeurope"


class DiskRequests:
    """The requests for disks.

    Azure takes no condition. What may be held against a client is what it does to the disk that it has seen last.
    """

    def __init__(self, world: World) -> None:
        self._world, self._compute = world, world.compute
        self._seen: dict[DiskId, Made | None] = {}

    def find(self, at: DiskId) -> dict[str, Any]:
        """Give a disk."""
        self._seen[at] = found = self._compute.disks.get(at)
        if found is None:
            raise not_found(at.url)
        return shape_of(found)

    def put(self, at: DiskId, body: Mapping[str, Any]) -> None:
        """Make a disk for an upload."""
        creation, tags = body["properties"]["creationData"], body.get("tags", {})
        if creation.get("createOption") != "Upload":
            raise Refused(400, "InvalidParameter", "Only uploads are modelled here.")
        there, mark = self._compute.disks.get(at), tags.get(RESTORE_TAG, "")
        uploads.begin(self._compute, at, creation["uploadSizeBytes"], tags, mark)
        if there and there.made_by != mark:
            self._account_for(there, "put over", is_wrong=_restore_of(there.made_by) != _restore_of(mark))

    def delete(self, at: DiskId) -> None:
        """Delete a disk."""
        found = uploads.delete(self._compute, at)
        if found is None:
            return
        self._world.deleted[found.disk] = self._world.now
        was_uploaded = any(row.target_etag == found.disk.unique_id for row in self._world.restore_rows())
        self._account_for(found, "deleted", is_wrong=was_uploaded or not found.made_by)

    def grant(self, at: DiskId, asked: Mapping[str, Any]) -> str:
        """Grant access that writes to a disk; give its URL."""
        if asked.get("access") != "Write":
            raise Refused(400, "InvalidParameter", "Disks are read by their snapshots here.")
        return uploads.grant(self._compute, at, asked["durationInSeconds"])

    def revoke(self, at: DiskId) -> None:
        """End access to a disk."""
        found = self._compute.disks.get(at)
        if found and found.upload:
            self._account_for(found, "finished", is_wrong=False)
        uploads.end(self._compute, at)

    def _account_for(self, made: Made, what: str, *, is_wrong: bool) -> None:
        """Note what is done to a disk: as nobody can help if it is another than this client has seen."""
        if self._seen.get(made.disk.id) is not made:
            self._world.meddle(made.disk)
        elif is_wrong:
            self._world.violations.append(f"{made.disk} was {what}, which {made.made_by or 'no restore'} has made")


def shape_of(made: Made) -> dict[str, Any]:
    """Give a disk as Azure Resource Manager writes it."""
    return {
        "id": made.disk.id.url,
        "name": made.disk.id.name,
        "location": LOCATION,
        "tags": dict(made.tags),
        "properties": {
            "uniqueId": made.disk.unique_id,
            "diskSizeBytes": made.size * PAGE,
            "diskState": made.upload or "Unattached",
            "creationData": {"createOption": "Empty" if made.made_by is None else "Upload"},
        },
    }


def _restore_of(mark: str | None) -> str:
    return (mark or "").partition("/")[0]
