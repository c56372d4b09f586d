"""The content of a managed disk: a page blob with the footer of a fixed VHD, of which its snapshots are snapshots.

Azure tracks changes of managed disks in blocks of 4 KiB (the lists in the recordings of azure-sdk-for-net's
ManagedDiskTests are aligned so), so a smaller write is widened to whole blocks here.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from io import FileIO
from pathlib import Path

from infra.local.disks.disk_changes import Change, read_at
from infra.local.disks.vhd import FOOTER_BYTES, PAGE_BYTES, make_footer
from infra.local.gateway.mutations import MAX_WRITE_BYTES
from infra.local.gateway.platform_blobs import PlatformBlobs

BLOCK_BYTES = 4096
_CREATED = 1_767_225_600  # Unix time in the footers (2026-01-01, UTC)

HidePages = Callable[[str, int, int], None]
"""Leaves the bytes from start to end (exclusive) out of the page lists of a blob."""


class DiskContent:
    """The content of a disk. Offsets and lengths are bytes, multiples of 512.

    Attributes:
        blob: the decoded path of the blob, "/account/container/blob".
        size: the disk's size, without the footer.
    """

    def __init__(self, blobs: PlatformBlobs, blob: str, size: int, hide_footer: HidePages | None = None) -> None:
        """Hold what a blob has; `hide_footer` is None if the footer shows in page lists."""
        self.blob = blob
        self.size = size
        self._blobs = blobs
        self._hide_footer = hide_footer
        # A write of part of a block reads the rest of it before.
        self._writing = asyncio.Lock()

    async def create(self, *, has_footer: bool = True) -> None:
        """Create the blob: an empty disk, with a footer unless that is to be uploaded."""
        await self._blobs.create(self.blob, self.size + FOOTER_BYTES)
        if has_footer:
            await self._write_footer()

    async def write(self, start: int, content: bytes) -> None:
        """Write sectors, as a guest does.

        Raises:
            ValueError: they are no whole sectors of the disk.
        """
        async with self._writing:
            await self._write(start, content)

    async def _write(self, start: int, content: bytes) -> None:
        end = start + len(content)
        first, last = self._blocks(start, end)
        head = await self._read_if(first, start)
        tail = await self._read_if(end, last)
        await self._blobs.write(self.blob, first, head + content + tail)

    async def clear(self, start: int, length: int) -> None:
        """Discard sectors, as a guest's TRIM does: whole blocks become unallocated, parts of one become zeros.

        Raises:
            ValueError: they are no whole sectors of the disk.
        """
        async with self._writing:
            await self._clear(start, start + length)

    async def _clear(self, start: int, end: int) -> None:
        first, last = self._blocks(start, end)
        inner_start = first if first == start else min(first + BLOCK_BYTES, last)
        inner_end = last if last == end else max(last - BLOCK_BYTES, inner_start)
        if inner_start < inner_end:
            await self._blobs.clear(self.blob, inner_start, inner_end)
        for part_start, part_end in ((start, min(end, inner_start)), (max(start, inner_end), end)):
            if part_start < part_end:
                await self._write(part_start, bytes(part_end - part_start))

    async def apply(self, image: Path, changes: Iterable[Change]) -> None:
        """Write what an image has at the changes, and discard what they clear."""
        with FileIO(image) as file:
            for change in changes:
                if change.cleared:
                    await self.clear(change.start, change.end - change.start)
                    continue
                for start in range(change.start, change.end, MAX_WRITE_BYTES):
                    await self.write(start, read_at(file, start, min(MAX_WRITE_BYTES, change.end - start)))

    async def read(self, start: int, length: int, *, snapshot: str = "") -> bytes:
        """Read sectors; the footer is after the last."""
        return await self._blobs.read(self.blob, start, start + length, snapshot=snapshot)

    async def resize(self, size: int) -> None:
        """Grow the disk, whose footer moves to its new end.

        Raises:
            ValueError: it would shrink, which Azure refuses.
        """
        if size < self.size or size % PAGE_BYTES:
            raise ValueError(f"A disk of {self.size} bytes can't be resized to {size}.")
        await self._blobs.resize(self.blob, size + FOOTER_BYTES)
        is_logged = self._hide_footer is None
        await self._blobs.clear(self.blob, self.size, self.size + FOOTER_BYTES, is_logged=is_logged)
        self.size = size
        await self._write_footer()

    async def snapshot(self) -> str:
        """Take a snapshot of the blob; return its id."""
        return await self._blobs.snapshot(self.blob)

    async def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot of the blob."""
        await self._blobs.delete_snapshot(self.blob, snapshot)

    async def footer(self) -> bytes:
        """Read the last 512 bytes of the blob."""
        return await self.read(self.size, FOOTER_BYTES)

    async def rewrite_footer(self) -> None:
        """Write a footer of its own in place of one that was uploaded."""
        await self._write_footer()

    async def _write_footer(self) -> None:
        footer = make_footer(self.size, uuid.uuid5(uuid.NAMESPACE_URL, self.blob), _CREATED)
        await self._blobs.write(self.blob, self.size, footer, is_logged=self._hide_footer is None)
        if self._hide_footer:
            self._hide_footer(self.blob, self.size, self.size + FOOTER_BYTES)

    def _blocks(self, start: int, end: int) -> tuple[int, int]:
        """Return the blocks that sectors lie in; the last block of a disk may be short."""
        if start % PAGE_BYTES or end % PAGE_BYTES or not 0 <= start < end <= self.size:
            raise ValueError(f"Bytes {start} to {end} are no whole sectors of a disk of {self.size} bytes.")
        return start - start % BLOCK_BYTES, min(end + -end % BLOCK_BYTES, self.size)

    async def _read_if(self, start: int, end: int) -> bytes:
        return await self.read(start, end - start) if start < end else b""
