"""The storage hosts of managed disks: what a URL reads, and lists of page ranges."""

from urllib.parse import parse_qs, urlsplit

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.blobs import Snapshot
from tests.simulation.managed.compute import Compute, size_in_bytes
from tests.simulation.managed.resources import Refused, Taken


def is_of_managed(url: str) -> bool:
    """Tell whether a URL is of a storage host of managed disks."""
    return (urlsplit(url).hostname or "").startswith("md-")


def is_relay(url: str) -> bool:
    """Tell whether a URL is of a private snapshot: the service copies from none (azure-storage-azcopy#2573)."""
    return urlsplit(url).path.endswith("/relaycor")


def opened(compute: Compute, url: str) -> Taken:
    """Give the snapshot that a URL reads, if it does so now."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    access = compute.granted.get(asked.get("si", ""))
    if access is None or asked.get("sig") != access.secret or access.ends <= compute.now():
        raise Refused(403, "AuthenticationFailed")
    if not compute.is_in_network and (access.is_relay or access.taken.public_access == "Disabled"):
        raise Refused(403, "AuthorizationFailure")
    if not access.is_relay and asked.get("snapshot") != access.taken.moment:
        raise Refused(409, "CopySourceCannotBeIncrementalCopyBlob")
    if access.taken.merges_until > compute.now():
        raise Refused(409, "SnapshotOperationInProgress")
    return access.taken


def read(compute: Compute, url: str) -> Snapshot:
    """Give what a URL reads: the disk's bytes, and the footer after them."""
    return opened(compute, url).held


def listed(compute: Compute, url: str, previous_url: str, window: Window) -> list[Change]:
    """List page ranges of a window, or what changed since an older snapshot (REST: Get Page Ranges)."""
    taken = opened(compute, url)
    if not previous_url:
        found = taken.content.valid(taken.moment, window)
    else:
        older = opened(compute, previous_url)
        relayed = is_relay(url), is_relay(previous_url)
        if older.host != taken.host or (any(relayed) and not (all(relayed) and compute.relays_give_diffs)):
            raise Refused(400, "InvalidHeaderValue")
        sizes = sorted((size_in_bytes(older), size_in_bytes(taken)))
        if older.family != taken.family or (sizes[0] != sizes[1] and sizes[0] <= compute.boundary <= sizes[1]):
            raise Refused(409, "PreviousSnapshotOperationNotSupported")
        found = taken.content.diff(taken.moment, older.moment, window)
    end = size_in_bytes(taken)
    if compute.shows_footer:
        return found
    cut = [change._replace(end=min(change.end, end)) for change in found if change.start < end]
    return [change for change in cut if change.length >= PAGE]
