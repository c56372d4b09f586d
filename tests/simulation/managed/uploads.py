"""Uploads into new managed disks, as the service has them: ReadyToUpload, then ActiveUpload, then it can be used.

Sources: Upload a VHD to Azure; REST: Disks, Create Or Update, Grant Access and Revoke Access.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from infra.local.disks.vhd import check_footer
from shared.limits import PAGE
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from tests.simulation.blobs import Blob, Page
from tests.simulation.managed.compute import Compute, not_found
from tests.simulation.managed.resources import Made, Refused, WriteAccess, footer_of

READY, ACTIVE = "ReadyToUpload", "ActiveUpload"
"""The states of an upload that has not ended."""


def begin(compute: Compute, at: DiskId, size: int, tags: Mapping[str, str], mark: str) -> Made:
    """Make a disk for an upload of so many bytes, footer included; one that is there must have been made so, too."""
    if found := compute.disks.get(at):
        if found.made_by is None or (found.size + 1) * PAGE != size:
            raise Refused(409, "PropertyChangeNotAllowed", "How a disk was made can't be changed.")
        found.tags = dict(tags)
        return found
    content = Blob([None] * (size // PAGE), compute.number)
    disk = ManagedDisk(at, compute.new_id())
    host = f"md-{compute.number()}"
    made = Made(disk, content, compute.new_id(), host, dict(tags), made_by=mark, upload=READY)
    compute.disks[at] = made
    return made


def grant(compute: Compute, at: DiskId, seconds: int) -> str:
    """Grant access that uploads into a disk; give its URL."""
    made = _at(compute, at)
    if made.writing and compute.second_upload == "refused":
        raise Refused(409, "OperationNotAllowed", "There is access to the disk already.")
    if made.writing and compute.second_upload == "same" and made.writing.ends > compute.now():
        return made.writing.url
    if not made.upload:
        raise Refused(409, "OperationNotAllowed", "The disk is not to be uploaded into.")
    secret = f"{compute.number()}"
    made.writing = WriteAccess(made, f"wi{secret}", f"w{secret}", compute.now() + timedelta(seconds=seconds))
    made.upload = ACTIVE
    compute.writes[made.writing.policy] = made.writing
    return made.writing.url


def end(compute: Compute, at: DiskId) -> None:
    """End all access to a disk, and with it the upload; what was uploaded must be a VHD of its size."""
    made = _at(compute, at)
    compute.end_writes(made)
    if made.upload != ACTIVE:
        return
    if compute.checks_uploads and not _is_vhd(made):
        made.upload = READY
        raise Refused(409, "InvalidVhd", "What was uploaded is no VHD of the disk's size.")
    made.upload = ""
    if compute.rewrites_footers:
        made.content.set(made.size, [footer_of(made.size, rewritten=True)])


def delete(compute: Compute, at: DiskId) -> Made | None:
    """Delete a disk, if it exists and nothing can be written to it; give it."""
    found = compute.disks.get(at)
    if found and found.writing:
        raise Refused(409, "OperationNotAllowed", "There is access to the disk: revoke it first.")
    return compute.disks.pop(at, None)


def opened(compute: Compute, url: str) -> Made:
    """Give the disk that a URL uploads into, if it does so now."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    access = compute.writes.get(asked.get("si", ""))
    if access is None or asked.get("sig") != access.secret or access.ends <= compute.now():
        raise Refused(403, "AuthenticationFailed")
    return access.made


def write(compute: Compute, url: str, first: int, content: Sequence[Page]) -> None:
    """Write pages of a disk (REST: Put Page)."""
    opened(compute, url).content.set(first, content)


def _is_vhd(made: Made) -> bool:
    try:
        return check_footer((made.content.pages[-1] or 0).to_bytes(PAGE, "big")).size == made.size * PAGE
    except ValueError:
        return False


def _at(compute: Compute, at: DiskId) -> Made:
    if at not in compute.disks:
        raise not_found(at.url)
    return compute.disks[at]
