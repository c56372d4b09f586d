"""An entry of the setting SOURCE_DISKS: a disk, or a pattern that matches disks."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, field_validator
from pydantic_core import PydanticKnownError

from shared.model.addresses import AddressError, BlobAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.run import Mode


class SourceDisk(BaseModel):
    """A disk to back up, or with `*` in its blob name a pattern of disks.

    Attributes:
        address: the blob, set as `url`; `*` in its name stands for any characters, including `/`.
        mode: how it is backed up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[BlobAddress, PlainSerializer(str)] = Field(alias="url")
    mode: Mode = Mode.INCREMENTAL

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

    def covers(self, disk: Disk) -> bool:
        """Tell whether a disk is the one it names, or one that the pattern matches."""
        if not isinstance(disk, PageBlobDisk):
            return False
        return disk.address.parent == self.address.parent and self.matches(disk.address.blob)

    def matches(self, blob: str) -> bool:
        """Tell whether a blob's name matches the pattern."""
        return re.fullmatch(".*".join(map(re.escape, self.address.blob.split("*"))), blob, re.DOTALL) is not None
