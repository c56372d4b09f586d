"""Admins who change which disks are backed up: by mistake, on purpose, and back again; and who retire disks."""

import json
import random
from collections.abc import MutableMapping

from pydantic import ValidationError

from shared.model.disk import Disk, ManagedDisk, page_blob
from shared.model.names import MANAGE_QUEUE
from tests.simulation.named import is_of_one_disk
from tests.simulation.services import EXCLUDE, settings_of, source_disks
from tests.simulation.world import DISKS, World


class Admins:
    """Those who change the settings of a history."""

    def __init__(self, world: World, rng: random.Random, entries: MutableMapping[str, str]) -> None:
        self._world, self._rng, self._entries = world, rng, entries
        self._dropped: dict[str, str] = {}

    def change_settings(self) -> None:
        """Drop an entry of SOURCE_DISKS or bring one back, exclude a disk or have that end, if the app starts then."""
        before = dict(self._entries), dict(self._dropped)
        self._rng.choice((self._drop, self._drop, self._bring_back, self._bring_back, self._exclude, self._include))()
        try:
            settings_of(source_disks(self._entries))
        except ValidationError:  # such as a pattern that excludes nothing
            self._entries.clear()
            self._entries.update(before[0])
            self._dropped = before[1]

    def retire(self) -> None:
        """Ask for the end of a disk's backups."""
        disk = self._disk()
        if disk:
            intent = {"do": "retire", "disk": disk.name, "keepPoints": self._rng.random() < 0.5}
            body = json.dumps(intent).encode()
            self._world.intended[self._world.enqueue(MANAGE_QUEUE, body)] = body

    def _drop(self) -> None:
        named = [url for url, mode in self._entries.items() if mode != EXCLUDE]
        if len(named) > 1:
            url = self._rng.choice(named)
            self._dropped[url] = self._entries.pop(url)

    def _bring_back(self) -> None:
        free = [url for url in self._dropped if not self._is_excluded(url)]
        if free:
            url = self._rng.choice(free)
            self._entries[url] = self._dropped.pop(url)

    def _exclude(self) -> None:
        """Exclude a disk by its URL or by a pattern, if nothing names it by its own URL: that would be a mistake."""
        disk = self._disk()
        if disk and _url_of(disk) not in self._entries:
            pattern = _pattern_of(disk)
            others = [url for url in self._entries if "*" not in url and url.startswith(pattern[:-1])]
            is_by_pattern = pattern and not others and self._rng.random() < 0.5
            self._entries[pattern if is_by_pattern else _url_of(disk)] = EXCLUDE

    def _include(self) -> None:
        excluded = [url for url, mode in self._entries.items() if mode == EXCLUDE]
        if excluded:
            del self._entries[self._rng.choice(excluded)]

    def _is_excluded(self, url: str) -> bool:
        excluded = [found for found, mode in self._entries.items() if mode == EXCLUDE]
        return any(url == found or ("*" in found and url.startswith(found[:-1])) for found in excluded)

    def _disk(self) -> Disk | None:
        known = [entity["disk"] for entity, _ in self._world.records.values() if is_of_one_disk(entity)]
        return Disk.parse(self._rng.choice(known)) if known else None


def _url_of(disk: Disk) -> str:
    """Give what SOURCE_DISKS names a disk by: a managed disk is whichever has its resource ID."""
    return disk.id.url if isinstance(disk, ManagedDisk) else disk.name


def _pattern_of(disk: Disk) -> str:
    """Give a pattern that excludes a disk, among others; empty where it would exclude nothing that an entry names."""
    if isinstance(disk, ManagedDisk):
        return f"{disk.id.parent.compute}/disks/{disk.id.name[:1]}*"
    blob = page_blob(disk)
    return blob.parent.blob(f"{blob.blob[:1]}*").url if blob.parent == DISKS else ""
