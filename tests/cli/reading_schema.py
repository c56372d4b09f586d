"""What `--json` prints of the commands that read the backups themselves."""

from typing import Annotated, Literal

from pydantic import Field

from tests.cli.exact import Exact, Stamp, Url

SHA_256 = Field(pattern=r"^([0-9a-f]{64})?$")


class ExportJson(Exact):
    file: str
    format: Literal["vhd", "raw", "qcow2"]
    point: Stamp
    length: int
    valid: int
    downloaded: int
    sha256: Annotated[str, SHA_256]
    seconds: float


class PartJson(Exact):
    name: str
    start: int
    end: int
    filesystem: str
    written: int
    cleared: int
    ranges: int


class ChangesJson(Exact):
    newer: Url
    older: Url
    size: int
    older_size: int
    written: int
    cleared: int
    ranges: int
    scheme: Literal["MBR", "GPT", ""]
    doubts: list[str]
    parts: list[PartJson]
    usual: float | None
    unusual: bool


class PlaceJson(Exact):
    number: int
    start: int
    size: int
    filesystem: str
    readable: bool


class EntryJson(Exact):
    name: str
    kind: Literal["file", "folder", "link", "other"]
    size: int | None
    modified: Stamp
    target: str


class BrowseJson(Exact):
    disk: Url
    point: Stamp
    size: int
    scheme: Literal["MBR", "GPT", ""]
    doubts: list[str]
    partitions: list[PlaceJson]
    partition: int | None
    path: str
    kind: Literal["file", "folder", "link", "other", ""]
    in_use: bool
    entries: list[EntryJson]
    file: str
    sha256: Annotated[str, SHA_256]
