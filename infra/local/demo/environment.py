"""The demo's environment: a local Azure, the app on the local host, and disks with their backup blobs."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import BlobServiceClient

from infra.local.azurite import Account
from infra.local.demo.backing_up import Backups
from infra.local.demo.command_line import CommandLine, keys_of
from infra.local.demo.terminal import Terminal
from infra.local.demo.watching import SETTINGS, Watch
from infra.local.disks.page_blob import PageBlob
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.host.process import HostProcess, run_host
from infra.local.identity_azure import OPERATOR_ROLES, READER_ROLES, run_identity_azure
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS, ROOT, LocalAzure, run_local_azure
from infra.local.status_page import GROUP, PAGE_SETTINGS
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.names import BACKUPS_TABLE

_CONTAINER = "vhds"


@dataclass(frozen=True, slots=True)
class ProtectedDisk:
    """A disk, its backup blob, and its backups by the app."""

    source: PageBlob
    backup: PageBlob
    backups: Backups

    @property
    def address(self) -> BlobAddress:
        """The disk's address."""
        return BlobAddress.parse(self.source.url)


@dataclass(frozen=True, slots=True)
class ProtectedDisks:
    """The disks of the local Azure and their backups."""

    azure: LocalAzure
    http: aiohttp.ClientSession
    services: Mapping[Account, BlobServiceClient]
    host: HostProcess
    table: TableClient

    def of(self, disk: BlobAddress) -> ProtectedDisk:
        """Return a disk with its backup blob; neither needs to exist yet."""
        return ProtectedDisk(
            self._blob(DISKS, disk.container, disk.blob),
            self._blob(BACKUPS, BACKUP_CONTAINER, PageBlobDisk(disk).backup_name),
            Backups(self.host, self.table, PageBlobDisk(disk)),
        )

    def _blob(self, account: Account, container: str, name: str) -> PageBlob:
        return PageBlob(self.services[account].get_blob_client(container, name), account, self.azure, self.http)


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """A running local Azure, and the app for one disk on it.

    Attributes:
        original: the disk in `SOURCE_DISKS`, not uploaded yet, and its backup blob.
        disks: all disks.
        command_line: somebody with the command line.
        watch: looks at what the app has put on record.
        folder: for images.
        terminal: prints each step.
    """

    original: ProtectedDisk
    disks: ProtectedDisks
    command_line: CommandLine
    watch: Watch
    folder: Path
    terminal: Terminal


@contextlib.asynccontextmanager
async def run_environment(
    terminal: Terminal, folder: Path, log: Path, name: str, *, by_identity: bool = False
) -> AsyncIterator[DemoEnvironment]:
    """Run the local Azure with an empty container for the disk, and the app on the local host.

    Args:
        terminal: prints each step.
        folder: for images.
        log: the functions host's.
        name: blob name of the disk to back up.
        by_identity: disable account keys; the app has its managed identity only, and who types commands is signed in.
    """
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        with terminal.step("Starting a local Azure and the app") as step:
            azure, access = await _azure(stack, by_identity=by_identity)
            http = await enter(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=azure.trusted())))
            services = {account: await enter(azure.blobs(account)) for account in (DISKS, BACKUPS)}
            container = await services[DISKS].create_container(_CONTAINER)
            disk = BlobAddress.parse(container.get_blob_client(name).url)
            table = (await enter(azure.tables())).get_table_client(BACKUPS_TABLE)
            host = await enter(
                run_host(ROOT, azure.app_settings([disk.url], **SETTINGS, **PAGE_SETTINGS), log=log, signed_in=GROUP)
            )
            keys = ", keys off" if by_identity else ""
            step.result = f"blobs at {azure.gateway.url}{keys}, the functions host at {host.url}"
        disks = ProtectedDisks(azure, http, services, host, table)
        typing = CommandLine(terminal, host, folder, access)
        yield DemoEnvironment(disks.of(disk), disks, typing, Watch(host, table), folder, terminal)


async def _azure(stack: contextlib.AsyncExitStack, *, by_identity: bool) -> tuple[LocalAzure, Mapping[str, str]]:
    """Run the local Azure; give it, and the environment by which the command line gets in.

    With keys disabled, grant the app access to the disks; and who types commands the roles of an operator who may read.
    """
    if not by_identity:
        local = await stack.enter_async_context(run_local_azure())
        return local, keys_of(local)
    azure = await stack.enter_async_context(run_identity_azure())
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{_CONTAINER}")
    azure.give_operator(*OPERATOR_ROLES, *READER_ROLES)
    return azure, await stack.enter_async_context(azure.sign_in())
