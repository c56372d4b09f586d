"""The proof of a restore: the restored disk and its backup blob are held against the recovery point, part by part."""

import logging
from collections.abc import AsyncIterator
from typing import Self

from shared.events import log_event
from shared.names import PAGE
from shared.ranges import Change, Window, coalesced, one_sided, windows, writes
from shared.restores import Restore, RestoreFailedError
from shared.sampling import Sampler
from shared.storage.page_blobs import Version
from shared.storage.services import Services
from shared.workflows.listing import listed

_COOKIE = b"conectix"
"""What the footer of a VHD begins with, in the last 512 bytes (VHD specification)."""


WINDOW = 8 * 1024**3
"""Bytes of a disk that one invocation proves: should it have to read all of them, it is done in minutes."""


def parts(size: int) -> int:
    """Count the parts of a proof: each window of the disk, and each of its backup blob."""
    return 2 * max(1, len(windows(size, WINDOW)))


async def prove_part(services: Services, restore: Restore, point: Version) -> Restore:
    """Prove the next part: of the restored disk's snapshot first, then of its backup blob.

    The sizes are equal; the page maps are equal, where a page valid on one side only must read as zeros; sampled ranges
    hold the same; and so does the last page, which is where a VHD has its footer.

    Raises:
        RestoreFailedError: something differs.
    """
    half = restore.parts_total // 2
    number = restore.parts_proved % half
    is_disk = restore.parts_proved < half
    copy = (
        Version(restore.target_address, restore.target_snapshot)
        if is_disk
        else Version(services.backups.address(restore.target_address), "")
    )
    proof = await _Proof.begin(services, restore, point, copy)
    await proof.require_size()
    if restore.size:
        await proof.compare_pages(windows(restore.size, WINDOW)[number], f"{restore.restore}/{restore.parts_proved}")
    has_footer = number == half - 1 and await proof.has_footer()
    counts = {
        "parts_proved": restore.parts_proved + 1,
        "ranges_compared": restore.ranges_compared + (proof.ranges if is_disk else 0),
        "samples_compared": restore.samples_compared + proof.samples,
        "bytes_compared": restore.bytes_compared + proof.bytes,
    }
    return restore.model_copy(update={**counts, "vhd_footer": restore.vhd_footer or has_footer})


def proved(restore: Restore) -> str:
    """Say what was proved."""
    footer = "VHD footer found" if restore.vhd_footer else "no VHD footer, as in the recovery point"
    return (
        f"size equal, {restore.size} bytes; {footer}; page map equal, {restore.ranges_compared} ranges; "
        f"{restore.samples_compared} samples equal, {restore.bytes_compared} bytes; its backup blob is equal too"
    )


class _Proof:
    """A part of a proof while it is made."""

    def __init__(
        self, services: Services, restore: Restore, point: Version, copy: Version, *, point_url: str, copy_url: str
    ) -> None:
        self._services = services
        self._restore = restore
        self._point = point
        self._copy = copy
        self._point_url = point_url
        self._copy_url = copy_url
        self.ranges = self.samples = self.bytes = 0

    @classmethod
    async def begin(cls, services: Services, restore: Restore, point: Version, copy: Version) -> Self:
        point_url = await services.pages.signed_url(point.blob, point.snapshot)
        copy_url = await services.pages.signed_url(copy.blob, copy.snapshot)
        return cls(services, restore, point, copy, point_url=point_url, copy_url=copy_url)

    async def require_size(self) -> None:
        found = await self._services.pages.properties(self._copy.blob, self._copy.snapshot)
        if found.size != self._restore.size:
            self._differs(f"it is {found.size} bytes long, not {self._restore.size}")

    async def compare_pages(self, window: Window, seed: str) -> None:
        """Compare the page maps of a window, and some samples."""
        sampler = Sampler(seed)

        async def seen() -> AsyncIterator[Change]:
            async for change in self._ranges(self._point, window):
                self.ranges += 1
                sampler.see(change)
                yield change

        async for part in one_sided(seen(), self._ranges(self._copy, window)):
            for piece in writes(Change(part.start, part.end, clear=False)):
                content = await self._services.pages.read(self._point_url if part.is_first else self._copy_url, piece)
                if content.count(0) != len(content):
                    side = "the recovery point" if part.is_first else "it"
                    self._differs(f"only {side} has data in the bytes {piece.start} to {piece.end}")
        for sample in sampler.samples():
            await self._compare(sample)

    async def has_footer(self) -> bool:
        """Compare the last page; tell whether it is the footer of a VHD."""
        if self._restore.size < PAGE:
            return False
        last = Change(self._restore.size - PAGE, self._restore.size, clear=False)
        return (await self._compare(last)).startswith(_COOKIE)

    async def _compare(self, sample: Change) -> bytes:
        content = await self._services.pages.read(self._point_url, sample)
        if await self._services.pages.read(self._copy_url, sample) != content:
            self._differs(f"the bytes {sample.start} to {sample.end} are not those of the recovery point")
        self.samples += 1
        self.bytes += sample.length
        return content

    def _ranges(self, version: Version, window: Window) -> AsyncIterator[Change]:
        return coalesced(listed(self._services, version.blob, version.snapshot, None, window))

    def _differs(self, how: str) -> None:
        log_event(
            "restore-not-proved",
            level=logging.ERROR,
            restore=self._restore.restore,
            blob=self._copy.blob.url,
            reason=how,
        )
        raise RestoreFailedError(f"{self._copy.blob.url} is not the recovery point that was copied to it: {how}")
