"""Waiting has an end, and never looks more than once a second."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cli.programs import forked
from tidemark.outcome import Exit, Problem
from tidemark.waiting import wait_for

KEY = "c2VjcmV0LWtleQ=="


def job(state: str) -> Mapping[str, Any]:
    return {"id": "1", "row": "restore-1", "disk": "", "kind": "restore", "state": state, "shown": state, "reason": ""}


@pytest.mark.parametrize("end", ["done", "refused", "failed", "expiring"])
async def test_it_ends_with_the_job(end: str) -> None:
    seen = [[], [job("copying")], [job(end)]]
    looks: list[float] = []

    async def look() -> Sequence[Mapping[str, Any]]:
        looks.append(time.monotonic())
        return seen[min(len(looks), len(seen)) - 1]

    assert await wait_for(look, "1h", quiet=True) == [job(end)]
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(looks))


async def test_it_ends_at_the_timeout_and_says_that_the_job_goes_on() -> None:
    async def look() -> Sequence[Mapping[str, Any]]:
        return [job("copying")]

    with pytest.raises(Problem, match="1 has not ended within 2s; it goes on") as over:
        await wait_for(look, "2s", quiet=True)
    assert over.value.code is Exit.ATTENTION


async def test_a_timeout_that_is_none_is_a_mistake() -> None:
    with pytest.raises(Problem, match="is not a length of time"):
        await wait_for(lambda: asyncio.sleep(0, []), "forever", quiet=True)


@pytest.fixture(params=[403, 404])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[tuple[int, str]]:
    """A storage that refuses everything: its connection string."""

    async def refuse(_: web.BaseRequest) -> web.Response:
        return web.json_response({"odata.error": {"code": "Refused"}}, status=request.param)

    runner = web.ServerRunner(web.Server(refuse))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoints = "".join(f"{name}Endpoint=http://{host}:{port}/apps;" for name in ("Table", "Queue", "Blob"))
    yield request.param, f"DefaultEndpointsProtocol=http;AccountName=apps;AccountKey={KEY};{endpoints}"
    await runner.cleanup()


async def test_who_may_not_is_told_which_role_it_takes(storage: tuple[int, str], tmp_path: Path) -> None:
    status, connection = storage
    disk = "https://account.blob.core.windows.net/vhds/os.vhd"
    for typed, role, what in (
        (("status",), "Storage Table Data Reader", "the table backups"),
        (("verify", disk), "Storage Queue Data Message Sender", "the queue verify"),
    ):
        code, out, err = await forked(typed, {"TIDEMARK_STORAGE": connection, "COLUMNS": "80"}, tmp_path)
        assert (code, out) == (3, b"")
        assert (
            f"{what} of the storage account apps {'refuses you' if status == 403 else 'is not there'}" in err.decode()
        )
        assert (role in err.decode()) == (status == 403)
        assert KEY not in err.decode()
