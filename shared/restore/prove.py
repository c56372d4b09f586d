"""Verifying a restore: the restored disk and its backup blob are compared with the recovery point, part by part."""

from dataclasses import replace

from shared.azure.services import Services
from shared.changes.ranges import Window, windows
from shared.changes.sampling import Sampler
from shared.content.filesystems import doubts_text
from shared.content.fixed_vhd import fixed_vhd_problem
from shared.content.reading import read_content
from shared.errors import MismatchError
from shared.events import Event, log_event
from shared.limits import FOOTER
from shared.model.restore import Restore, RestoreFailedError
from shared.model.texts import human_size
from shared.model.version import BlobVersion, Version
from shared.pages.comparing import Comparison

PROOF_WINDOW = 8 * 1024**3
"""Bytes of a disk that one invocation verifies: even if it must read all of them, it takes minutes."""


def proof_parts(size: int, *, adopt: bool) -> int:
    """Count the parts of a proof: the windows of the disk, and those of its backup blob if it is adopted."""
    return (2 if adopt else 1) * max(1, len(windows(size, PROOF_WINDOW)))


async def prove_part(services: Services, restore: Restore, point: Version) -> Restore:
    """Verify the next part: the parts of the restored disk's snapshot first, then those of its backup blob.

    The page blob of a trial, which has neither, is compared itself, under its lease.

    Compares the size, the page map (a page valid on one side only must read as zeros), samples of the content, and the
    last page, where a VHD has its footer. Records what is found on the disk: partition table and filesystems.

    Raises:
        RestoreFailedError: something differs.
    """
    of_disk = restore.parts_total // 2 if restore.adopt else restore.parts_total
    number = restore.parts_proved % of_disk
    is_disk = restore.parts_proved < of_disk
    copy = _copy_to_prove(services, restore, is_disk=is_disk)
    comparison = await Comparison.begin(services, point, copy)
    try:
        await _compare(comparison, restore, number, is_last=number == of_disk - 1)
    except MismatchError as error:
        log_event(Event.RESTORE_NOT_PROVED, **restore.about, reason=str(error))
        raise RestoreFailedError(f"{copy.of} differs from the recovery point: {error}") from None
    proven = replace(
        restore,
        parts_proved=restore.parts_proved + 1,
        ranges_compared=restore.ranges_compared + (comparison.ranges if is_disk else 0),
        samples_compared=restore.samples_compared + comparison.samples,
        bytes_compared=restore.bytes_compared + comparison.bytes_compared,
    )
    if not (is_disk and number == of_disk - 1):
        return proven
    found = await read_content(services, copy, restore.size)
    return replace(proven, seen=found.described, doubts=", ".join(found.doubts))


def _copy_to_prove(services: Services, restore: Restore, *, is_disk: bool) -> Version:
    """Return what to compare with the recovery point: the restored disk, or its backup blob."""
    target = restore.known_target
    if not is_disk:
        return BlobVersion(services.backups.address(target))
    if restore.target_snapshot:
        return services.disks.version(target, restore.target_snapshot)
    return BlobVersion(restore.page_blob_target.address)


async def _compare(comparison: Comparison, restore: Restore, number: int, *, is_last: bool) -> None:
    """Compare a part."""
    await comparison.require_size(restore.size)
    if restore.size:
        sampler = Sampler(f"{restore.restore}/{restore.parts_proved}")
        window = windows(restore.size, PROOF_WINDOW)[number]
        if restore.makes_managed_disk:
            window = Window(window.start, min(window.end, restore.size - FOOTER))
        if window.start < window.end:
            await comparison.page_maps(window, sampler.see)
        await comparison.contents(sampler.samples())
    if is_last and restore.makes_managed_disk:
        await _require_footer(comparison, restore.size)
    elif is_last:
        await comparison.last_page(restore.size)


async def _require_footer(comparison: Comparison, size: int) -> None:
    """Require a footer of the size, whether it is as it was uploaded, or Azure has written one of its own.

    Raises:
        MismatchError: it is none.
    """
    if why := fixed_vhd_problem(await comparison.last_of_copy(size), size):
        raise MismatchError(f"the disk is no fixed VHD: {why}")


def proof_text(restore: Restore) -> str:
    """Say what was verified, beginning with any doubts about the disk that was backed up."""
    doubtful = f"{doubts_text(restore.doubts)}; " if restore.doubts else ""
    return (
        f"{doubtful}matches the recovery point: size ({human_size(restore.size)}), page map"
        f" ({restore.ranges_compared} ranges), {restore.samples_compared} samples"
        f" ({human_size(restore.bytes_compared)});{' its backup blob matches too;' * restore.adopt} {restore.seen}"
    )
