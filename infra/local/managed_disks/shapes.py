"""The JSON of disks and snapshots.

Fields and values: azure-rest-api-specs, DiskRP 2024-03-02, examples; azure-cli's recordings (test_snapshot_access,
test_vm_disk_upload, test_vm_snapshot_incremental). `snapshotAccessState` is of API 2025-01-02.
"""

from datetime import datetime
from typing import Any

from infra.local.disks.vhd import FOOTER_BYTES

from .resources import Disk, Resource, Snapshot

ACCESS_STATE_SINCE = "2025-01-02"
_GIB = 1024**3
_LATER = frozenset(
    {
        "uniqueId",
        "timeCreated",
        "diskState",
        "diskSizeGB",
        "encryption",
        "incrementalSnapshotFamilyId",
        "completionPercent",
        "snapshotAccessState",
    }
)


def shape(resource: Resource, api_version: str) -> dict[str, Any]:
    """Return the body of a GET of a disk or snapshot."""
    if isinstance(resource, Disk):
        return _common(resource, _of_disk(resource)) | (
            {"managedBy": resource.managed_by} if resource.managed_by else {}
        )
    assert isinstance(resource, Snapshot)  # noqa: S101 - there is no other
    return _common(resource, _of_snapshot(resource, api_version))


def accepted_shape(resource: Resource, api_version: str) -> dict[str, Any]:
    """Return the body of the answer to a PUT: what was put, and little more, as in the recordings."""
    body = shape(resource, api_version)
    body["sku"].pop("tier")
    body["properties"] = {name: value for name, value in body["properties"].items() if name not in _LATER}
    return body | {"properties": {**body["properties"], "provisioningState": "Updating"}}


def disk_state(resource: Resource) -> str:
    """Return the `diskState`."""
    if isinstance(resource, Disk) and resource.upload:
        return resource.upload
    if isinstance(resource, Disk) and resource.managed_by:
        return "Attached"
    return "ActiveSAS" if resource.access else "Unattached"


def access_state(snapshot: Snapshot) -> str:
    """Return the `snapshotAccessState` (disks-instant-access-snapshots)."""
    if snapshot.has_instant_access:
        return "AvailableWithInstantAccess" if snapshot.copy.is_done else "InstantAccess"
    return "Available" if snapshot.copy.is_done else "Pending"


def written(time: datetime) -> str:
    """Write a time as the resource manager does: with seven digits of a second, but no zeros at their end."""
    digits = f"{time.microsecond:06}{time.microsecond % 10}".rstrip("0")
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S')}{'.' if digits else ''}{digits}+00:00"


def _common(resource: Resource, of_its_kind: dict[str, Any]) -> dict[str, Any]:
    tier = resource.sku.split("_", maxsplit=1)[0]
    return {
        "id": resource.id.text,
        "name": resource.id.name,
        "type": f"Microsoft.Compute/{resource.id.kind}",
        "location": resource.location,
        "sku": {"name": resource.sku, "tier": tier},
        **({"zones": list(resource.zones)} if resource.zones else {}),
        "tags": dict(resource.tags),
        "properties": {
            **of_its_kind,
            **_size(resource),
            "uniqueId": resource.unique_id,
            "timeCreated": written(resource.created),
            "diskState": disk_state(resource),
            "provisioningState": _provisioning_state(resource),
            "networkAccessPolicy": resource.network_access_policy,
            "publicNetworkAccess": resource.public_network_access,
            **(
                {"dataAccessAuthMode": resource.data_access_auth_mode}
                if resource.data_access_auth_mode != "None"
                else {}
            ),
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            **resource.properties,
        },
    }


def _size(resource: Resource) -> dict[str, int]:
    """Return the size; a disk that waits for its upload shows none (azure-cli, test_vm_disk_upload)."""
    if isinstance(resource, Disk) and resource.upload:
        return {}
    return {"diskSizeBytes": resource.size, "diskSizeGB": max(1, resource.size // _GIB)}


def _of_disk(disk: Disk) -> dict[str, Any]:
    creation: dict[str, Any] = {"createOption": disk.create_option}
    if disk.create_option == "Upload":
        creation["uploadSizeBytes"] = disk.size + FOOTER_BYTES
    if disk.sector_size != 512:  # noqa: PLR2004 - the usual, which the service leaves out
        creation["logicalSectorSize"] = disk.sector_size
    return {"creationData": creation}


def _of_snapshot(snapshot: Snapshot, api_version: str) -> dict[str, Any]:
    creation: dict[str, Any] = {
        "createOption": "Copy",
        "sourceResourceId": snapshot.source_id,
        "sourceUniqueId": snapshot.source_unique_id,
    }
    if snapshot.sector_size != 512:  # noqa: PLR2004 - the usual, which the service leaves out
        creation["logicalSectorSize"] = snapshot.sector_size
    properties: dict[str, Any] = {"creationData": creation, "incremental": snapshot.is_incremental}
    if snapshot.is_incremental:
        properties["incrementalSnapshotFamilyId"] = snapshot.family
        if snapshot.completion_percent is not None:
            properties["completionPercent"] = snapshot.completion_percent
    if api_version >= ACCESS_STATE_SINCE:
        properties["snapshotAccessState"] = access_state(snapshot)
    return properties


def _provisioning_state(resource: Resource) -> str:
    if not resource.provisioning.is_done:
        return "Updating"
    return "Failed" if resource.provisioning.failure else "Succeeded"
