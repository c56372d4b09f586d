"""What restoring a recovery point would do, and how to ask for it: by a message, `tidemark` or `az`. Pure functions."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.names import RESTORE_REQUESTS_QUEUE
from shared.model.point import PointState, RecoveryPoint
from shared.model.words import NONE, amount

NO_ACCOUNT = "APPSTORAGE"
"""Where the name of the app's own storage account is not known, as in the documentation."""

_MOST_NAME = 50
"""Characters of a managed disk's name that a new one's begins with: a name has 80 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to restore a recovery point.

    Attributes:
        title: what it restores to.
        target: the disk that it writes, or as much of its name as is known.
        does: what it does, in sentences.
        message: the message that asks for it, on the queue `restore-requests`.
        tidemark, az: the commands that do, quoted for a shell.
    """

    title: str
    target: str
    does: Sequence[str]
    message: str
    tidemark: str
    az: str


def ways(disk: Disk, point: RecoveryPoint, account: str) -> list[Way]:
    """Say how a recovery point can be restored; one that is being deleted can't be.

    Args:
        disk: the disk that was backed up.
        point: the recovery point.
        account: the app's own storage account; empty if it is not known.
    """
    if point.state is PointState.DELETING:
        return []
    asked = [_to_a_new_disk(disk, point), *_in_place(disk, point)]
    return [_way(one, disk, point, account or NO_ACCOUNT) for one in asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a way asks for, beside the disk and the recovery point."""

    title: str
    target: str
    does: Sequence[str]
    fields: Mapping[str, str]
    options: Sequence[str]


def _to_a_new_disk(disk: Disk, point: RecoveryPoint) -> _Asked:
    target, fields, options = _new(disk, point)
    return _Asked(
        title="To a new disk",
        target=target,
        does=[
            f"Makes a new disk of {amount(point.size)} beside this one, and writes {amount(point.size)} to it at most.",
            "This disk is not touched. There must be no disk of the new one's name yet.",
            "It is compared with the recovery point before it may be used, and is backed up from then on.",
            "The app must be allowed to write there.",
        ],
        fields=fields,
        options=options,
    )


def _in_place(disk: Disk, point: RecoveryPoint) -> list[_Asked]:
    if not isinstance(disk, PageBlobDisk):
        return []  # a managed disk is never written over
    name = disk.address.blob.rpartition("/")[2]
    return [
        _Asked(
            title="In place",
            target=disk.name,
            does=[
                f"Writes over all {amount(point.size)} of this disk: what is on it now is replaced.",
                "A recovery point of it is taken first, the way back. A disk that is attached is refused.",
                "It is compared with the recovery point before it may be used, and its backups go on from there.",
            ],
            fields={"target": disk.name, "overwrite": name},
            options=["--in-place"],
        )
    ]


def _way(asked: _Asked, disk: Disk, point: RecoveryPoint, account: str) -> Way:
    is_damaged = point.state is PointState.DAMAGED
    allowed = {"allowDamaged": True} if is_damaged else {}
    message = json.dumps({"disk": disk.name, "point": point.time, **asked.fields, **allowed})
    typed = ["tidemark", "restore", disk.name, "--at", point.time, *asked.options]
    warned = ["It is damaged: what is restored is not what the disk was."] if is_damaged else []
    return Way(
        title=asked.title,
        target=asked.target,
        does=[*warned, *asked.does],
        message=message,
        tidemark=shlex.join([*typed, *(["--allow-damaged"] if is_damaged else []), "--wait"]),
        az=(
            f"az storage message put --account-name {account} --auth-mode login"
            f" --queue-name {RESTORE_REQUESTS_QUEUE} --content {shlex.quote(message)}"
        ),
    )


def _new(disk: Disk, point: RecoveryPoint) -> tuple[str, Mapping[str, str], Sequence[str]]:
    """Name the new disk: a page blob gets its name from the app, that of a managed disk has to be said."""
    if isinstance(disk, ManagedDisk):
        moment = re.sub(r"[-:]", "", point.time.partition(".")[0]).lower()
        name = f"{disk.id.name[:_MOST_NAME]}-restored-{moment}z"
        target = f"{disk.id.parent.compute}/disks/{name}"
        return target, {"target": target}, ["--to", name]
    restored = disk.restored(point.time)
    return (restored.name if restored else NONE), {}, []
