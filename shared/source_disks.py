"""An entry of the setting SOURCE_DISKS: a disk, or a pattern that matches disks; or what to exclude of them."""

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, field_validator, model_validator
from pydantic_core import PydanticKnownError

from shared.model.addresses import AddressError, BlobAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.run import Mode

EXCLUDES = "!"
"""Before a URL: what it names is excluded."""


class SourceDisk(BaseModel):
    """A disk to back up, or with `*` in its blob name a pattern of disks; or what to exclude from other entries.

    Attributes:
        address: the blob, set as `url`; `*` in its name stands for any characters, including `/`.
        mode: how it is backed up.
        excluded: whether it is excluded, set as `exclude`, or by `!` before the URL.
        exclusions: what other entries exclude; not a setting of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[BlobAddress, PlainSerializer(str)] = Field(alias="url")
    mode: Mode = Mode.INCREMENTAL
    excluded: StrictBool = Field(default=False, alias="exclude")
    exclusions: tuple["SourceDisk", ...] = Field(default=(), exclude=True)

    @field_validator("exclusions", mode="plain")
    @classmethod
    def _is_no_setting(cls, _: object) -> None:
        raise ValueError('can\'t be set; give what to exclude an entry of its own, with "exclude": true')

    @model_validator(mode="after")
    def _has_no_mode_where_excluded(self) -> Self:
        if self.excluded and "mode" in self.model_fields_set:
            raise ValueError("can't have a mode, because it is excluded")
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
        """The entry as written in a plain list."""
        return f"{EXCLUDES if self.excluded else ''}{self.url}"

    def covers(self, disk: Disk) -> bool:
        """Tell whether a disk is the one it names, or one that the pattern matches, and is not excluded."""
        return self.names(disk) and not self.excludes(disk)

    def names(self, disk: Disk) -> bool:
        """Tell whether a disk is the one it names, or matches the pattern, whether or not it is excluded."""
        if not isinstance(disk, PageBlobDisk):
            return False
        return disk.address.parent == self.address.parent and self.matches(disk.address.blob)

    def excludes(self, disk: Disk) -> bool:
        """Tell whether another entry excludes a disk."""
        return any(exclusion.names(disk) for exclusion in self.exclusions)

    def matches(self, blob: str) -> bool:
        """Tell whether a blob's name matches the pattern."""
        return re.fullmatch(".*".join(map(re.escape, self.address.blob.split("*"))), blob, re.DOTALL) is not None


def without_exclusions(entries: tuple[SourceDisk, ...]) -> tuple[SourceDisk, ...]:
    """Give the disks to back up, each with what other entries exclude.

    A URL may exclude what no entry names: a restored disk, which is backed up wherever it is.

    Raises:
        ValueError: nothing is left to back up, what is excluded is named too, or a pattern excludes nothing.
    """
    exclusions = tuple(entry for entry in entries if entry.excluded)
    named = tuple(entry for entry in entries if not entry.excluded)
    if exclusions and not named:
        raise ValueError("must name at least one disk to back up, not only exclusions")
    for exclusion in exclusions:
        for entry in named:
            if not entry.is_pattern and exclusion.names(entry.disk):
                raise ValueError(f"{entry.url} is both named and excluded, by {exclusion.text}")
        if exclusion.is_pattern and not any(exclusion.address.parent == entry.address.parent for entry in named):
            raise ValueError(f"{exclusion.text} excludes nothing: no other entry names it")
    return tuple(entry.model_copy(update={"exclusions": exclusions}) for entry in named)
