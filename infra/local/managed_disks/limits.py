"""The limits of a subscription and of a disk: how many requests, snapshots and SASs, in what time."""

from collections import deque
from datetime import datetime, timedelta

from .arm_errors import ArmError, conflict
from .resources import Disk, Snapshot
from .store import Store

_BUCKETS = (("3Min", timedelta(minutes=3)), ("30Min", timedelta(minutes=30)))
_GROUP = "Microsoft.Compute/HighCostSnapshotCreateHydrate"


class Limits:
    """Counts requests, and refuses what is too much."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._costly: deque[datetime] = deque()

    def count_costly(self) -> dict[str, str]:
        """Count a snapshot's creation, a grant or a revocation; return the header that tells how many are left.

        Raises:
            ArmError: too many (429, with Retry-After).
        """
        now = self._store.clock.now()
        while self._costly and self._costly[0] <= now - _BUCKETS[-1][1]:
            self._costly.popleft()
        left = []
        for (name, window), most in zip(_BUCKETS, self._most(), strict=True):
            within = [at for at in self._costly if at > now - window]
            if len(within) >= most:
                wait = within[0] + window - now if within else window
                raise too_many_requests(f"HighCostSnapshotCreateHydrate{name}", wait)
            left.append(f"{_GROUP}{name};{most - len(within) - 1}")
        self._costly.append(now)
        return {"x-ms-ratelimit-remaining-resource": ",".join(left)}

    def forget_requests(self) -> None:
        """Begin to count anew."""
        self._costly.clear()

    def check_new_snapshot(self, disk: Disk) -> None:
        """Require that one more incremental snapshot of a disk may be taken now; count it.

        Raises:
            ArmError: the disk has too many, or too many were taken of late [guess: status and code].
        """
        behaviour, now = self._store.behaviour, self._store.clock.now()
        of_disk = [found for found in self._store.snapshots() if found.source_unique_id == disk.unique_id]
        if len(of_disk) >= behaviour.snapshots_per_disk:
            most = behaviour.snapshots_per_disk
            raise conflict(f"A disk can have {most} incremental snapshots at most: delete some of {disk.id.text}.")
        if sum(1 for found in of_disk if not found.copy.is_done) >= behaviour.copies_per_disk:
            raise conflict(f"{behaviour.copies_per_disk} snapshots of {disk.id.text} are still being copied.")
        disk.taken = [at for at in disk.taken if at > now - behaviour.window]
        if len(disk.taken) >= behaviour.snapshots_per_window:
            raise too_many_requests("IncrementalSnapshotsPerDisk5Min", disk.taken[0] + behaviour.window - now)
        disk.taken.append(now)

    def check_new_access(self, snapshot: Snapshot) -> None:
        """Require that one more snapshot of a family, and of those with its disk access object, may have a SAS.

        Raises:
            ArmError: as many have one as may have [guess: the code].
        """
        behaviour, others = self._store.behaviour, [found for found in self._store.snapshots() if found is not snapshot]
        for other in others:
            self._store.end_expired(other)
        open_ones = [other for other in others if other.access]
        most = behaviour.accesses_per_family
        if sum(1 for other in open_ones if other.family == snapshot.family) >= most:
            message = f"SAS URIs of at most {most} incremental snapshots of a disk can be active at a time."
            raise conflict(f"{message} Revoke one first.")
        most = behaviour.accesses_per_disk_access
        if sum(1 for other in open_ones if _have_one_disk_access(other, snapshot)) >= most:
            message = f"At most {most} disks and snapshots can be exported at a time by one disk access object."
            raise conflict(f"{message} Revoke one first.")

    def _most(self) -> tuple[int, int]:
        return self._store.behaviour.requests_3_min, self._store.behaviour.requests_30_min


def _have_one_disk_access(one: Snapshot, other: Snapshot) -> bool:
    is_private = one.network_access_policy == other.network_access_policy == "AllowPrivate"
    return is_private and one.properties.get("diskAccessId") == other.properties.get("diskAccessId")


def too_many_requests(target: str, wait: timedelta) -> ArmError:
    """Make the error of throttling (Azure Compute, "Troubleshooting API throttling errors")."""
    message = "The server rejected the request because too many requests have been received for this subscription."
    details = [{"code": "TooManyRequests", "target": target, "message": f"Too many requests of {target}."}]
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    return ArmError(429, "OperationNotAllowed", message, headers={"Retry-After": str(seconds)}, details=details)
