"""How the managed disks behave: what is documented, and what a test sets otherwise."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(slots=True)
class Behaviour:
    """Limits, times and habits; those marked [guess] are in no source.

    Attributes:
        snapshots_per_disk: the most incremental snapshots of a disk (disks-incremental-snapshots, "Restrictions").
        snapshots_per_window: the most that may be taken of a disk in any `window` (the same).
        window: the time in which those are counted.
        copies_per_disk: the most background copies of a Premium v2 or Ultra disk under way (the same).
        accesses_per_family: the most snapshots of one family with a SAS at once (the same).
        accesses_per_disk_access: the most private disks and snapshots with a SAS at once, by one disk access object
            (disks-restrict-import-export-private-links, "Limitations").
        requests_3_min: the most snapshot creations, grants and revocations in 3 minutes (headers that azure-cli
            recorded: HighCostSnapshotCreateHydrate3Min).
        requests_30_min: the same in 30 minutes.
        page_size: how many resources one page of a list has.
        looks: how many GETs find an operation, and its resource, still under way.
        is_held: whether operations that begin now go on until `ManagedDisks.release`.
        copy_looks: how many GETs find a snapshot's background copy under way; for Premium v2 and Ultra disks.
        second_access: what a grant does while a SAS is active: return the same one, another one, or 409 [guess].
        expired_access_lingers: whether a resource stays ActiveSAS after its SAS expired, until that is revoked [guess].
        merging_reads: how many reads of a disk's snapshots are refused after one of them was deleted
            (azure-sdk-for-net, ManagedDiskFixture: "squashes data"; the answer itself is a guess).
        shows_footer: whether lists and diffs of pages show the VHD footer as the page it is [guess].
        takes_conditions: whether reads of a snapshot may have conditions: AzCopy sends none, as some large disks'
            snapshots know none (downloader-blob.go); an upload never does.
        uploads_are_readable: whether a SAS to write gives content too; AzCopy asks for properties and ranges [guess].
        rewrites_footers: whether Azure writes a footer of its own at the end of an upload [guess].
        shows_completion: whether snapshots have `completionPercent`; that of a Premium SSD may have none
            (azuredisk-csi).
        policy: properties that an Azure Policy (effect "modify") sets in each snapshot put.
        is_in_private_network: whether who reads is in the network of the private endpoints.
        relays_give_diffs: whether the relays of two private snapshots of a disk give the difference [guess].
        polling_needs_role: whether polling needs Microsoft.Compute/locations/DiskOperations/read [guess: no].
        checks_uploads: whether endGetAccess refuses what was uploaded if it is no VHD of the disk's size [guess].
        snapshots_inherit_policy: whether a snapshot that is put without network policies has its disk's [guess: no].
    """

    snapshots_per_disk: int = 500
    snapshots_per_window: int = 7
    window: timedelta = timedelta(minutes=5)
    copies_per_disk: int = 3
    accesses_per_family: int = 5
    accesses_per_disk_access: int = 5
    requests_3_min: int = 1_000
    requests_30_min: int = 8_000
    page_size: int = 100
    looks: int = 0
    is_held: bool = False
    copy_looks: int = 0
    second_access: Literal["same", "new", "refused"] = "same"
    expired_access_lingers: bool = True
    merging_reads: int = 0
    shows_footer: bool = True
    takes_conditions: bool = True
    uploads_are_readable: bool = True
    rewrites_footers: bool = False
    shows_completion: bool = True
    policy: dict[str, str] = field(default_factory=dict)
    is_in_private_network: bool = False
    relays_give_diffs: bool = True
    polling_needs_role: bool = False
    checks_uploads: bool = True
    snapshots_inherit_policy: bool = False
