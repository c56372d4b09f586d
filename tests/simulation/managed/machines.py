"""The managed disks of a history, and what befalls them: guests, other tools, people and Azure; its seed says what."""

import contextlib
import random
import re
from collections import Counter
from collections.abc import Callable, MutableMapping
from datetime import timedelta

from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId, GroupId
from tests.simulation.blobs import Page
from tests.simulation.managed import uploads
from tests.simulation.managed.resources import Refused, Taken, footer_of, prefix_of
from tests.simulation.small import DIFF_BOUNDARY
from tests.simulation.world import OWN, World

SIZES = (7, 16, 20, 29)
"""Pages of a disk."""

_SHARE = 0.25
"""In which part of the histories there are managed disks; in half of these there is no other at first."""

_ANOTHERS = f"{OWN.url}-2"
"""The backup container of another app."""

_GROUP = "0b1f6471-1bf0-4dda-aec3-cb9272f09590", "machines"

LAB_GROUP = GroupId(_GROUP[0], "lab")
"""A resource group where nothing is backed up, and restores may go."""

NEW_IDS = (
    DiskId(*_GROUP, "back"),
    DiskId(_GROUP[0], LAB_GROUP.group, "back"),
    DiskId(_GROUP[0], LAB_GROUP.group, "copy"),
)
"""The IDs that people name to restore to."""

LAST_ID = DiskId(*_GROUP, "last")
"""An ID that nobody but the last of them names."""

ELSEWHERE = DiskId(_GROUP[0], "elsewhere", "back")
"""An ID in a resource group where no restore may go."""

_MODES = ("incremental", "incremental", "incremental", "full")


class Machines:
    """The managed disks of a history; most have none.

    Attributes:
        disks: those that are there at first.
        zeal: how likely it is that something befalls one of them.
        did: how often each thing did.
    """

    def __init__(self, world: World, rng: random.Random, modes: MutableMapping[str, str]) -> None:
        self._world, self._rng = world, rng
        self.disks: list[ManagedDisk] = []
        self.zeal = 0.0
        self.did: Counter[str] = Counter()
        self._befalls: list[Callable[[ManagedDisk], None]] = []
        if rng.random() < _SHARE:
            self._begin(modes)

    def befall(self) -> None:
        """Have something befall one of the disks; what is refused is not done."""
        disks = self._world.compute.usable
        hand = self._rng.choice(self._befalls)
        with contextlib.suppress(Refused):
            hand(self._rng.choice(disks or self.disks))
            self.did["hand: managed " + hand.__name__.strip("_").replace("_", " ")] += 1

    def calm_down(self) -> None:
        """Have the tools end their access, and delete their snapshots; what another app took stays."""
        for taken in self._of_tools():
            self._world.compute.revoke(taken.resource)
            self._world.compute.delete_snapshot(taken.resource)

    def _begin(self, modes: MutableMapping[str, str]) -> None:
        rng, compute = self._rng, self._world.compute
        compute.boundary, compute.most_snapshots, compute.most_accesses = DIFF_BOUNDARY, 8, 3
        compute.shows_footer, compute.gives_again = rng.random() < 0.5, rng.random() < 0.5
        compute.merges_for = timedelta(seconds=rng.choice((0, 0, 0.1, 5)))
        processes = rng.choice(((0,), (0, 0, 0, 1)))
        self._world.process = lambda: rng.choice(processes) if rng.random() < 0.9 else rng.getrandbits(64)
        compute.second_upload = rng.choice(("same", "new", "refused"))
        compute.checks_uploads, compute.rewrites_footers = rng.random() < 0.7, rng.random() < 0.3
        if rng.random() < 0.5:
            self._world.blobs.clear()
            modes.clear()
        for blob in self._world.blobs.values() if rng.random() < 0.5 else ():
            blob.set(len(blob.pages) - 1, [footer_of(len(blob.pages) - 1)])
        ids = [DiskId(*_GROUP, name) for name in ("os", "data")[: rng.choice((1, 1, 2))]]
        for at in ids:
            self.disks.append(compute.make(at, self._pages(), tracked=rng.random() < 0.5))
        for at in ids if rng.random() < 0.5 else []:
            modes[at.url] = rng.choice(_MODES)
        if not any(at.url in modes for at in ids):
            modes[f"{ids[0].parent.compute}/disks/*"] = rng.choice(_MODES)
        befalls = (
            self._disk_grows,
            self._disk_is_deleted,
            self._disk_is_made_anew,
            self._tool_takes_a_snapshot,
            self._tool_takes_access,
            self._tool_deletes_a_snapshot,
            self._another_app_takes_a_snapshot,
            self._source_snapshot_is_deleted,
            self._access_is_ended,
            self._family_begins_anew,
            self._disk_is_made_elsewhere,
            self._upload_is_ended,
            self._upload_is_deleted,
        )
        share = rng.choice((0, 0.3, 0.6))
        self._befalls = [hand for hand in befalls if rng.random() < share]
        self.zeal = 0.5 * bool(self._befalls)

    def _pages(self) -> list[Page]:
        return [self._rng.choice((None, None, 1)) for _ in range(self._rng.choice(SIZES))]

    def _disk_grows(self, disk: ManagedDisk) -> None:
        self._world.compute.resize(disk, self._rng.choice(SIZES))
        self._world.meddle(disk)

    def _disk_is_deleted(self, disk: ManagedDisk) -> None:
        """Delete a disk, seldom the last one."""
        if len(self._world.compute.disks) > 1 or self._rng.random() < 0.2:
            self._world.compute.delete(disk)
            self._world.deleted[disk] = self._world.now
            self._world.meddle(disk)

    def _disk_is_made_anew(self, disk: ManagedDisk) -> None:
        """Make a disk under the ID of one that is there, or was: seldom, as a new one has no backups yet."""
        if disk.id in self._world.compute.disks and self._rng.random() < 0.7:
            return
        self._world.deleted.setdefault(disk, self._world.now)
        self._world.meddle(disk)
        self._world.compute.make(disk.id, self._pages())

    def _tool_takes_a_snapshot(self, disk: ManagedDisk) -> None:
        self._take(disk, f"tool-{self._world.number()}", {})

    def _another_app_takes_a_snapshot(self, disk: ManagedDisk) -> None:
        """Have another app take one, which names it by the same rule and keeps it."""
        if any(taken.disk == disk and taken.backups == _ANOTHERS for taken in self._world.compute.snapshots.values()):
            return
        time = re.sub("[-:.]", "", self._world.time())
        self._take(disk, f"{prefix_of(disk)}{time}", {"tidemark-backup": _ANOTHERS})

    def _tool_takes_access(self, disk: ManagedDisk) -> None:
        """Have a tool read snapshots of its own."""
        for taken in self._of_tools():
            if taken.disk == disk:
                self._world.compute.grant(taken.resource, 3600)

    def _tool_deletes_a_snapshot(self, disk: ManagedDisk) -> None:
        for taken in [taken for taken in self._of_tools() if taken.disk == disk][:1]:
            self._world.compute.revoke(taken.resource)
            self._world.compute.delete_snapshot(taken.resource)

    def _source_snapshot_is_deleted(self, disk: ManagedDisk) -> None:
        """Delete the base of the next run, or what a run copies from, as nobody should."""
        own = list(self._world.compute.times_of(disk, OWN.url).values())
        if own:
            taken = self._rng.choice(own)
            self._world.compute.revoke(taken.resource)
            self._world.compute.delete_snapshot(taken.resource)
            self._world.meddle(disk)

    def _access_is_ended(self, disk: ManagedDisk) -> None:
        """End access that the app has."""
        for taken in self._world.compute.times_of(disk, OWN.url).values():
            self._world.compute.revoke(taken.resource)

    def _family_begins_anew(self, disk: ManagedDisk) -> None:
        self._world.compute.of(disk).family = self._world.compute.new_id()
        self._world.meddle(disk)

    def _disk_is_made_elsewhere(self, _: ManagedDisk) -> None:
        """Make a disk where a restore may be about to make one."""
        at = self._rng.choice(NEW_IDS)
        if at not in self._world.compute.disks:
            self._world.meddle(self._world.compute.make(at, self._pages()))

    def _upload_is_ended(self, _: ManagedDisk) -> None:
        """End the access to a disk that the app uploads into."""
        for made in [made for made in self._world.compute.disks.values() if made.upload]:
            self._world.meddle(made.disk)
            uploads.end(self._world.compute, made.disk.id)

    def _upload_is_deleted(self, _: ManagedDisk) -> None:
        """Delete a disk that the app uploads into."""
        for made in [made for made in self._world.compute.disks.values() if made.upload]:
            self._world.meddle(made.disk)
            self._world.compute.delete(made.disk)

    def _take(self, disk: ManagedDisk, name: str, tags: dict[str, str]) -> None:
        self._world.compute.snapshot(f"{disk.id.parent.compute}/snapshots/{name}", disk.id, tags)

    def _of_tools(self) -> list[Taken]:
        return [taken for taken in self._world.compute.snapshots.values() if not taken.backups]
