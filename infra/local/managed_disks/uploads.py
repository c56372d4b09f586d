"""Uploads into new managed disks: ReadyToUpload, then ActiveUpload by a SAS to write, then Unattached.

https://learn.microsoft.com/azure/virtual-machines/linux/disks-upload-vhd-to-managed-disk-cli
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from infra.local.disks.vhd import FOOTER_BYTES, MIB, check_footer

from .access import Access
from .arm_errors import ArmError, conflict, invalid
from .bodies import check_name, disk_of, section
from .content import DiskContent
from .resource_ids import ResourceId
from .resources import BACKGROUND_COPY, Disk, Resource
from .store import Store, new_path

LEAST_BYTES, MOST_BYTES = 20_972_032, 35_183_298_347_520
"""The limits of `uploadSizeBytes` (azure-mgmt-compute 39.0.0, CreationData)."""

NewContent = Callable[[str, int], DiskContent]
"""Makes the content of a disk of so many bytes, in the blob at a decoded path."""


class Uploads:
    """Makes disks to upload into, and ends uploads."""

    def __init__(self, store: Store, new_content: NewContent) -> None:
        self._store = store
        self._new_content = new_content

    async def begin(self, at: ResourceId, body: Mapping[str, Any]) -> Disk:
        """Make a disk to upload into.

        Raises:
            ArmError: a bad body.
        """
        check_name(at)
        creation = section(section(body, "properties"), "creationData")
        size, path = _upload_size(creation) - FOOTER_BYTES, new_path("md-", "abcd")
        content = self._new_content(path, size)
        made = disk_of(at, body, content, size=size, path=path, created=self._store.clock.now())
        made.sector_size = creation.get("logicalSectorSize", 4096 if made.sku in BACKGROUND_COPY else 512)
        made.create_option, made.upload = "Upload", "ReadyToUpload"
        await content.create(has_footer=False)
        self._store.add(made)
        return made

    def require_same(self, disk: Disk, body: Mapping[str, Any]) -> None:
        """Require that a PUT of a disk that is there changes nothing of how it was made.

        Raises:
            ArmError: PropertyChangeNotAllowed.
        """
        creation = section(section(body, "properties"), "creationData")
        was = {"createOption": disk.create_option, "uploadSizeBytes": disk.size + FOOTER_BYTES}
        for name, value in was.items():
            if name in creation and creation[name] != value:
                raise ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.")

    def open(self, resource: Resource, life: timedelta) -> Access:
        """Grant a SAS to write.

        Raises:
            ArmError: it is no disk that waits for an upload.
        """
        if not isinstance(resource, Disk) or not resource.upload:
            raise conflict(f"{resource.id.text} is no disk in state ReadyToUpload: no SAS to write can be granted.")
        resource.upload = "ActiveUpload"
        path, ends = new_path("md-impexp-", "abcd"), self._store.clock.now() + life
        return self._store.grant(Access(path, resource.content.blob, "", writes=True, expires_at=ends), resource)

    async def end(self, disk: Disk) -> ArmError | None:
        """End an upload; return why it failed: what was uploaded must be a fixed VHD of the disk's size.

        That it is checked, and the code, is a guess; so is that the disk waits for another upload then.
        """
        try:
            size = check_footer(await disk.content.footer()).size
        except ValueError as error:
            return _refused(disk, f"What was uploaded into {disk.id.text} is no VHD. {error}")
        if size != disk.size:
            return _refused(disk, f"The VHD uploaded into {disk.id.text} is of {size} bytes, not of {disk.size}.")
        disk.upload = None
        if self._store.behaviour.rewrites_footers:
            await disk.content.rewrite_footer()
        return None


def _upload_size(creation: Mapping[str, Any]) -> int:
    if creation.get("createOption") != "Upload":
        raise invalid("creationData.createOption", "A disk is made by createOption Upload here.")
    size = creation.get("uploadSizeBytes")
    if not isinstance(size, int) or not LEAST_BYTES <= size <= MOST_BYTES or (size - FOOTER_BYTES) % MIB:
        message = f"It must be whole MiB and {FOOTER_BYTES} bytes, from {LEAST_BYTES} to {MOST_BYTES}, not {size}."
        raise invalid("creationData.uploadSizeBytes", message)
    return size


def _refused(disk: Disk, why: str) -> ArmError:
    disk.upload = "ReadyToUpload"
    return ArmError(409, "InvalidVhd", why)
