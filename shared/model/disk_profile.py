"""What a managed disk is beside its bytes: recorded with each recovery point, and what a restored disk is made as.

Pure values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Self

from pydantic import TypeAdapter, ValidationError

from shared.errors import without_secrets
from shared.limits import MAX_PROFILE, MAX_TAGS

MOST_TAGS = MAX_TAGS - 1
"""Tags that a disk has beside the one that says which restore has made it."""

OWN_TAGS = "tidemark-"
"""How the names of Tidemark's own tags begin; a disk's profile has none of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProfile:
    """What a managed disk is made as (REST: Disks, Create Or Update); what is empty is left to Azure.

    Attributes:
        location: its region.
        sku: its SKU, such as `Premium_LRS`.
        tier: its performance tier, such as `P30`.
        zones: its availability zones.
        os_type: `Linux` or `Windows`, for the disk of an operating system.
        generation: `V1` or `V2`: the generation of the machines that it starts.
        security_type: `TrustedLaunch` or nothing.
        capabilities: `supportedCapabilities`: architecture, disk controllers, accelerated networking.
        purchase_plan: the plan of the marketplace image that it was made from.
        encryption_type: how it is encrypted, with an encryption set.
        encryption_set: the resource ID of its encryption set.
        tags: its tags, without Tidemark's own.
    """

    location: str = ""
    sku: str = ""
    tier: str = ""
    zones: tuple[str, ...] = ()
    os_type: str = ""
    generation: str = ""
    security_type: str = ""
    capabilities: Mapping[str, str | bool] = field(default_factory=dict)
    purchase_plan: Mapping[str, str] = field(default_factory=dict)
    encryption_type: str = ""
    encryption_set: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what `text` wrote; None for an empty text, or one that somebody has edited."""
        try:
            return _adapter(cls).validate_json(text) if text else None
        except ValidationError:
            return None

    @property
    def text(self) -> str:
        """Write it as ASCII, for rows, metadata and tags; of too many tags the last are left out."""
        kept = dict(self.tags)
        while len(text := _written(replace(self, tags=kept))) > MAX_PROFILE and kept:
            kept.popitem()
        return text


def tags_of_owner(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags without Tidemark's own, and without those that hold a secret, which must not go on record.

    The last one is left out where there would be no room for the tag of a restore.
    """
    kept = {name: value for name, value in tags.items() if not name.lower().startswith(OWN_TAGS)}
    told = {name: value for name, value in kept.items() if without_secrets(value) == value}
    return dict(islice(told.items(), MOST_TAGS))


def _written(profile: DiskProfile) -> str:
    values = _adapter(type(profile)).dump_python(profile, mode="json")
    return json.dumps({name: value for name, value in values.items() if value}, separators=(",", ":"))


def _adapter[P: DiskProfile](kind: type[P]) -> TypeAdapter[P]:
    return TypeAdapter(kind)
