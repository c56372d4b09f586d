"""Counting page diffs: each pair of versions is listed once, and kept on record."""

from collections.abc import Iterable
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.changes.ranges import windows
from shared.errors import DiffRefusedError, TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.sizes import BACKUP_BLOB, NOTHING, Chain, PageDiff, Pair
from shared.model.version import BlobVersion
from shared.pages.listing import LISTING_WINDOW, listed
from shared.sizes.services import SizeServices


class Diffs:
    """The counted diffs of a disk: those on record, and those that are listed while there is time."""

    def __init__(self, services: SizeServices, disk: Disk, known: dict[Pair, int], until: datetime) -> None:
        """Begin with what is known.

        Args:
            services: the services.
            disk: the disk.
            known: the diffs that are counted already.
            until: when to stop listing, UTC.
        """
        self._services, self._disk, self.known, self._until = services, disk, known, until

    async def count(self, chain: Chain, pairs: Iterable[Pair]) -> None:
        """Count the diffs that are not known yet; one that can't be counted, or not in time, stays unknown."""
        for pair in pairs:
            if pair in self.known or self._is_late:
                continue
            try:
                await self._count_one(chain, pair)
            except (AzureError, TidemarkError) as error:
                about = {"disk": self._disk.name, "version": pair.version, "since": pair.since}
                log_event(Event.SIZE_UNKNOWN, **about, reason=explain(error))

    async def _count_one(self, chain: Chain, pair: Pair) -> None:
        counted = await self._count(chain, pair)
        if counted is None:
            return
        self.known[pair] = counted
        if BACKUP_BLOB not in pair:
            diff = PageDiff(since=pair.since, version=pair.version, bytes_written=counted)
            await self._services.diffs.put(self._disk, diff)

    async def _count(self, chain: Chain, pair: Pair) -> int | None:
        try:
            return await self._listed(chain, pair)
        except DiffRefusedError as error:
            if not error.overwritten:
                raise
        # The blob was copied over in between: all of the newer version is new.
        return await self._listed(chain, Pair(NOTHING, pair.version))

    async def _listed(self, chain: Chain, pair: Pair) -> int | None:
        """Count the bytes that a listing has as written; None if there was no time to list all."""
        version = BlobVersion(chain.blob, chain.snapshot_of(pair.version))
        since = None if pair.since == NOTHING else BlobVersion(chain.blob, pair.since)
        found = 0
        for window in windows(chain.size_of(pair.version), LISTING_WINDOW):
            if self._is_late:
                return None
            async for change in listed(self._services, version, since, window):
                found += 0 if change.clear else change.length
        return found

    @property
    def _is_late(self) -> bool:
        return self._services.now() >= self._until
