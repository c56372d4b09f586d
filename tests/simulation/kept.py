"""What a world keeps: messages, what is due at a tick, and the rows of the report."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from shared.model.disk import Disk
from shared.settings import Settings


@dataclass
class QueueMessage:
    """A message on a queue; it is gone from the list while it is delivered.

    Attributes:
        queue: the queue's name.
        body: its body.
        visible_at: when it can be delivered, UTC.
        id: its id.
        deliveries: how often it has been.
        is_duplicate: whether another delivery of it goes on, or has ended: what comes of this one is of no account.
    """

    queue: str
    body: bytes
    visible_at: datetime
    id: str
    deliveries: int = 0
    is_duplicate: bool = False


class Due(NamedTuple):
    """What is to be backed up at a tick.

    Attributes:
        disks: the disks; one that was backed up before may be gone.
        settings: the settings; each entry of SOURCE_DISKS should find a disk.
        absent: disks with backups that the settings neither name nor exclude by their URL, or that are gone.
        retired: disks of which the backups have been ended.
    """

    disks: frozenset[Disk]
    settings: Settings
    absent: frozenset[Disk]
    retired: frozenset[Disk]


class StatusTable(dict[str, dict[str, Any]]):
    """The rows of the report by their keys: each write gives a row an ETag that none has had.

    Attributes:
        etags: the ETag of each row.
    """

    def __init__(self) -> None:
        super().__init__()
        self.etags: dict[str, str] = {}
        self._written = 0

    def __setitem__(self, key: str, values: dict[str, Any]) -> None:
        self._written += 1
        self.etags[key] = f"status {self._written}"
        super().__setitem__(key, values)
