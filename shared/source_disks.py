"""An entry of the setting SOURCE_DISKS: a disk or a pattern of disks, to back up or to exclude."""

import re
from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, field_validator, model_validator
from pydantic_core import PydanticKnownError

from shared.model.addresses import AddressError, BlobAddress
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.disk_ids import PREFIX, DiskId
from shared.model.retention_rules import Rules
from shared.model.run import Mode

EXCLUDES = "!"
"""Prefix of a URL to exclude."""


class SourceDisk(BaseModel):
    """A disk, or a pattern of disks with `*` in the blob name, to back up or to exclude.

    Attributes:
        address: the blob, set as `url`; `*` in its name stands for any characters, including `/`. Or the resource ID of
            a managed disk, whose name may have `*` as well.
        tags: of managed disks, only those that have all these tags.
        mode: how it is backed up.
        retention: its own rules instead of RETENTION; None if it has none.
        excluded: whether it is excluded, set as `exclude`, or by `!` before the URL.
        exclusions: the entries that exclude disks; not settable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[BlobAddress | DiskId, PlainSerializer(str)] = Field(alias="url")
    tags: Annotated[tuple[tuple[str, str], ...], PlainSerializer(dict)] = ()
    mode: Mode = Mode.INCREMENTAL
    retention: Annotated[Rules | None, PlainSerializer(str)] = None
    excluded: StrictBool = Field(default=False, alias="exclude")
    exclusions: tuple["SourceDisk", ...] = Field(default=(), exclude=True)

    @field_validator("exclusions", mode="plain")
    @classmethod
    def _refuse_exclusions(cls, _: object) -> None:
        raise ValueError('can\'t be set; to exclude disks, add a separate entry with "exclude": true')

    @field_validator("retention", mode="plain")
    @classmethod
    def _parse_rules(cls, rules: object) -> Rules:
        if isinstance(rules, Rules):
            return rules
        if not isinstance(rules, str):
            raise PydanticKnownError("string_type")
        if not rules.strip():
            raise ValueError("must not be empty; leave it out for the rules of RETENTION")
        return Rules.parse(rules)

    @model_validator(mode="after")
    def _refuse_more_of_exclusion(self) -> Self:
        for name in ("mode", "retention", "tags"):
            if self.excluded and name in self.model_fields_set:
                raise ValueError(f"can't have a {name}, because it is excluded")
        return self

    @field_validator("tags", mode="plain")
    @classmethod
    def _parse_tags(cls, tags: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(tags, Mapping) or not all(isinstance(text, str) for pair in tags.items() for text in pair):
            raise ValueError('must be an object of texts, such as {"backup": "daily"}')
        return tuple(sorted(tags.items()))

    @model_validator(mode="after")
    def _refuse_tags_of_blobs(self) -> Self:
        if self.tags and isinstance(self.address, BlobAddress):
            raise ValueError("can't have tags: only managed disks have some")
        return self

    @field_validator("address", mode="plain")
    @classmethod
    def _parse_url(cls, url: object) -> BlobAddress | DiskId:
        if isinstance(url, BlobAddress | DiskId):
            return url
        if not isinstance(url, str):
            raise PydanticKnownError("string_type")
        if url.strip().startswith(PREFIX):
            return DiskId.parse(url)
        rest = url.partition("://")[2]
        if "*" in rest.partition("/")[0]:
            raise AddressError("may have * only in the blob's name, not in the account or container")
        if "://" in rest.partition("?")[0]:
            raise AddressError(
                "must be a single URL: separate several with spaces or commas; percent-encode :// in a blob's name"
            )
        return BlobAddress.parse(url)

    @property
    def url(self) -> str:
        """The blob's URL, or the resource ID of a managed disk; for a pattern, with `*` in its name."""
        return self.address.url

    @property
    def described(self) -> str:
        """The entry for people: its URL, and the tags that it asks for."""
        tags = ", ".join(f"{name}={value}" for name, value in self.tags)
        return f"{self.url} with the tags {tags}" if tags else self.url

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for all disks that match it, which must be found: a resource ID may be that of many."""
        return self.has_wildcard or isinstance(self.address, DiskId)

    @property
    def disk(self) -> Disk:
        """The disk it names; for a pattern, the disk whose record holds its errors."""
        return ManagedDisk(self.address) if isinstance(self.address, DiskId) else PageBlobDisk(self.address)

    @property
    def text(self) -> str:
        """The entry as written in a plain list."""
        return f"{EXCLUDES if self.excluded else ''}{self.url}"

    def has_tags(self, tags: Mapping[str, str]) -> bool:
        """Return whether a managed disk's tags include the entry's; their names have no case, their values have."""
        held = {name.casefold(): value for name, value in tags.items()}
        return all(held.get(name.casefold()) == value for name, value in self.tags)

    def covers(self, disk: Disk) -> bool:
        """Return whether the entry names or matches a disk that no entry excludes."""
        return self.names(disk) and not self.excludes(disk)

    def names(self, disk: Disk) -> bool:
        """Return whether the entry names or matches a disk, excluded or not."""
        if isinstance(disk, PageBlobDisk) and isinstance(self.address, BlobAddress):
            return disk.address.parent == self.address.parent and self.matches(disk.address.blob)
        if isinstance(disk, ManagedDisk) and isinstance(self.address, DiskId):
            return disk.id.parent == self.address.parent and self.matches(disk.id.name)
        return False

    def excludes(self, disk: Disk) -> bool:
        """Return whether another entry excludes a disk."""
        return any(exclusion.names(disk) for exclusion in self.exclusions)

    def excludes_by_url(self, disk: Disk) -> bool:
        """Return whether another entry excludes a disk by its own URL."""
        return any(exclusion.names(disk) and not exclusion.has_wildcard for exclusion in self.exclusions)

    def matches(self, name: str) -> bool:
        """Return whether the name of a blob or a managed disk matches the pattern."""
        return re.fullmatch(".*".join(map(re.escape, self._name.split("*"))), name, re.DOTALL) is not None

    def may_name_as(self, other: "SourceDisk") -> bool:
        """Return whether there may be a disk that both entries name or match."""
        return self.address.parent == other.address.parent and _overlap(_name(self.address), _name(other.address))

    @property
    def has_wildcard(self) -> bool:
        """Whether there is a `*` in the name."""
        return "*" in self._name

    @property
    def _name(self) -> str:
        return _name(self.address)


def without_exclusions(entries: tuple[SourceDisk, ...]) -> tuple[SourceDisk, ...]:
    """Return the entries to back up, each with the exclusions.

    A plain URL may exclude a disk that no entry names: a restored disk is backed up even if no entry names it.

    Raises:
        ValueError: nothing is left to back up, a disk is both named and excluded, a pattern excludes nothing, or tags
            would have to tell a disk's mode or retention.
    """
    exclusions = tuple(entry for entry in entries if entry.excluded)
    named = tuple(entry for entry in entries if not entry.excluded)
    if exclusions and not named:
        raise ValueError("must name at least one disk to back up, not only exclusions")
    for exclusion in exclusions:
        for entry in named:
            if not entry.has_wildcard and exclusion.names(entry.disk):
                raise ValueError(f"{entry.url} is both named and excluded, by {exclusion.text}")
        if exclusion.has_wildcard and not any(exclusion.address.parent == entry.address.parent for entry in named):
            where = "resource group" if isinstance(exclusion.address, DiskId) else "container"
            raise ValueError(f"{exclusion.text} excludes nothing: no other entry is in that {where}")
    _require_one_meaning(named)
    return tuple(entry.model_copy(update={"exclusions": exclusions}) for entry in named)


def _require_one_meaning(entries: tuple[SourceDisk, ...]) -> None:
    """Require that a disk's name alone tells its mode and retention: the disk may have lost its tags, or be gone.

    Raises:
        ValueError: an entry with tags comes before another one that may be of the same disks and is not like it.
    """
    for first, other in combinations(sorted(entries, key=lambda entry: entry.has_wildcard), 2):
        is_alike = (first.mode, first.retention) == (other.mode, other.retention)
        if first.tags and not is_alike and first.may_name_as(other):
            raise ValueError(
                f"{other.url} may be of the same disks as {first.url} with its tags, and has another mode or retention."
                " A disk's name must tell these, not its tags: set the same for both"
            )


def _name(address: BlobAddress | DiskId) -> str:
    return address.name if isinstance(address, DiskId) else address.blob


@cache
def _overlap(one: str, other: str) -> bool:
    """Return whether a name can match both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])
