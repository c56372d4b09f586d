"""What a run makes in the accounts, all under one name of its own, and how it is taken away again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from shared.limits import MAX_CLEAR, PAGE
from shared.model.addresses import BlobAddress
from tests.conformance.real.accounts import Account
from tests.conformance.real.managed.ground import ManagedGround, open_disks
from tests.conformance.real.managed.place import FULL_DISKS, SMALL_DISKS, DiskPlace, DiskScale
from tests.conformance.real.names import require_name
from tests.conformance.real.verdicts import NotTriedError
from tests.conformance.real.witness import Witness

_RETRIES = {"retry_total": 3, "initial_backoff": 1, "increment_base": 2, "connection_timeout": 20, "read_timeout": 120}
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the probes are that write much.

    Attributes:
        fragments: pages written one by one, each `apart` bytes after the other.
        apart: bytes from one to the next.
        writers: writers at once, of `writes` pages each.
        writes: see `writers`.
        copies: Put Page From URL at once.
        copy_seconds: how long a copy between accounts may be pending.
        disks: how large those of managed disks are.
    """

    fragments: int = 16_384
    apart: int = 4 * 1024 * 1024
    writers: int = 16
    writes: int = 500
    copies: int = 64
    copy_seconds: float = 300.0
    disks: DiskScale = FULL_DISKS

    @property
    def size(self) -> int:
        """Bytes of the fragmented blob."""
        return self.fragments * self.apart

    @property
    def clear(self) -> int:
        """Bytes that the app has the service clear at once, at most."""
        return min(MAX_CLEAR, self.size // 2)


FULL = Scale()
SMALL = Scale(fragments=32, apart=64 * 1024, writers=2, writes=8, copies=6, copy_seconds=10.0, disks=SMALL_DISKS)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a run.

    Attributes:
        disks: where the disks are.
        backups: where they are backed up to; another one.
        premium: a premium page blob account, if there is one.
        versioned: a standard account with blob versioning on, if there is one.
        scoped: an account and a container in it on which alone the identity has its role, if there is one.
    """

    disks: Account
    backups: Account
    premium: Account | None = None
    versioned: Account | None = None
    scoped: tuple[Account, str] | None = None

    @property
    def owned(self) -> list[Account]:
        """The accounts in which something is made, each once."""
        given = (self.disks, self.backups, self.premium, self.versioned)
        return list({account.name: account for account in given if account}.values())


@dataclass(slots=True)
class Ground:
    """An open run.

    Attributes:
        name: of its container in each account, and the beginning of the names of all else.
        accounts: the accounts.
        witness: listens to the clients.
        scale: how large the probes are.
        kept: what a probe leaves to those after it.
    """

    name: str
    accounts: Accounts
    witness: Witness
    scale: Scale
    _clients: dict[str, BlobServiceClient] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    _managed: ManagedGround | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        name: str,
        accounts: Accounts,
        witness: Witness,
        scale: Scale = FULL,
        *,
        disks: DiskPlace | None = None,
        made: list[str] | None = None,
    ) -> AsyncIterator["Ground"]:
        """Open the clients and make the containers.

        What is made is taken away by `take_away` and `take_away_disks`, whatever happens.

        Args:
            name: the run's name.
            accounts: the accounts.
            witness: listens to the clients.
            scale: how large the probes are.
            disks: where managed disks may be made; None for nowhere.
            made: is told each disk and snapshot before it is made.
        """
        ground = cls(name, accounts, witness, scale)
        async with contextlib.AsyncExitStack() as stack:
            if disks:
                told = [] if made is None else made
                opening = open_disks(name, disks, scale.disks, told, (witness.manager_hooks, witness.hooks))
                ground._managed = await stack.enter_async_context(opening)
            for account in accounts.owned:
                client = account.blobs(**witness.hooks, **_RETRIES)
                ground._clients[account.name] = await stack.enter_async_context(client)
                await client.create_container(name)
            yield ground

    @property
    def managed(self) -> ManagedGround:
        """The managed disks.

        Raises:
            NotTriedError: there is nowhere to make any.
        """
        if self._managed is None:
            raise NotTriedError("--disk-group was not given: a resource group in which managed disks may be made")
        return self._managed

    def service(self, account: Account) -> BlobServiceClient:
        """Give the client of an account."""
        return self._clients[account.name]

    def address(self, account: Account, blob: str) -> BlobAddress:
        """Name a blob in the run's container of an account."""
        return BlobAddress.parse(f"{account.blob_url}/{self.name}/{blob}")

    def blob(self, account: Account, blob: str, snapshot: str | None = None) -> BlobClient:
        """Give the client of a blob in the run's container of an account."""
        return self.service(account).get_blob_client(self.name, blob, snapshot=snapshot)

    async def make(self, account: Account, blob: str, size: int = 4 * PAGE, pages: int = 1) -> BlobClient:
        """Make a page blob with its first pages written."""
        client = self.blob(account, blob)
        await client.create_page_blob(size)
        await write(client, 0, b"\1", pages)
        return client

    async def signed(self, account: Account, blob: str, snapshot: str, version: str) -> str:
        """Sign the reading of a blob or snapshot, as the app does; give the URL."""
        return await account.sign(self.service(account), self.address(account, blob), snapshot, version)


async def write(blob: BlobClient, page: int, content: bytes, pages: int = 1) -> None:
    """Write pages, all bytes alike."""
    body = content * (PAGE * pages)
    await blob.upload_page(body, page * PAGE, len(body))


async def take_away(name: str, accounts: Accounts) -> list[str]:
    """Delete all that bears the name of a run, and nothing else; give what could not be deleted, with the error.

    Raises:
        ValueError: the name is none of a run.
    """
    require_name(name)
    left: list[str] = []
    for account in accounts.owned:
        for attempt in range(_TRIES):
            left_here = await _take_away_of(account, name, with_tables=account is accounts.backups)
            if not left_here:
                break
            await asyncio.sleep(attempt)
        left += left_here
    return left


async def _take_away_of(account: Account, name: str, *, with_tables: bool) -> list[str]:
    left: list[str] = []
    try:
        async with account.blobs(**_RETRIES) as blobs:
            async for container in blobs.list_containers(name_starts_with=name):
                with _left(left, f"container {container.name}"):
                    await blobs.delete_container(container.name)
        if with_tables:
            await _take_away_queues_and_tables(account, name, left)
    except AzureError as error:
        left.append(f"{account.name}: {type(error).__name__}: {getattr(error, 'error_code', '')}")
    return left


async def _take_away_queues_and_tables(account: Account, name: str, left: list[str]) -> None:
    async with account.queues() as queues, account.tables() as tables:
        async for queue in queues.list_queues(name_starts_with=name):
            with _left(left, f"queue {queue.name}"):
                await queues.delete_queue(str(queue.name))
        first = table_prefix(name)
        async for table in tables.query_tables(f"TableName ge '{first}' and TableName lt '{first}~'"):
            if table.name.startswith(first):
                with _left(left, f"table {table.name}"):
                    await tables.delete_table(table.name)


@contextlib.contextmanager
def _left(left: list[str], what: str) -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError:
        return
    except AzureError as error:
        left.append(f"{what}: {type(error).__name__} {getattr(error, 'error_code', '')}")


def table_prefix(name: str) -> str:
    """Give what the names of a run's tables begin with: a table's name takes no hyphens."""
    return name.replace("-", "")
