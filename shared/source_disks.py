"""What the setting SOURCE_DISKS names: a disk, or a pattern of disks; and what it leaves out."""

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, field_validator, model_validator
from pydantic_core import PydanticKnownError

from shared.model.addresses import AddressError, BlobAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.run import Mode

EXCLUDES = "!"
"""Before a URL: what it names is left out."""


class SourceDisk(BaseModel):
    """A disk, or with `*` in its blob name the disks, to be backed up; or to be left out of what other entries name.

    Attributes:
        address: the blob, set as `url`; `*` in its name stands for any characters, including `/`.
        mode: how it is backed up.
        excluded: whether it is left out. It is set as `exclude`, or by `!` before the URL.
        exclusions: what other entries leave out of this one; no setting of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[BlobAddress, PlainSerializer(str)] = Field(alias="url")
    mode: Mode = Mode.INCREMENTAL
    excluded: StrictBool = Field(default=False, alias="exclude")
    exclusions: tuple["SourceDisk", ...] = Field(default=(), exclude=True)

    @field_validator("exclusions", mode="plain")
    @classmethod
    def _is_no_setting(cls, _: object) -> None:
        raise ValueError('can\'t be set; give what is left out an entry of its own, with "exclude": true')

    @model_validator(mode="after")
    def _has_no_mode_where_excluded(self) -> Self:
        if self.excluded and "mode" in self.model_fields_set:
            raise ValueError("should have no mode, since it is left out")
        return self

    @field_validator("address", mode="plain")
    @classmethod
    def _names_a_blob(cls, url: object) -> BlobAddress:
        if isinstance(url, BlobAddress):
            return url
        if not isinstance(url, str):
            raise PydanticKnownError("string_type")
        rest = url.partition("://")[2]
        if "*" in rest.partition("/")[0]:
            raise AddressError("may have * only in the blob's name, not in its account or container")
        if "://" in rest.partition("?")[0]:
            raise AddressError(
                "must be a single URL: separate several with spaces or commas; percent-encode :// in a blob's name"
            )
        return BlobAddress.parse(url)

    @property
    def url(self) -> str:
        """The blob's URL; for a pattern, with `*` in its name."""
        return self.address.url

    @property
    def is_pattern(self) -> bool:
        """Whether the URL stands for all blobs that match it."""
        return "*" in self.address.blob

    @property
    def disk(self) -> Disk:
        """The disk it names; for a pattern, the name it has on record."""
        return PageBlobDisk(self.address)

    @property
    def text(self) -> str:
        """The entry as it stands in a plain list."""
        return f"{EXCLUDES if self.excluded else ''}{self.url}"

    def covers(self, disk: Disk) -> bool:
        """Tell whether a disk is the one named, or one that the pattern stands for, unless it is left out."""
        return self.names(disk) and not self.excludes(disk)

    def names(self, disk: Disk) -> bool:
        """Tell whether a disk is the one named, or matches the pattern, be it left out or not."""
        if not isinstance(disk, PageBlobDisk):
            return False
        return disk.address.parent == self.address.parent and self.matches(disk.address.blob)

    def excludes(self, disk: Disk) -> bool:
        """Tell whether another entry leaves a disk out of this one."""
        return any(exclusion.names(disk) for exclusion in self.exclusions)

    def matches(self, blob: str) -> bool:
        """Tell whether a blob's name matches the pattern."""
        return re.fullmatch(".*".join(map(re.escape, self.address.blob.split("*"))), blob, re.DOTALL) is not None


def without_exclusions(entries: tuple[SourceDisk, ...]) -> tuple[SourceDisk, ...]:
    """Give the disks to back up, each with what other entries leave out of it.

    Raises:
        ValueError: what is left out is not part of what is named.
    """
    exclusions = tuple(entry for entry in entries if entry.excluded)
    named = tuple(entry for entry in entries if not entry.excluded)
    if exclusions and not named:
        raise ValueError("should name at least one disk to back up, not only what is left out")
    for exclusion in exclusions:
        for entry in named:
            if not entry.is_pattern and exclusion.names(entry.disk):
                raise ValueError(f"{entry.url} is both named and left out, by {exclusion.text}")
        if not any(_overlap(entry, exclusion) for entry in named):
            raise ValueError(f"{exclusion.text} leaves nothing out: no other entry names it")
    return tuple(
        entry.model_copy(update={"exclusions": tuple(found for found in exclusions if _overlap(entry, found))})
        for entry in named
    )


def _overlap(entry: SourceDisk, exclusion: SourceDisk) -> bool:
    """Tell whether an exclusion may leave out anything of an entry; of two patterns, it may within one container."""
    if exclusion.is_pattern:
        return exclusion.address.parent == entry.address.parent
    return entry.names(exclusion.disk)
