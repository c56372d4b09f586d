"""A managed disk as the target of a restore: where it may be, what it is made as, and of what. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.errors import without_secrets
from shared.limits import FOOTER, MANAGED_DISK_BYTES, MANAGED_DISK_STEP, UPLOAD_BYTES
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import GroupId
from shared.model.disk_profile import MOST_TAGS, DiskProfile, tags_of_owner

_CUSTOMER_KEY = "EncryptionAtRestWithCustomerKey"
_ZONE_REDUNDANT = "_ZRS"
"""How the SKUs end of disks that are in all zones, so in none of them (Deploy managed disks that use ZRS)."""

_MOST_ASKED = 2000
"""Characters of what a request says, so that with the rest that a disk is no tag has to be left out."""

_AS_A_PAGE_BLOB = "What to do: restore it as a page blob"

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _not_too_many(tags: Mapping[str, str]) -> Mapping[str, str]:
    if len(tags) > MOST_TAGS:
        raise ValueError(f"must not have more than {MOST_TAGS} tags: one more says which restore has made the disk")
    return tags


class ManagedDiskRequest(BaseModel):
    """What a managed disk is made as, where it is not to be as it was when it was backed up.

    Attributes:
        location: its region.
        sku: its SKU, such as `Premium_LRS`.
        zone: its availability zone.
        os_type: the operating system on it.
        generation: the generation of the machines that it starts.
        encryption_set: the resource ID of a disk encryption set.
        tags: its tags, in place of all that it had.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: Word | None = None
    sku: Word | None = None
    zone: Word | None = None
    os_type: Literal["Linux", "Windows"] | None = Field(default=None, alias="osType")
    generation: Literal["V1", "V2"] | None = Field(default=None, alias="hyperVGeneration")
    encryption_set: Word | None = Field(default=None, alias="diskEncryptionSet")
    tags: Annotated[Mapping[str, str], AfterValidator(_not_too_many)] | None = None

    @model_validator(mode="after")
    def _has_no_secret(self) -> Self:
        texts = [self.location, self.sku, self.zone, self.encryption_set, *(self.tags or {}).values()]
        if any(without_secrets(text) != text for text in texts if text):
            raise ValueError("must not contain a secret")
        return self

    @model_validator(mode="after")
    def _fits_in_a_row(self) -> Self:
        if len(self.model_dump_json()) > _MOST_ASKED:
            raise ValueError(f"must not have more than {_MOST_ASKED} characters: give the disk the other tags later")
        return self


def profile_to_make(recorded: str, asked_as: str) -> DiskProfile:
    """Say what a managed disk is made as: as it was when it was backed up, but for what the request says.

    A zone, a tier and an encryption set belong to a region and a SKU: where these change, they are not kept.

    Args:
        recorded: what is on record of the disk with the recovery point; empty for nothing.
        asked_as: the request's `managedDisk`, as JSON; empty for nothing.
    """
    was = DiskProfile.read(recorded) or DiskProfile()
    asked = ManagedDiskRequest.model_validate_json(asked_as or "{}")
    moves = asked.location is not None and _region(asked.location) != _region(was.location)
    if moves:
        was = replace(was, zones=(), encryption_set="", encryption_type="")
    if asked.sku is not None and asked.sku != was.sku:
        was = replace(was, tier="", zones=() if asked.sku.endswith(_ZONE_REDUNDANT) else was.zones)
    own_set = asked.encryption_set or was.encryption_set
    tags = was.tags if asked.tags is None else asked.tags
    return replace(
        was,
        location=asked.location or was.location,
        sku=asked.sku or was.sku,
        zones=was.zones if asked.zone is None else (asked.zone,),
        os_type=asked.os_type or was.os_type,
        generation=asked.generation or was.generation,
        encryption_set=own_set,
        encryption_type=(was.encryption_type or _CUSTOMER_KEY) if own_set else "",
        tags=tags_of_owner(tags),
    )


def profile_problem(profile: DiskProfile) -> str:
    """Say what is missing to make a disk, and what to do; empty if nothing is."""
    if profile.location:
        return ""
    return (
        "in which region the managed disk is to be is not on record with the recovery point. What to do: say it:"
        ' "managedDisk": {"location": "REGION"}, and for an operating system\'s disk "osType" and "hyperVGeneration"'
    )


def size_problem(size: int) -> str:
    """Say why no managed disk can be made of so many bytes, footer included, and what to do; empty if one can be."""
    if (size - FOOTER) % MANAGED_DISK_STEP:
        return (
            f"it has {size} bytes, and a managed disk is made of whole MiB and a footer of {FOOTER} bytes."
            f" {_AS_A_PAGE_BLOB}, and make a fixed VHD of it"
        )
    if size < UPLOAD_BYTES:
        return f"it has {size} bytes, and the smallest managed disk is made of {UPLOAD_BYTES}. {_AS_A_PAGE_BLOB}"
    if size - FOOTER > MANAGED_DISK_BYTES:
        return f"it has {size} bytes, and the largest managed disk has 8,191 GiB here. {_AS_A_PAGE_BLOB}"
    return ""


def not_a_vhd(why: str) -> str:
    """Say that a recovery point is no VHD, why, and what to do."""
    return f"it is no fixed VHD, of which a managed disk is made: {why}. {_AS_A_PAGE_BLOB}, and make one of it"


def place_problem(target: ManagedDisk, groups: Sequence[GroupId]) -> str:
    """Say that a managed disk is not where restores may make one, and what to do; empty if it is.

    Args:
        target: the disk to be made.
        groups: the resource groups that managed disks may be restored to.
    """
    if target.id.parent in groups:
        return ""
    named = ", ".join(group.url for group in groups) or "they name none"
    return (
        f"{target.shown} is not in a resource group that SOURCE_DISKS or RESTORE_GROUPS names ({named}). What to do:"
        " choose a target that is, or add its resource group to RESTORE_GROUPS"
    )


def exists_problem(target: ManagedDisk) -> str:
    """Say that there is a disk of the name already, and what to do."""
    return (
        f"{target.id} already exists, and a restore never writes over a managed disk. What to do: choose a name that is"
        " free; machines can be given the new disk in place of the old one"
    )


def _region(name: str) -> str:
    """Return a region's name in one spelling: Azure takes `West Europe` too."""
    return name.replace(" ", "").lower()
