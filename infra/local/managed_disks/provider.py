"""What the resource manager's requests do to disks and snapshots: `Microsoft.Compute`, as far as Tidemark calls it.

REST: Disks and Snapshots - Create Or Update, Grant Access, Revoke Access, Delete (API 2025-01-02).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .access import MAX_SECONDS, Access
from .arm_errors import ArmError, conflict, invalid
from .arm_request import ArmRequest
from .bodies import check_name, further_properties, location_of, section, source_of, tags_of
from .empty_disks import EmptyDisks, is_empty
from .limits import Limits
from .operations import Operation, Operations, Output
from .progress import Progress
from .resource_ids import ResourceId
from .resources import BACKGROUND_COPY, Disk, Resource, Snapshot
from .roles import Roles
from .shapes import accepted_shape, shape
from .store import Store, new_path
from .uploads import Uploads

_OK, _ACCEPTED, _NO_CONTENT = 200, 202, 204


@dataclass(slots=True)
class Reply:
    """The answer to a request.

    Attributes:
        status: the HTTP status.
        body: the body; None for none.
        operation: the operation that goes on, if any.
    """

    status: int
    body: dict[str, Any] | None = None
    operation: Operation | None = None


@dataclass(slots=True)
class Provider:
    """Answers the requests for disks and snapshots, with what it is made of."""

    store: Store
    operations: Operations
    limits: Limits
    roles: Roles
    uploads: Uploads
    empty: EmptyDisks
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, request: ArmRequest) -> Reply:
        """Answer a GET of a disk or snapshot."""
        found = self.store.get(request.resource)
        self.store.end_expired(found)
        found.provisioning.look()
        found = self.store.get(request.resource)  # a deletion may have ended just now
        if isinstance(found, Snapshot):
            found.copy.look()
        return Reply(_OK, shape(found, request.api_version))

    async def put_snapshot(self, request: ArmRequest) -> Reply:
        """Answer the PUT of a snapshot: a new one, or one that is there and was put from the same source.

        Raises:
            ArmError: a bad body, PropertyChangeNotAllowed, or what limits, states and roles forbid.
        """
        body, at = request.json(), request.resource
        self.store.check_scope(at.subscription, at.group)
        properties = section(body, "properties")
        source = source_of(section(properties, "creationData"))
        async with self._lock:
            return await self._put_snapshot(request, body, properties, source)

    async def _put_snapshot(
        self, request: ArmRequest, body: Mapping[str, Any], properties: Mapping[str, Any], source: ResourceId
    ) -> Reply:
        at = request.resource
        there = self.store.resources.get(at.key)
        if isinstance(there, Snapshot):
            if ResourceId.parse(there.source_id).key != source.key:
                message = "Changing property 'creationData.sourceResourceId' is not allowed."
                raise ArmError(409, "PropertyChangeNotAllowed", message)
            there.tags = tags_of(body, there.tags)
            self._set_network(there, properties)
            return self._begun(request, there, lambda: shape(there, request.api_version), status=_OK)
        self.roles.require_linked(request.caller, request.action, at.text, "disks/beginGetAccess/action", source.text)
        made = await self._take(request, self._source(at, source), body, properties)
        return self._begun(request, made, lambda: shape(made, request.api_version))

    async def delete(self, request: ArmRequest) -> Reply:
        """Answer the DELETE of a disk or snapshot; 204 if there is none.

        Raises:
            ArmError: it has a SAS, or is attached.
        """
        at = request.resource
        self.store.check_scope(at.subscription, at.group)
        found = self.store.resources.get(at.key)
        if found is None:
            return Reply(_NO_CONTENT)
        self.store.end_expired(found)
        if found.access:
            raise conflict(f"{found.id.text} has an active SAS. Call EndGetAccess before deleting.")
        if isinstance(found, Disk) and found.managed_by:
            raise conflict(f"Disk {found.id.name} is attached to VM {found.managed_by}.")
        reply = self._begun(request, found, lambda: None, at_end=lambda: self.store.remove(found), has_body=False)
        if isinstance(found, Snapshot) and request.failure is None:
            await self._delete_content(found)
        return reply

    async def grant(self, request: ArmRequest) -> Reply:
        """Answer beginGetAccess.

        Raises:
            ArmError: a bad body, or what limits, network policies and states forbid.
        """
        body, found = request.json(), self.store.get(request.resource)
        level, seconds = body.get("access"), body.get("durationInSeconds")
        if level not in ("Read", "Write"):
            raise invalid("access", f"The access {level!r} is neither Read nor Write.")
        if not isinstance(seconds, int) or not 0 < seconds <= MAX_SECONDS:
            raise invalid("durationInSeconds", f"The duration must be from 1 to {MAX_SECONDS} seconds.")
        if found.network_access_policy == "DenyAll":
            raise conflict(f"The network access policy of {found.id.text} is DenyAll: no SAS can be granted.")
        if not found.provisioning.look() or found.provisioning.failure:
            raise conflict(f"{found.id.text} is not provisioned.")
        self.store.end_expired(found)
        if request.failure:
            return self._begun(request, found, lambda: None, has_body=False)
        writes = level == "Write"
        access = self._second(found, writes=writes) or self._new_access(
            found, timedelta(seconds=seconds), writes=writes
        )
        url = {"accessSAS": f"{request.storage_url}{access.path}?{access.query}"}
        return self._begun(request, found, lambda: url, has_body=False)

    async def revoke(self, request: ArmRequest) -> Reply:
        """Answer endGetAccess; an upload ends by it, and fails at its end if what was uploaded is no disk."""
        found = self.store.get(request.resource)
        if request.failure is None:
            self.store.revoke(found)
            if isinstance(found, Disk) and found.upload == "ActiveUpload":
                request.failure = await self._end_upload(found)
        return self._begun(request, found, lambda: None, has_body=False)

    async def put_disk(self, request: ArmRequest) -> Reply:
        """Answer the PUT of a disk: an empty one, or one to upload into; or of one that is there, which may grow.

        Raises:
            ArmError: a bad body, or another one is there.
        """
        body, at = request.json(), request.resource
        self.store.check_scope(at.subscription, at.group)
        async with self._lock:
            there = self.store.resources.get(at.key)
            if there is None and is_empty(body):
                empty = await self.empty.make(at, body)
                return self._begun(request, empty, lambda: shape(empty, request.api_version))
            if isinstance(there, Disk):
                self.uploads.require_same(there, body)
                await self.empty.grow(there, body)
                there.tags = tags_of(body, there.tags)
                return self._begun(request, there, lambda: shape(there, request.api_version), status=_OK)
            self._require_encryption_set(request, body)
            made = await self.uploads.begin(at, body)
        return self._begun(request, made, lambda: shape(made, request.api_version))

    def _require_encryption_set(self, request: ArmRequest, body: Mapping[str, Any]) -> None:
        """Require that who makes a disk may read the encryption set that is named [guess: by linked scope]."""
        named = section(section(body, "properties"), "encryption").get("diskEncryptionSetId")
        if named:
            read = "diskEncryptionSets/read"
            self.roles.require_linked(request.caller, request.action, request.resource.text, read, str(named))

    def _begun(
        self,
        request: ArmRequest,
        resource: Resource,
        output: Output,
        *,
        at_end: Callable[[], None] | None = None,
        status: int = _ACCEPTED,
        has_body: bool = True,
    ) -> Reply:
        """Begin an operation on a resource, and answer with it as it is before its end."""
        behaviour = self.store.behaviour
        progress = Progress(behaviour.looks, behaviour.is_held, request.failure, at_end)
        if status == _OK and not resource.provisioning.is_done:
            progress = resource.provisioning
        if has_body or at_end:
            resource.provisioning = progress
        if at_end and behaviour.looks <= 0:
            progress.look()
        operation = self.operations.begin(resource.id.subscription, resource.location, progress, output)
        shown = shape if status == _OK else accepted_shape
        return Reply(status, shown(resource, request.api_version) if has_body else None, operation)

    async def _end_upload(self, disk: Disk) -> ArmError | None:
        if self.store.behaviour.checks_uploads:
            return await self.uploads.end(disk)
        disk.upload = None
        return None

    def _source(self, at: ResourceId, source: ResourceId) -> Disk:
        disk = self.store.get(source)
        if not isinstance(disk, Disk) or source.subscription.lower() != at.subscription.lower():
            raise invalid("creationData.sourceResourceId", f"{source.text} is no disk of this subscription.")
        if disk.upload:
            raise conflict(f"Disk {disk.id.name} is in state {disk.upload}: its upload must end first.")
        return disk

    async def _take(
        self, request: ArmRequest, disk: Disk, body: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> Snapshot:
        if location_of(body).lower() != disk.location.lower():
            raise invalid("location", f"The disk is in {disk.location}.")
        if not properties.get("incremental"):
            raise invalid("incremental", "Only incremental snapshots are modelled here.")
        check_name(request.resource)
        tags = tags_of(body)
        self.limits.check_new_snapshot(disk)
        looks = self.store.behaviour.copy_looks if disk.sku in BACKGROUND_COPY else 0
        made = Snapshot(
            id=request.resource,
            location=disk.location,
            size=disk.size,
            content=disk.content,
            path=disk.path,
            created=self.store.clock.now(),
            sku=section(body, "sku").get("name", "Standard_LRS"),
            tags=tags,
            sector_size=disk.sector_size,
            properties=_inherited(disk) | further_properties(properties),
            data_access_auth_mode=properties.get("dataAccessAuthMode", disk.data_access_auth_mode),
            time=await disk.content.snapshot(),
            source_id=section(properties, "creationData")["sourceResourceId"],
            source_unique_id=disk.unique_id,
            family=disk.family,
            copy=Progress(looks),
            copy_looks=looks,
            shows_completion=self.store.behaviour.shows_completion,
        )
        if not looks:
            made.copy.release()
        if self.store.behaviour.snapshots_inherit_policy:
            made.network_access_policy = disk.network_access_policy
            made.public_network_access = disk.public_network_access
        self._set_network(made, properties)
        self.store.add(made)
        return made

    def _set_network(self, snapshot: Snapshot, properties: Mapping[str, Any]) -> None:
        wanted = {**properties, **self.store.behaviour.policy}
        snapshot.network_access_policy = wanted.get("networkAccessPolicy", snapshot.network_access_policy)
        snapshot.public_network_access = wanted.get("publicNetworkAccess", snapshot.public_network_access)
        if access := wanted.get("diskAccessId"):
            snapshot.properties["diskAccessId"] = access

    async def _delete_content(self, snapshot: Snapshot) -> None:
        await snapshot.content.delete_snapshot(snapshot.time)
        for other in self.store.snapshots():
            if other.content is snapshot.content and other is not snapshot:
                other.merging_reads = self.store.behaviour.merging_reads

    def _second(self, resource: Resource, *, writes: bool) -> Access | None:
        """Return the SAS that is active already, if a grant gives it again."""
        if resource.access is None or resource.access.writes != writes or self.store.behaviour.second_access == "new":
            return None
        if self.store.behaviour.second_access == "refused":
            raise conflict(f"{resource.id.text} has an active SAS already.")
        is_valid = resource.access.expires_at > self.store.clock.now()
        return resource.access if is_valid else None

    def _new_access(self, resource: Resource, life: timedelta, *, writes: bool) -> Access:
        if writes:
            return self.uploads.open(resource, life)
        path, snapshot = resource.path, ""
        if isinstance(resource, Snapshot):
            if not resource.copy.is_done:
                raise conflict(f"The background copy of {resource.id.text} has not ended: no SAS can be granted yet.")
            self.limits.check_new_access(resource)
            snapshot = resource.time
            if resource.network_access_policy == "AllowPrivate":
                path = new_path("md-impexp-", "relaycor")
        elif isinstance(resource, Disk) and (resource.managed_by or resource.upload):
            raise conflict(f"Disk {resource.id.name} is in use: only a detached one can have a SAS to read it.")
        ends = self.store.clock.now() + life
        return self.store.grant(Access(path, resource.content.blob, snapshot, writes, ends), resource)


_INHERITED = ("osType", "hyperVGeneration", "encryption", "securityProfile", "supportedCapabilities", "purchasePlan")


def _inherited(disk: Disk) -> dict[str, Any]:
    """Return what a snapshot has of its disk, whatever was put."""
    return {name: disk.properties[name] for name in _INHERITED if name in disk.properties}
