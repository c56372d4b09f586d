"""What people run where there is no app, to copy a page blob's snapshot to another account: a script, and AzCopy."""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobClient, BlobServiceClient, ContainerSasPermissions, ExponentialRetry
from azure.storage.blob import generate_container_sas as container_sas

from shared.limits import MAX_WRITE, STORAGE_API_VERSION
from tests.benchmarks.served import COPIES

GET_AZCOPY = """AzCopy is not here, so it is left out. To have it beside the others:
  npm install --prefix FOLDER @azure-tools/azcopy-linux && apt-get install libsecret-1-0
  chmod +x FOLDER/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64
and name that file by --azcopy."""

_WITHIN = timedelta(hours=4)


class Script:
    """A script over the SDK, as a person writes it: it lists what to copy, and has one range copied after the other."""

    def __init__(self, source: str, target: str) -> None:
        """Take the connection strings of the disks' account and of the copies'."""
        self._source, self._target = (_service(string) for string in (source, target))

    def copy(self, container: str, blob: str, snapshot: str, url: str, since: str | None) -> None:
        """Copy a snapshot, or what has changed since another one; the URL reads it."""
        disk = self._source.get_blob_client(container, blob, snapshot=snapshot)
        target = self._target.get_blob_client(COPIES, "script.vhd")
        if since is None:
            target.create_page_blob(disk.get_blob_properties().size)
        for found in disk.list_page_ranges(previous_snapshot=since):
            self._apply(target, url, int(found.start or 0), int(found.end or 0) + 1, cleared=found.cleared)

    def _apply(self, target: BlobClient, url: str, start: int, end: int, *, cleared: bool) -> None:
        if cleared:
            target.clear_page(start, end - start)
            return
        for at in range(start, end, MAX_WRITE):
            target.upload_pages_from_url(url, at, min(MAX_WRITE, end - at), at)


def _service(connection_string: str) -> BlobServiceClient:
    # The SDK's default waits 18 s after a first refusal.
    retries = ExponentialRetry(1, 2, retry_total=8)
    return BlobServiceClient.from_connection_string(
        connection_string, api_version=STORAGE_API_VERSION, retry_policy=retries
    )


class AzCopy:
    """AzCopy. It knows no differences: each copy is of all that is on the disk, in pieces of 4 MiB."""

    def __init__(self, program: str, account: Mapping[str, str]) -> None:
        """Take its path, and the fields of the connection string of the copies' account."""
        self._program, self._account = program, account

    async def copy(self, url: str) -> None:
        """Copy the snapshot that the URL reads.

        Raises:
            RuntimeError: it failed; the message is what it printed.
        """
        signature = container_sas(
            self._account["AccountName"],
            COPIES,
            account_key=self._account["AccountKey"],
            permission=ContainerSasPermissions(read=True, write=True, create=True, add=True, delete=True, list=True),
            expiry=datetime.now(UTC) + _WITHIN,
        )
        target = f"{self._account['BlobEndpoint']}/{COPIES}/azcopy.vhd?{signature}"
        how = ["--from-to=BlobBlob", "--blob-type=PageBlob", "--s2s-preserve-access-tier=false", "--skip-version-check"]
        with tempfile.TemporaryDirectory(prefix="tidemark-azcopy-") as folder:
            places = dict.fromkeys(("AZCOPY_LOG_LOCATION", "AZCOPY_JOB_PLAN_LOCATION"), folder)
            process = await asyncio.create_subprocess_exec(
                *(self._program, "copy", url, target, *how),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **places, "AZCOPY_DISABLE_SYSLOG": "true"},
            )
            printed, _ = await process.communicate()
            if process.returncode:
                raise RuntimeError(printed.decode()[-2000:])
