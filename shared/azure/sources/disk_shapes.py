"""Managed disks as Azure Resource Manager writes them (REST: Disks, Get and Create Or Update)."""

from collections.abc import Mapping
from typing import Any

from shared.limits import FOOTER
from shared.model.disk_profile import OWN_TAGS, DiskProfile, tags_of_owner
from shared.model.upload import FoundDisk

RESTORE_TAG = f"{OWN_TAGS}restore"
"""The tag of a disk that a restore has made: the restore and its attempt."""

UPLOAD_STATES = frozenset({"ReadyToUpload", "ActiveUpload"})
"""The states of a disk before the end of its upload (REST: Disks, DiskState)."""

_TRUSTED_LAUNCH = "TrustedLaunch"
_TIERED = "Premium_"
"""How the SKUs begin whose performance tier can be chosen (REST: Disks, DiskProperties, `tier`)."""

_OF_ANY_SECTOR = frozenset({"PremiumV2_LRS", "UltraSSD_LRS"})
"""The SKUs whose sectors have 4096 bytes unless they are asked for with 512, as those of a VHD must be."""


def is_private(properties: Mapping[str, Any]) -> bool:
    """Tell whether a snapshot is read by private endpoints only (REST: Snapshots, `networkAccessPolicy`).

    Then it does not matter whether it has public access.
    """
    return bool(properties.get("networkAccessPolicy") == "AllowPrivate")


def waits_for_upload(resource: Mapping[str, Any]) -> bool:
    """Tell whether a disk is being uploaded, so that there is nothing to back up yet."""
    return resource["properties"].get("diskState") in UPLOAD_STATES


def profile_of(resource: Mapping[str, Any]) -> DiskProfile:
    """Read what a disk is, beside its bytes."""
    properties: Mapping[str, Any] = resource["properties"]
    sku = str((resource.get("sku") or {}).get("name") or "")
    encryption: Mapping[str, Any] = properties.get("encryption") or {}
    encryption_set = str(encryption.get("diskEncryptionSetId") or "")
    security = str((properties.get("securityProfile") or {}).get("securityType") or "")
    return DiskProfile(
        location=str(resource.get("location") or ""),
        sku=sku,
        tier=str(properties.get("tier") or "") if sku.startswith(_TIERED) else "",
        zones=tuple(resource.get("zones") or ()),
        os_type=str(properties.get("osType") or ""),
        generation=str(properties.get("hyperVGeneration") or ""),
        security_type=security if security == _TRUSTED_LAUNCH else "",
        capabilities=dict(properties.get("supportedCapabilities") or {}),
        purchase_plan=dict(properties.get("purchasePlan") or {}),
        encryption_type=str(encryption.get("type") or "") if encryption_set else "",
        encryption_set=encryption_set,
        tags=tags_of_owner(resource.get("tags") or {}),
    )


def disk_to_upload(size: int, profile: DiskProfile, mark: str) -> dict[str, Any]:
    """Write a disk to be made for an upload.

    Args:
        size: bytes of what is uploaded, its footer included.
        profile: what it is made as.
        mark: says which attempt of which restore makes it.
    """
    creation = {"createOption": "Upload", "uploadSizeBytes": size}
    sectors = {"logicalSectorSize": FOOTER} if profile.sku in _OF_ANY_SECTOR else {}
    encryption = {"type": profile.encryption_type, "diskEncryptionSetId": profile.encryption_set}
    optional = {
        "osType": profile.os_type,
        "hyperVGeneration": profile.generation,
        "tier": profile.tier,
        "supportedCapabilities": dict(profile.capabilities),
        "purchasePlan": dict(profile.purchase_plan),
        "securityProfile": {"securityType": profile.security_type} if profile.security_type else {},
        "encryption": encryption if profile.encryption_set else {},
    }
    return {
        "location": profile.location,
        **({"sku": {"name": profile.sku}} if profile.sku else {}),
        **({"zones": list(profile.zones)} if profile.zones else {}),
        "tags": {**profile.tags, RESTORE_TAG: mark},
        "properties": {
            "creationData": creation | sectors,
            # Else the storage service would not let the upload in.
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            **{name: value for name, value in optional.items() if value},
        },
    }


def found_disk(resource: Mapping[str, Any]) -> FoundDisk:
    """Read of a disk what a restore must know of it."""
    properties: Mapping[str, Any] = resource["properties"]
    has_failed = properties.get("provisioningState") == "Failed"
    return FoundDisk(
        unique_id=str(properties.get("uniqueId") or "").lower(),
        mark=str((resource.get("tags") or {}).get(RESTORE_TAG) or ""),
        uploads=waits_for_upload(resource),
        problem="Azure could not make the disk" if has_failed else "",
    )
