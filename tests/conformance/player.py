"""Makes random moves on a cloud and reports each result: the same on every cloud, if all follow the same rules.

What the documentation leaves open is not reported: which of two reasons for a refusal comes first, and what a
write past the end under a wrong lease does.
"""

import contextlib
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from shared.azure.answers import error_code
from shared.changes.ranges import Change
from shared.errors import (
    BlobChangedError,
    CopyRefusedError,
    DiffRefusedError,
    LeaseLostError,
    SourceGoneError,
    SourceUnreachableError,
    TargetLeasedError,
)
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import COPY_PENDING, BlobState
from shared.model.disk import PageBlobDisk
from tests.conformance.clouds import LATER_RUN, RUN, SOMEBODY, Cloud, HeldCopy, at, content_of, numbers, pages_of

LEASES = (RUN, LATER_RUN, SOMEBODY)
NEVER = "2026-01-01T00:00:00.0000000Z"
_REFUSALS = (BlobChangedError, LeaseLostError, TargetLeasedError, SourceUnreachableError, CopyRefusedError)
_CONDITIONS = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


class Player:
    """Knows three blobs, and what it has seen of them: snapshots, ETags, leases and pending copies."""

    def __init__(self, cloud: Cloud) -> None:
        self._services, self._cloud = cloud.services, cloud
        self._disk = cloud.disks.blob("disk.vhd")
        self._backup = cloud.services.backups.address(PageBlobDisk(self._disk))
        self._blobs = (self._disk, self._backup, cloud.lab.blob("other.vhd"))
        self._taken: dict[BlobAddress, list[str]] = {blob: [] for blob in self._blobs}
        self._etags: dict[BlobAddress, list[str]] = {blob: ['"0x1"'] for blob in self._blobs}
        self._leases: dict[BlobAddress, str] = {}
        self._held: dict[BlobAddress, HeldCopy] = {}
        self._sources: dict[BlobAddress, tuple[BlobAddress, str]] = {}
        self._written = 0
        self._rng = random.Random()

    async def play(self, seed: str) -> tuple[str, object, object]:
        """Make a move that the seed chooses; give its name, its result, and the state of the blobs."""
        self._rng = random.Random(seed)
        move, blob = self._rng.choice(_MOVES), self._rng.choice(self._blobs)
        outcome = await self._outcome(move(self, blob))
        return move.__name__, outcome, [await self._look(each) for each in (blob, self._backup)]

    async def begin(self) -> None:
        """Make the blobs, with something in them."""
        for blob in self._blobs:
            await self._cloud.make(blob, 7)
            await self._cloud.write(blob, 1, 1, 2, 3)
            self._taken[blob].append(await self._services.disks.take_snapshot(PageBlobDisk(blob)))
            await self._look(blob)

    async def _outcome(self, move: Awaitable[object]) -> object:
        try:
            return await move
        except _REFUSALS:
            return "refused"
        except (SourceGoneError, DiffRefusedError) as error:
            return type(error).__name__
        except HttpResponseError as error:
            return "refused" if error.status_code in _CONDITIONS else (error.status_code, error_code(error))

    async def _look(self, blob: BlobAddress) -> object:
        found = await self._services.pages.find(blob)
        if found is None:
            return None
        seen, size = self._etags[blob], found.size // PAGE
        if found.etag not in seen:
            seen.append(found.etag)
        own = [self._taken[blob].index(time) for time in await self._services.disks.own_snapshots(PageBlobDisk(blob))]
        valid = await self._cloud.changes(blob, window=(0, size)) if size else []
        url = await self._cloud.source(blob)
        content = numbers(await self._services.pages.read(url, pages_of(0, size))) if size else []
        return _about(found), seen.index(found.etag), own, valid, content

    def _etag(self, blob: BlobAddress) -> str:
        """Choose an ETag that a blob has had; mostly the last."""
        return self._rng.choice([self._rng.choice(self._etags[blob]), *[self._etags[blob][-1]] * 3])

    def _snapshot(self, blob: BlobAddress) -> str:
        """Choose a snapshot that a blob has had."""
        return self._rng.choice(self._taken[blob] or [NEVER])

    def _lease(self, blob: BlobAddress) -> str:
        """Choose a lease; mostly the one that a blob is under."""
        any_lease = self._rng.choice(LEASES)
        return self._rng.choice([any_lease, *[self._leases.get(blob, any_lease)] * 5])

    def _lease_or_none(self, blob: BlobAddress) -> str | None:
        """Choose a lease or none; mostly what a blob is under."""
        return self._rng.choice([None, self._lease(blob), *[self._leases.get(blob)] * 5])

    def _piece(self, *, clear: bool = False) -> Change:
        first = self._rng.randrange(6)
        return pages_of(first, first + self._rng.randint(1, 2), clear=clear)

    def _content(self, piece: Change) -> list[int]:
        self._written += 1
        return [self._written * 10 + page for page in range(piece.length // PAGE)]

    def _pages(self) -> int:
        return self._rng.randint(5, 8)

    async def make(self, blob: BlobAddress) -> None:
        await self._services.blobs.create(blob, self._pages() * PAGE, {"made": f"{self._rng.random()}"})

    async def make_over(self, blob: BlobAddress) -> None:
        await self._cloud.make(blob, self._pages(), {"over": f"{self._rng.random()}"})

    async def guest_writes(self, blob: BlobAddress) -> None:
        piece = self._piece()
        lease = self._lease_or_none(blob)
        await self._cloud.write(blob, piece.start // PAGE, *self._content(piece), lease=lease)

    async def guest_clears(self, blob: BlobAddress) -> None:
        await self._cloud.clear(blob, self._rng.randrange(6))

    async def guest_resizes(self, blob: BlobAddress) -> None:
        await self._cloud.resize(blob, self._pages())

    async def lease_is_taken(self, blob: BlobAddress) -> None:
        await self._cloud.lease(blob)
        self._leases[blob] = SOMEBODY

    async def lease_is_broken(self, blob: BlobAddress) -> None:
        await self._cloud.break_lease(blob)
        self._leases.pop(blob, None)

    async def take_snapshot(self, blob: BlobAddress) -> None:
        is_there = await self._services.pages.find(blob) is not None
        etag = self._rng.choice([None, self._etag(blob)]) if is_there else None
        self._taken[blob].append(await self._services.disks.take_snapshot(PageBlobDisk(blob), etag))

    async def delete_snapshot(self, blob: BlobAddress) -> None:
        await self._services.disks.delete_snapshot(PageBlobDisk(blob), self._snapshot(blob))

    async def read_snapshot(self, blob: BlobAddress) -> object:
        time = self._snapshot(blob)
        content = await self._cloud.content(blob, time)
        return content, await self._cloud.changes(blob, time) if content else []

    async def diff(self, blob: BlobAddress) -> object:
        since, until = self._snapshot(blob), self._rng.choice(["", self._snapshot(blob)])
        if not await self._cloud.size(blob, until):
            return "empty"
        found = await self._cloud.changes(blob, until, since)
        old = await self._cloud.size(blob, since)
        # The documentation does not say whether pages that were added and never written are listed as cleared.
        return [
            (at, kind) for first, end, kind in found for at in range(first, end) if kind == "write" or at < min(old, 5)
        ]

    async def acquire_lease(self, blob: BlobAddress) -> object:
        lease, etag = self._rng.choice(LEASES), self._etag(blob)
        broken = None
        if blob == self._backup and self._rng.random() < 0.5:
            broken = await self._services.leases.take(self._backup, lease, etag)
        else:
            await self._services.leases.acquire(blob, lease, etag)
        self._leases[blob] = lease
        return broken

    async def renew_lease(self, blob: BlobAddress) -> None:
        await self._services.leases.require(blob, self._lease(blob))

    async def change_lease(self, _: BlobAddress) -> None:
        lease, to = self._lease(self._backup), self._rng.choice(LEASES)
        await self._services.leases.change(self._backup, lease, to)
        if await self._services.leases.renew(self._backup, to):
            self._leases[self._backup] = to

    async def release_lease(self, blob: BlobAddress) -> None:
        lease = self._lease(blob)
        await self._services.leases.release(blob, lease)
        if self._leases.get(blob) == lease:
            del self._leases[blob]

    async def write(self, blob: BlobAddress) -> None:
        piece, lease = self._piece(), self._lease(blob)
        content = content_of(*self._content(piece))
        await self._services.blobs.write(blob, piece, content, lease)

    async def clear(self, blob: BlobAddress) -> None:
        piece, lease = self._piece(clear=True), self._lease(blob)
        await self._services.blobs.clear(blob, piece, lease)

    async def resize(self, blob: BlobAddress) -> None:
        size, lease = self._pages() * PAGE, self._lease(blob)
        await self._services.blobs.resize(blob, size, lease)

    async def copy_pages(self, _: BlobAddress) -> object:
        found = await self._services.pages.find(self._backup)
        if found and found.copy_status == COPY_PENDING:
            return "pending"
        source = self._rng.choice(self._blobs)
        url = await self._cloud.source(source, self._rng.choice(["", self._snapshot(source)]))
        await self._services.blobs.put_from_url(self._backup, self._piece(), url, self._lease(self._backup))
        return "copied"

    async def take_backup_snapshot(self, _: BlobAddress) -> None:
        etag, lease = self._etag(self._backup), self._lease(self._backup)
        await self._services.snapshots.take(self._backup, etag, {"sealed": f"{self._rng.random()}"}, lease)

    async def start_copy(self, blob: BlobAddress) -> None:
        if blob not in self._held:
            self._held[blob] = self._cloud.hold(blob)
        etag = self._rng.choice([None, *[self._etag(blob)] * 4])
        lease = self._lease_or_none(blob) if etag else None
        metadata = self._rng.choice([{}, {"copied": f"{self._rng.random()}"}])
        source = self._rng.choice(self._blobs)
        snapshot = self._snapshot(source)
        url = await self._cloud.source(source, snapshot)
        # How it is refused is not reported: by an error, or silently if another was faster.
        with contextlib.suppress(BlobChangedError, CopyRefusedError, ResourceNotFoundError):
            before = await self._services.pages.find(blob)
            await self._services.copies.start(blob, url, metadata, etag=etag, lease_id=lease)
            if not before or before.copy_status != COPY_PENDING:
                self._sources[blob] = source, snapshot

    async def copy_goes_on(self, blob: BlobAddress) -> object:
        found = await self._services.pages.find(blob)
        if not found or found.copy_status != COPY_PENDING:
            return "no copy"
        held, pages = self._held[blob], found.bytes_total // PAGE
        share = (self._rng.randrange(pages) + 0.001) / pages
        match self._rng.choice(["finish", "finish", "fail", "abort", "progress"]):
            case "fail":
                await held.fail()
            case "abort":
                await held.abort(self._lease_or_none(blob))
            case "progress":
                held.progress(share)
            case _:
                # The documentation does not say what becomes of a copy whose source is deleted before its end.
                await self._services.pages.properties(at(*self._sources[blob]))
                await held.finish()
                del self._held[blob]
        return "went on"

    async def forget_source(self, blob: BlobAddress) -> None:
        await self._services.copies.forget_source(blob, self._etag(blob), self._lease_or_none(blob))

    async def delete(self, blob: BlobAddress) -> None:
        """Delete a blob, now and then."""
        if self._rng.random() < 0.5:
            return
        with contextlib.suppress(BlobChangedError):
            await self._services.blobs.delete(blob, self._etag(blob), self._lease_or_none(blob))

    async def delete_with_snapshots(self, blob: BlobAddress) -> None:
        if self._rng.random() < 0.5:
            return
        await self._cloud.delete(blob)
        self._leases.pop(blob, None)

    async def catalogue(self, _: BlobAddress) -> object:
        listed = [found async for found in self._services.backups.blobs()]
        return sorted((found.snapshot == "", found.size, found.copy_status, len(found.metadata)) for found in listed)


def _about(found: BlobState) -> tuple[object, ...]:
    metadata = {name: value for name, value in found.metadata.items() if not name.startswith("tidemark")}
    copy = (found.copy_status, bool(found.copy_description), found.bytes_done, found.bytes_total)
    return found.size, found.leased, metadata, copy


Move = Callable[[Player, BlobAddress], Awaitable[object]]
_OFTEN: tuple[Move, ...] = (Player.make, Player.guest_writes, Player.take_snapshot, Player.diff, Player.acquire_lease)
_OFTEN += (Player.write, Player.copy_pages, Player.start_copy, Player.copy_goes_on)
_SELDOM: tuple[Move, ...] = (Player.make_over, Player.guest_clears, Player.guest_resizes, Player.lease_is_taken)
_SELDOM += (Player.lease_is_broken, Player.delete_snapshot, Player.read_snapshot, Player.renew_lease)
_SELDOM += (Player.change_lease, Player.release_lease, Player.clear, Player.resize, Player.take_backup_snapshot)
_SELDOM += (Player.copy_goes_on, Player.forget_source, Player.delete, Player.delete_with_snapshots, Player.catalogue)
_MOVES = (*_OFTEN * 3, *_SELDOM)
