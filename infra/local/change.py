"""Change the disk of a running `up` as a guest would: `python3 infra/local change DISK`."""

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobClient

from infra.local.azurite import Account
from infra.local.demo.disk_states import DiskState, changed_once_more, initial_state
from infra.local.disks.page_blob import write_changes
from infra.local.graceful_shutdown import in_thread
from infra.local.local_azure import BLOB_API_VERSION
from shared.model.texts import human_size

_LOCAL = "http://127.0.0.1:"
_ADVICE = "What to do: copy the command from what `python3 infra/local up` prints, while it runs."
_NEXT = """
What to type next, as printed by `up`:
  the command under "start a backup": it copies only these changes
  a command under "read the record": the new point- row has the kind incremental, bytes_written and bytes_cleared"""


def main() -> int:
    """Change the disk; return 0, or 1 if it can't be changed."""
    parser = argparse.ArgumentParser(prog="python3 infra/local change", description="Change a disk as a guest would.")
    parser.add_argument("disk", metavar="DISK", help="the URL of the disk, as `python3 infra/local up` prints it")
    disk: str = parser.parse_args().disk
    if not disk.startswith(_LOCAL):
        print(f"{disk} is not a disk of the local Azure. {_ADVICE}", file=sys.stderr)
        return 1
    try:
        state = asyncio.run(_change(disk))
    except (AzureError, ValueError, OSError, RuntimeError) as error:
        print(f"{disk} could not be changed: {str(error).splitlines()[0]}\n{_ADVICE}", file=sys.stderr)
        return 1
    written, cleared = (_length(state, cleared=cleared) for cleared in (False, True))
    print(f"Changed {disk}: {state.about}\n  {human_size(written)} written, {human_size(cleared)} cleared\n{_NEXT}")
    return 0


async def _change(disk: str) -> DiskState:
    """Change files in a copy of the disk, and write the changes to the disk."""
    name = disk.removeprefix(_LOCAL).split("/")[1]
    credential = {"account_name": name, "account_key": Account.named(name).key}
    with tempfile.TemporaryDirectory(prefix="tidemark-change-") as temporary:
        folder = Path(temporary)
        # The likeliest error is that `up` is not running: no long retries.
        async with BlobClient.from_blob_url(
            disk, credential=credential, api_version=BLOB_API_VERSION, retry_total=0
        ) as client:
            image = folder / "disk.vhd"
            await _download(client, image)
            first = await in_thread(lambda: initial_state(folder, 0, image))
            when = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
            changed = await in_thread(lambda: changed_once_more(folder, first, when))
            await write_changes(client, changed.image, changed.changes, lambda _: None)
    return changed


async def _download(client: BlobClient, image: Path) -> None:
    """Copy the valid pages of a page blob to a sparse file."""
    size = (await client.get_blob_properties()).size
    with image.open("wb") as file:
        file.truncate(size)
        async for valid in client.list_page_ranges():
            start, end = int(valid.start or 0), int(valid.end or 0)
            file.seek(start)
            file.write(await (await client.download_blob(start, end - start + 1)).readall())


def _length(state: DiskState, *, cleared: bool) -> int:
    return sum(change.end - change.start for change in state.changes if change.cleared is cleared)


if __name__ == "__main__":
    sys.exit(main())
