"""Run a local Azure with an example disk and the app, to try things out; its data is deleted at the end."""

import argparse
import asyncio
import json
import sys

import aiohttp

from infra.local.disks.example_disk import make_example_disk
from infra.local.disks.page_blob import PageBlob
from infra.local.disks.vhd import MIB
from infra.local.graceful_shutdown import in_thread, run_until_stopped
from infra.local.host.process import HostProcess, run_host
from infra.local.local_azure import BACKUPS, DISKS, HOST, ROOT, LocalAzure, run_local_azure
from infra.local.status_page import GROUP, PAGE_SETTINGS, page_url
from shared.model.names import BACKUPS_TABLE, RESTORE_REQUESTS_QUEUE
from shared.model.requests import LATEST

_CONTAINER = "vhds"
_DISK = "example.vhd"
_DISK_BYTES = 64 * MIB
_LOOK_SECONDS = 1.0
_LOG_LINES = 30
_READY = """
The local Azure and the app are running. Every 12 hours, and whenever you start a backup, the app backs up
  {pattern}

The status page, as a browser shows it
  {page}

Addresses
  blobs           {blobs}/ACCOUNT, where ACCOUNT is {disks}, {backups} or {host}
  queues          {queues}/{host}
  table           {tables}/{host}
  example disk    {disk}
  functions host  {admin}
  host log        {log}

Connection strings (the keys are derived from the account names and work only here: they are not secrets)
  {disks}:  {disks_connection}
  {backups}:  {backups_connection}
  {host}:  {host_connection}

What to type next, in another terminal, in {root}
  # start a backup
  curl -X POST {admin}/admin/functions/take_snapshots -H 'content-type: application/json' -d '{{}}'

  # read the record: one row for the disk and one for each recovery point (with az, or without)
  export AZURE_STORAGE_CONNECTION_STRING='{host_connection}'
  az storage entity query --table-name {table}
  {python} -c '{read_record}'

  # see how the backups stand, and ask for more, by the command line
  export TIDEMARK_STORAGE='{host_connection}'
  python3 infra/local tidemark status

  # change files on the disk as a guest would; then start a backup again: the new recovery point is incremental
  python3 infra/local change {disk}

  # restore the last recovery point to a new disk next to it (with az, or without), and watch the restore's row
  az storage message put --queue-name {queue} --content '{request}'
  {python} -c '{put_message}' '{request}'
  az storage entity query --table-name {table} --filter "RowKey ge 'restore-' and RowKey lt 'restore.'"

  # follow the app's log
  tail -f {log}

Press Ctrl-C to stop everything and delete its data."""
_READ_RECORD = (
    "import os, azure.data.tables as t; "
    'account = t.TableServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"]); '
    f'[print(row, "\\n") for row in account.get_table_client("{BACKUPS_TABLE}").list_entities()]'
)
_PUT_MESSAGE = (
    "import os, sys, azure.storage.queue as q; "
    f'q.QueueClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"], "{RESTORE_REQUESTS_QUEUE}")'
    ".send_message(sys.argv[1])"
)


def main() -> int:
    """Run until Ctrl-C or SIGTERM and return 0; return 1 if it can't start or the functions host exits."""
    argparse.ArgumentParser(prog="python3 infra/local up", description=__doc__).parse_args()
    try:
        code = run_until_stopped(_play(), when_stopped=0)
    except (RuntimeError, OSError, aiohttp.ClientError) as error:
        print(f"The local Azure failed: {error}", file=sys.stderr)
        return 1
    if code == 0:
        print("\nStopped; nothing is left running.")
    return code


async def _play() -> int:
    print("Starting a local Azure, an example disk and the app ...", flush=True)
    async with run_local_azure() as azure:
        pattern = f"{azure.blob_url(DISKS)}/{_CONTAINER}/*.vhd"
        disk_url = await _upload_example(azure)
        settings, log = azure.app_settings([pattern], **PAGE_SETTINGS), azure.folder / "host.log"
        async with run_host(ROOT, settings, log=log, signed_in=GROUP) as host:
            print(_ready(azure, host, pattern, disk_url), flush=True)
            await _watch(azure, host)
            print(
                f"\nThe functions host exited unexpectedly. The last lines of its log:\n{_end(host)}", file=sys.stderr
            )
    return 1


async def _upload_example(azure: LocalAzure) -> str:
    """Upload the example disk to where the app looks for disks; return its URL."""
    image = azure.folder / _DISK
    await in_thread(lambda: make_example_disk(image, _DISK_BYTES))
    async with azure.blobs(DISKS) as service, aiohttp.ClientSession() as http:
        await service.create_container(_CONTAINER)
        disk = PageBlob(service.get_blob_client(_CONTAINER, _DISK), DISKS, azure, http)
        await disk.upload(image, lambda _: None)
    return disk.url


async def _watch(azure: LocalAzure, host: HostProcess) -> None:
    """Return when the host stops responding; meanwhile keep the gateway's list of requests from growing."""
    while True:
        try:
            await host.status()
        except aiohttp.ClientError:
            return
        azure.gateway.requests.clear()
        await asyncio.sleep(_LOOK_SECONDS)


def _ready(azure: LocalAzure, host: HostProcess, pattern: str, disk_url: str) -> str:
    return _READY.format(
        pattern=pattern,
        page=page_url(host),
        blobs=azure.gateway.url,
        queues=azure.azurite.queue_url,
        tables=azure.azurite.table_url,
        disk=disk_url,
        admin=host.url,
        log=host.log_path,
        disks=DISKS.name,
        backups=BACKUPS.name,
        host=HOST.name,
        disks_connection=azure.connection_string(DISKS),
        backups_connection=azure.connection_string(BACKUPS),
        host_connection=azure.connection_string(HOST),
        root=ROOT,
        table=BACKUPS_TABLE,
        python=sys.executable,
        read_record=_READ_RECORD,
        queue=RESTORE_REQUESTS_QUEUE,
        request=json.dumps({"disk": disk_url, "point": LATEST}),
        put_message=_PUT_MESSAGE,
    )


def _end(host: HostProcess) -> str:
    log = host.log_path.read_text(errors="replace") if host.log_path else ""
    return "\n".join(log.splitlines()[-_LOG_LINES:])
