"""Managed disks, and Tidemark's incremental snapshots of them, which are resources of their own."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError

from shared.azure.answers import explain
from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.access_urls import AccessUrls
from shared.azure.sources.disk_shapes import is_private, profile_of, waits_for_upload
from shared.azure.sources.source import Source
from shared.errors import DiskError, SourceGoneError
from shared.limits import FOOTER, MANAGED_DISK_BYTES
from shared.model.addresses import AddressError, ContainerAddress
from shared.model.disk import Disk, ManagedDisk, managed_disk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from shared.model.times import canonical_time
from shared.model.version import SnapshotVersion
from shared.settings import Settings
from shared.source_disks import SourceDisk

_TAG_DISK, _TAG_BACKUP = "tidemark-disk", "tidemark-backup"
_TAG_PROFILE = "tidemark-profile-"
_MAX_TAG = 256
"""Characters of a tag's value (Azure Resource Manager: tags)."""

_READABLE = frozenset({"", "Unknown", "Available", "AvailableWithInstantAccess"})
_COMPLETE = 100.0
_FOR_NOW = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_NAME = re.compile(r"(?P<prefix>tidemark-[0-9a-f]{16})-(?P<date>\d{8})T(?P<time>\d{6})(?P<fraction>\d{7})Z")


class ManagedDiskSource(Source):
    """Access to managed disks and to their snapshots."""

    def __init__(
        self,
        manager: ResourceManager,
        settings: Settings,
        access: AccessUrls,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._manager, self._backups, self._access, self._now = manager, settings.container, access, now

    async def find(self, pattern: SourceDisk) -> list[Disk]:
        """List the managed disks that match an entry (REST: Disks, Get and List By Resource Group)."""
        asked = pattern.address
        if not isinstance(asked, DiskId):
            return []
        if "*" in asked.name:
            resources = [found async for found in self._manager.list(f"{asked.parent.compute}/disks")]
        else:
            found = await self._manager.find(asked.url)
            resources = [found] if found else []
        tagged = [resource for resource in resources if pattern.has_tags(resource.get("tags") or {})]
        return sorted(disk for disk in _disks(tagged) if pattern.covers(disk))

    async def problem(self, disk: Disk) -> str:
        """Say why a disk can't be backed up; empty if it does not exist."""
        found = await self._manager.find(managed_disk(disk).id.url)
        return _problem(found["properties"]) if found else ""

    async def exists(self, disk: Disk) -> bool:
        """Tell whether the disk exists, and is still the same."""
        found = await self._manager.find(managed_disk(disk).id.url)
        return found is not None and _disks([found]) == [disk]

    async def take_snapshot(self, disk: Disk, etag: str | None = None) -> str:  # noqa: ARG002 - none is written over
        """Have a disk snapshotted, in use or not, and give the snapshot's time (REST: Snapshots, Create Or Update).

        It is named by that time before it is made, so that to ask again is harmless.
        The moment that it holds is that time or shortly after. It may take a while until it can be read.

        Raises:
            AzureError: Azure refused it, or could not make it: what there is of it is deleted. Where the disk has too
                many snapshots for now, waiting helps, as with a busy service.
            DiskError: the disk can't be backed up.
            SourceGoneError: it no longer exists.
        """
        asked = managed_disk(disk)
        found = await self._manager.find(asked.id.url)
        if found is None or [disk] != _disks([found]):
            raise SourceGoneError(f"{disk.name} no longer exists")
        if problem := _problem(found["properties"]):
            raise DiskError(f"{disk.name} can't be backed up: {problem}")
        time = canonical_time(self._now().isoformat())
        snapshot = {
            "location": found["location"],
            "tags": {
                _TAG_DISK: disk.name[-_MAX_TAG:],
                _TAG_BACKUP: self._backups.url[:_MAX_TAG],
                **_profile_tags(profile_of(found)),
            },
            "properties": {
                "creationData": {"createOption": "Copy", "sourceResourceId": found["id"]},
                "incremental": True,
                # A disk's own policy may forbid what is needed, and need not be that of its snapshots.
                "networkAccessPolicy": "AllowAll",
                "publicNetworkAccess": "Enabled",
            },
        }
        resource = _resource(asked, time)
        try:
            await self._manager.put(resource, snapshot)
        except AzureError as error:
            with contextlib.suppress(AzureError):
                await self._manager.delete(resource)
            if isinstance(error, HttpResponseError) and error.status_code in _FOR_NOW:
                raise _no_room(disk, error) from error
            raise
        return time

    async def pending(self, disk: Disk, snapshot: str) -> str:
        """Say why a snapshot can't be read yet; empty once it can be, or is gone.

        Raises:
            DiskError: it can never be read as it is.
        """
        resource = _resource(managed_disk(disk), snapshot)
        found = await self._manager.find(resource)
        if found is None:
            return ""
        properties: Mapping[str, Any] = found["properties"]
        if _is_of_another(properties, managed_disk(disk)):
            raise DiskError(
                f"the snapshot {resource} is of another disk, which was made under the same name just then. What to do:"
                " nothing; the next tick snapshots what is there"
            )
        state = str(properties.get("provisioningState", ""))
        if state == "Failed":
            raise DiskError(f"Azure could not make the snapshot {resource}. What to do: nothing; the next tick retries")
        is_closed = properties.get("publicNetworkAccess") == "Disabled" and not is_private(properties)
        if is_closed or properties.get("networkAccessPolicy") == "DenyAll":
            raise DiskError(
                f"the snapshot {resource} can't be read: its network access is off, though Tidemark asked for it. What"
                " to do: exempt the resource group from the Azure Policy that turns it off"
            )
        percent = properties.get("completionPercent")
        done = _COMPLETE if percent is None else float(percent)
        access = str(properties.get("snapshotAccessState") or "")
        if state == "Succeeded" and access in _READABLE and done >= _COMPLETE:
            return ""
        return f"waits until Azure has the snapshot ready to be read: {done:.0f} % ({access or state})"

    async def own_snapshots(self, disk: Disk, old: ContainerAddress | None = None) -> list[str]:
        """List the times of the source snapshots taken for the backup container, or the one before, oldest first.

        Their names say which disk they were asked for, though one may be of the disk that was made anew just then.
        """
        asked, backups = managed_disk(disk), old or self._backups
        found = self._manager.list(f"{asked.id.parent.compute}/snapshots")
        times = [_time(str(one.get("name", "")), asked) async for one in found if _is_for(one, backups)]
        return sorted(filter(None, times))

    async def delete_snapshot(self, disk: Disk, snapshot: str) -> None:
        """Delete one source snapshot, if it exists: first the access to it must end (REST: Snapshots, Delete)."""
        resource = _resource(managed_disk(disk), snapshot)
        await self._access.end(self._manager, resource)
        await self._manager.delete(resource)

    async def let_go(self, disk: Disk, snapshot: str) -> None:
        """End the access to a private snapshot: five may have some at once, of all disks with its disk access object.

        That of others lasts, as the next run of the disk reads the snapshot again (Restrict access to managed disks).
        """
        resource = _resource(managed_disk(disk), snapshot)
        found = await self._manager.find(resource)
        if found and is_private(found["properties"]):
            await self._access.end(self._manager, resource)

    async def profile(self, disk: Disk, snapshot: str) -> str:
        """Give what the disk was when a source snapshot was taken, which is in that snapshot's tags."""
        found = await self._manager.find(_resource(managed_disk(disk), snapshot))
        return _profile_in((found or {}).get("tags") or {})

    def version(self, disk: Disk, snapshot: str) -> SnapshotVersion:
        """Give the source snapshot of a time, to read or copy."""
        asked = managed_disk(disk)
        return SnapshotVersion(asked, _resource(asked, snapshot))

    def notice(self, disk: Disk) -> None:
        """Warn of nothing."""


def _no_room(disk: Disk, refused: HttpResponseError) -> HttpResponseError:
    """Make the error for a snapshot that is refused for now, most often as the disk has as many as there may be."""
    error = HttpResponseError(
        f"no snapshot of {disk.name} for now: {explain(refused).rstrip('.')}. What to do: nothing, if it passes; else"
        " delete old ones: Azure allows 500 incremental snapshots of a disk, and 7 in 5 minutes, whoever takes them"
    )
    error.status_code, error.response = HTTPStatus.TOO_MANY_REQUESTS, refused.response
    return error


def _resource(disk: ManagedDisk, time: str) -> str:
    """Name a source snapshot before it is made, so that to ask for it again is harmless: `tidemark-HASH-TIME`.

    Its tags say for which backup container it was taken; so it has one name even if that is changed.
    """
    return f"{disk.id.parent.compute}/snapshots/{_prefix(disk)}-{re.sub('[-:.]', '', time)}"


def _prefix(disk: ManagedDisk) -> str:
    return f"tidemark-{hashlib.sha256(disk.name.encode()).hexdigest()[:16]}"


def _time(name: str, disk: ManagedDisk) -> str:
    """Read the time of a snapshot's name; empty if the name is that of another disk's, or of none."""
    found = _NAME.fullmatch(name)
    if found is None or found["prefix"] != _prefix(disk):
        return ""
    date, time = found["date"], found["time"]
    return f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}.{found['fraction']}Z"


def _profile_tags(profile: DiskProfile) -> dict[str, str]:
    text = profile.text
    parts = range(0, len(text), _MAX_TAG)
    return {f"{_TAG_PROFILE}{number}": text[at : at + _MAX_TAG] for number, at in enumerate(parts)}


def _profile_in(tags: Mapping[str, str]) -> str:
    parts = [f"{_TAG_PROFILE}{number}" for number in range(len(tags))]
    return "".join(tags.get(part, "") for part in parts)


def _disks(resources: Iterable[Mapping[str, Any]]) -> list[Disk]:
    """Return the disks that are there; one that is just being made or uploaded has nothing to back up yet."""
    there = [one for one in resources if not waits_for_upload(one)]
    found = [(str(one["id"]), str(one["properties"].get("uniqueId") or "").lower()) for one in there]
    return [ManagedDisk(DiskId.parse(resource), unique) for resource, unique in found if unique]


def _is_for(snapshot: Mapping[str, Any], backups: ContainerAddress) -> bool:
    """Tell whether a snapshot is tagged as taken for a backup container, whichever URL that had then."""
    try:
        return ContainerAddress.parse(str((snapshot.get("tags") or {}).get(_TAG_BACKUP, ""))).is_same_as(backups)
    except AddressError:
        return False


def _is_of_another(properties: Mapping[str, Any], disk: ManagedDisk) -> bool:
    """Tell whether a snapshot is of another disk that has the same resource ID."""
    made_of = properties.get("creationData", {}).get("sourceUniqueId")
    return made_of is not None and str(made_of).lower() != disk.unique_id


def _problem(properties: Mapping[str, Any]) -> str:
    """Say why a managed disk can't be backed up, and what to do."""
    size = int(properties.get("diskSizeBytes") or 0)
    sector = int(properties.get("creationData", {}).get("logicalSectorSize") or FOOTER)
    security = str((properties.get("securityProfile") or {}).get("securityType", ""))
    if size > MANAGED_DISK_BYTES:
        return "it is larger than 8,191 GiB, and a page blob ends at 8 TiB. What to do: split it, or exclude it"
    if sector != FOOTER:
        return f"its sectors have {sector} bytes, and Azure exports such disks as VHDX only. What to do: exclude it"
    if security.startswith("Confidential"):
        return "it belongs to a confidential VM, whose state is not in its bytes. What to do: exclude it"
    if properties.get("dataAccessAuthMode") == "AzureActiveDirectory":
        return (
            "its export needs a Microsoft Entra sign-in as well (dataAccessAuthMode), which Tidemark does not support."
            " What to do: turn that off for the disk, or exclude it"
        )
    return ""
