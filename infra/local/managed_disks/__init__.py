"""Managed disks of the local Azure: a resource manager over https, and the storage hosts (`md-…`) of its snapshots.

A test starts them beside a local Azure that runs, which costs some 50 milliseconds and two listeners:

    async with azure.managed_disks() as managed:  # a LocalAzure, or an IdentityAzure
        disk = await managed.create_disk("data", 64 * MIB, properties={"osType": "Linux"})
        await disk.write(0, b"x" * 4096)

`managed.settings` is what the app needs beside its other settings: RESOURCE_MANAGER_URL, the authority to trust, and
an identity whose tokens the resource manager takes. `managed.give(principal, role, scope)` says what it may do.

- Disks: `create_disk` (again under the same name: a disk with another `uniqueId`), `write`, `clear`, `read`, `resize`,
  `begin_family`, `attach`, `detach`; `managed.delete`, `managed.revoke`; `managed.snapshots`.
- Time: `managed.behaviour.looks` and `is_held` have operations take so many GETs, or last until `managed.release()`;
  `copy_looks` does for the background copies of Premium v2; `managed.clock.advance` for rates and SASs.
- Limits and habits: `managed.behaviour`, one attribute each; what no source tells is marked [guess] there.
- Faults: `managed.resource_manager.faults.add(ArmFault("Snapshots - Create Or Update", fail=(code, message)))`, or
  `refuse=(429, code, message), retry_after=7`; those of reads are the gateway's, with the SAS's path "/md-…/…/abcd".
- `managed.reset()` between tests. The fixture `managed` (tests/conftest.py) does it, and shares one set of disks among
  all tests of a process; a second set beside it is refused.

Not modelled: full snapshots, copies to other regions, restore points, guest state, immutability, disks made of
snapshots or by import, VHDX (a disk of 4096-byte sectors is exported as a VHD here), what changing a disk's SKU does.
"""

from .arm_fault import ArmFault
from .behaviour import Behaviour
from .managed_disks import API_VERSION, GROUP, LOCATION, MANAGED_DISKS, SUBSCRIPTION, ManagedDisks, run_managed_disks
from .resources import Disk, Snapshot

__all__ = [
    "API_VERSION",
    "GROUP",
    "LOCATION",
    "MANAGED_DISKS",
    "SUBSCRIPTION",
    "ArmFault",
    "Behaviour",
    "Disk",
    "ManagedDisks",
    "Snapshot",
    "run_managed_disks",
]
