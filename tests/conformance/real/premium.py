"""The probe of premium accounts: snapshots read by signature, diffs, and copies over a disk that has snapshots."""

from azure.core.exceptions import HttpResponseError

from shared.limits import PAGE, STORAGE_API_VERSION
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.snapshots import diff
from tests.conformance.real.sources import content, ended
from tests.conformance.real.verdicts import NotSupportedError, NotTriedError
from tests.conformance.real.witness import Seen

_SIZE = 1024 * 1024


async def a_premium_disk_is_backed_up_and_restored(ground: Ground, seen: Seen) -> bool:
    """A page blob of 1 MiB: snapshot, read, diff, and Copy Blob of its snapshot and of another blob over it."""
    account = ground.accounts.premium
    if account is None:
        raise NotTriedError("--premium-account was not given")
    sku = str((await ground.service(account).get_account_information())["sku_name"])
    if not sku.startswith("Premium"):
        raise NotSupportedError(f"Get Account Information says {sku}: this is not a premium account")
    disk = await ground.make(account, "premium.vhd", _SIZE)
    base = str((await disk.create_snapshot())["snapshot"])
    await write(disk, 1, b"\2")
    taken = str((await disk.create_snapshot())["snapshot"])
    told = await diff(ground.blob(account, "premium.vhd", taken), base)
    seen.note(f"the diff of two snapshots: {told}")
    right = told == [(1, 2, "write")]
    backup = ground.blob(ground.accounts.backups, "of-premium.vhd")
    await backup.create_page_blob(_SIZE)
    url = await ground.signed(account, "premium.vhd", taken, STORAGE_API_VERSION)
    for what, request in (
        ("Put Page From URL of the snapshot", lambda: backup.upload_pages_from_url(url, 0, 2 * PAGE, 0)),
        ("Copy Blob of its snapshot over it", lambda: disk.start_copy_from_url(f"{disk.url}?snapshot={base}")),
        ("Copy Blob of a standard blob over it", lambda: _copy_standard(ground)),
    ):
        try:
            await request()
            said = "taken"
            if what.startswith("Copy"):
                said = f"{said}, then {await ended(disk, ground.scale.copy_seconds)}"
                right = right and said.endswith("success")
        except HttpResponseError as error:
            said, right = f"{error.status_code} {getattr(error, 'error_code', '')}", False
        seen.note(f"{what}: {said}")
    return right and await content(backup, 1) == b"\2"


async def _copy_standard(ground: Ground) -> None:
    premium = ground.accounts.premium
    assert premium
    url = await ground.signed(ground.accounts.backups, "of-premium.vhd", "", STORAGE_API_VERSION)
    await ground.blob(premium, "premium.vhd").start_copy_from_url(url)
