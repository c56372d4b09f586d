"""A page blob as the tests speak of it: pages of 512 bytes by their numbers."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobSasPermissions, PageRange, generate_blob_sas
from azure.storage.blob.aio import BlobClient, ContainerClient
from yarl import URL

from infra.local.azurite import Account

PAGE = 512
Found = list[tuple[int, int, bool]]


class PageBlob:
    """A page blob reached through the gateway.

    Attributes:
        account: its account.
        client: the SDK's client of the base blob.
    """

    def __init__(self, account: Account, container: ContainerClient, name: str) -> None:
        self.account = account
        self.client = container.get_blob_client(name)
        self._container = container
        self._name = name

    @property
    def path(self) -> str:
        return f"/{self.account.name}/{self._container.container_name}/{self._name}"

    async def create(self, pages: int) -> None:
        await self.client.create_page_blob(pages * PAGE)

    async def write(self, first: int, last: int, fill: bytes = b"x", **kwargs: Any) -> None:
        """Write pages `first` to `last`, both included."""
        length = (last - first + 1) * PAGE
        await self.client.upload_page((fill * length)[:length], offset=first * PAGE, length=length, **kwargs)

    async def clear(self, first: int, last: int, **kwargs: Any) -> None:
        """Clear pages `first` to `last`, both included."""
        await self.client.clear_page(offset=first * PAGE, length=(last - first + 1) * PAGE, **kwargs)

    async def clear_each(self, pages: Iterable[int], *, at_a_time: int = 16) -> None:
        """Clear pages one by one, past the SDK, which would take most of the time."""
        queue = list(pages)
        url = URL(f"{self.source_url(None, self.sas(None, permission='w'))}&comp=page", encoded=True)
        headers = {"x-ms-version": str(self.client.api_version), "x-ms-page-write": "clear"}

        async def work(session: aiohttp.ClientSession) -> None:
            while queue:
                first = queue.pop() * PAGE
                async with session.put(url, headers={"x-ms-range": f"bytes={first}-{first + PAGE - 1}"}) as answer:
                    assert answer.status == 201

        async with aiohttp.ClientSession(headers=headers) as session:
            await asyncio.gather(*(work(session) for _ in range(at_a_time)))

    async def snapshot(self) -> str:
        return str((await self.client.create_snapshot())["snapshot"])

    async def resize(self, pages: int) -> None:
        await self.client.resize_blob(pages * PAGE)

    async def delete_snapshot(self, snapshot: str) -> None:
        await self.at(snapshot).delete_blob()

    async def promote(self, snapshot: str, **kwargs: Any) -> dict[str, Any]:
        """Copy a snapshot over the base blob."""
        return dict(await self.client.start_copy_from_url(self.at(snapshot).url, **kwargs))

    def at(self, snapshot: str | None) -> BlobClient:
        """Give the client of a snapshot, or of the base blob for None."""
        return self._container.get_blob_client(self._name, snapshot=snapshot)

    async def ranges(self, since: str | None = None, until: str | None = None, **kwargs: Any) -> Found:
        """List pages (first, last, cleared): those valid, or with `since` those changed."""
        listed = self.at(until).list_page_ranges(previous_snapshot=since, **kwargs)
        return [pages(found) async for found in listed]

    async def read(self, first: int, last: int, *, snapshot: str | None = None) -> bytes:
        stream = await self.at(snapshot).download_blob(offset=first * PAGE, length=(last - first + 1) * PAGE)
        return await stream.readall()

    def sas(self, snapshot: str | None, *, minutes: int = 30, permission: str = "r") -> str:
        """Make a SAS of a snapshot, or of the base blob for None."""
        return generate_blob_sas(
            self.account.name,
            str(self._container.container_name),
            self._name,
            snapshot=snapshot,
            account_key=self.account.key,
            permission=BlobSasPermissions.from_string(permission),
            expiry=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes),
        )

    def source_url(self, snapshot: str | None, sas: str | None = None) -> str:
        """Give the URL to copy from, with a SAS made for it unless another is given ("" for none)."""
        url = self.at(snapshot).url
        token = self.sas(snapshot) if sas is None else sas
        return url + ("&" if "?" in url else "?") + token if token else url


def pages(found: PageRange) -> tuple[int, int, bool]:
    """Give a range in pages: (first, last, cleared)."""
    assert found.start is not None
    assert found.end is not None
    return found.start // PAGE, found.end // PAGE, bool(found.cleared)


def settled(found: Sequence[tuple[int, int, bool]]) -> bool:
    """Tell if ranges are in order, apart, and joined where alike."""
    pairs = itertools.pairwise(found)
    return all(a[0] <= a[1] < b[0] and (a[1] + 1 < b[0] or a[2] != b[2]) for a, b in pairs)


async def refusal(doing: Awaitable[object]) -> tuple[int | None, str]:
    """Do what the service should refuse, and give its status and error code."""
    with pytest.raises(HttpResponseError) as refused:
        await doing
    error: Any = refused.value  # the SDK adds `error_code` as it raises
    return error.status_code, str(getattr(error.error_code, "value", error.error_code))


NewBlob = Callable[[int], Awaitable[PageBlob]]
"""Makes a page blob of so many pages."""
