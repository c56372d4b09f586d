"""Reading the bodies of requests: what disks and snapshots have in common."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .arm_errors import ArmError, invalid
from .content import DiskContent
from .resource_ids import ResourceId
from .resources import Disk

# REST, Snapshots - Create Or Update: "a-z, A-Z, 0-9, _ and -. The maximum name length is 80 characters."
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
# Azure Resource Manager, "Use tags": 50 tags, names of 512 and values of 256 characters.
_MOST_TAGS, _LONGEST_TAG, _LONGEST_VALUE = 50, 512, 256
_NOT_IN_TAGS = frozenset("<>%&\\?/")
_KEPT_BY_THEMSELVES = frozenset(
    {"creationData", "incremental", "networkAccessPolicy", "publicNetworkAccess", "dataAccessAuthMode"}
)


def section(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object in a body; an empty one if it is not there.

    Raises:
        ArmError: it is something else.
    """
    found = body.get(name, {})
    if not isinstance(found, dict):
        raise invalid(name, f"{name} must be an object.")
    return found


def further_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of properties as it was given: "osType", "diskAccessId", "encryption", ..."""
    return {name: value for name, value in properties.items() if name not in _KEPT_BY_THEMSELVES}


def location_of(body: Mapping[str, Any]) -> str:
    """Return the region.

    Raises:
        ArmError: LocationRequired.
    """
    location = body.get("location")
    if not isinstance(location, str) or not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    return location


def tags_of(body: Mapping[str, Any], before: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the tags; those before if the body has none.

    Raises:
        ArmError: they are too many or too long, or have a character that none may have [guess: the codes].
    """
    if "tags" not in body:
        return dict(before or {})
    tags = section(body, "tags")
    if len(tags) > _MOST_TAGS:
        raise ArmError(400, "TooManyTags", f"There are {len(tags)} tags; {_MOST_TAGS} are allowed.")
    for name, value in tags.items():
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
            raise ArmError(400, "InvalidTagValue", f"The value of the tag {name!r} is longer than {_LONGEST_VALUE}.")
        if not 0 < len(name) <= _LONGEST_TAG or _NOT_IN_TAGS & set(name):
            raise ArmError(400, "InvalidTagNameCharacters", f"The tag {name!r} is too long or has one of <>%&\\?/.")
    return tags


def disk_of(
    at: ResourceId, body: Mapping[str, Any], content: DiskContent, *, size: int, path: str, created: datetime
) -> Disk:
    """Return the disk that a body asks for, as far as it does not depend on its create option.

    Args:
        at: its ID.
        body: the body.
        content: its content.
        size: its bytes, without a footer.
        path: the decoded path of the blob behind.
        created: the time, UTC.

    Raises:
        ArmError: a bad body.
    """
    properties = section(body, "properties")
    return Disk(
        id=at,
        location=location_of(body),
        size=size,
        content=content,
        path=path,
        created=created,
        sku=section(body, "sku").get("name", "Standard_LRS"),
        zones=tuple(body.get("zones", ())),
        tags=tags_of(body),
        network_access_policy=properties.get("networkAccessPolicy", "AllowAll"),
        public_network_access=properties.get("publicNetworkAccess", "Enabled"),
        data_access_auth_mode=properties.get("dataAccessAuthMode", "None"),
        properties=further_properties(properties),
    )


def check_name(new: ResourceId) -> None:
    """Require that a new resource may have its name.

    Raises:
        ArmError: it may not.
    """
    if not _NAME.fullmatch(new.name):
        raise invalid("name", f"A name is 1 to 80 letters, digits, hyphens and underscores, not {new.name!r}.")


def source_of(creation: Mapping[str, Any]) -> ResourceId:
    """Return the disk that a snapshot is to be made of.

    Raises:
        ArmError: it is made in another way, or of nothing.
    """
    if creation.get("createOption") != "Copy":
        raise invalid("creationData.createOption", "A snapshot is made by createOption Copy here.")
    try:
        return ResourceId.parse(str(creation.get("sourceResourceId", "")))
    except ValueError as error:
        raise invalid("creationData.sourceResourceId", str(error)) from error
