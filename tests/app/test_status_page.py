"""Who gets the status page of the running app, and who does not."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.local.host.forked import fork
from infra.local.host.process import HostProcess, run_host
from infra.local.host.sign_in import SignIn
from infra.local.local_azure import DISKS, ROOT, LocalAzure
from infra.local.status_page import GROUP, PAGE_SETTINGS, page_url
from tests.app.cloud import Cloud, until

ROUTES = ("status", "status.json", "metrics")


@contextlib.asynccontextmanager
async def app(
    azure: LocalAzure, folder: Path, signed_in: str = "", **settings: str
) -> AsyncIterator[tuple[HostProcess, aiohttp.ClientSession]]:
    disks = [f"{azure.blob_url(DISKS)}/vhds/*.vhd"]
    async with (
        run_host(
            ROOT, azure.app_settings(disks, **settings), log=folder / "host.log", signed_in=signed_in, start=fork
        ) as host,
        aiohttp.ClientSession(host.url) as session,
    ):
        yield host, session


async def status_of(session: aiohttp.ClientSession, route: str, method: str = "GET", **how: Any) -> int:
    async with session.request(method, f"/api/{route}", **how) as answer:
        return answer.status


async def ticked(host: HostProcess, session: aiohttp.ClientSession) -> None:
    """Start a tick, and wait until there is something to show."""
    key = {"x-functions-key": host.keys.function}

    async def look() -> bool:
        return await status_of(session, "status", headers=key) == 200

    await host.start("take_snapshots")
    await until(look, "a report on record")


async def test_a_scraper_gets_the_page_by_the_key_in_the_header_alone(cloud: Cloud, tmp_path: Path) -> None:
    async with app(cloud.azure, tmp_path, STATUS_PAGE="key") as (host, session):
        key = {"x-functions-key": host.keys.function}
        async with session.get("/api/status.json", headers=key) as answer:
            assert answer.status == 503
            assert "no tick has begun" in (await answer.json())["error"]
        await ticked(host, session)
        for route in ROUTES:
            assert await status_of(session, route) == 401
            assert await status_of(session, route, headers={"x-functions-key": "another"}) == 401
            assert await status_of(session, route, headers=key) == 200
            assert await status_of(session, route, "HEAD", headers=key) == 200
            assert await status_of(session, route, "POST", headers=key) == 404
        async with session.get("/api/status", params={"code": host.keys.function}) as answer:
            assert answer.status == 400
            assert host.keys.function not in await answer.text()
        assert host.keys.function not in (tmp_path / "host.log").read_text()


async def test_a_member_of_the_group_gets_the_page_where_the_platform_signs_people_in(
    cloud: Cloud, tmp_path: Path
) -> None:
    async with app(cloud.azure, tmp_path, GROUP, **PAGE_SETTINGS) as (host, session):
        await ticked(host, session)
        async with session.get(page_url(host), headers={"Accept": "text/html"}) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.nightly
async def test_nobody_gets_the_page_where_the_platform_signs_nobody_in(cloud: Cloud, tmp_path: Path) -> None:
    forged = SignIn(GROUP).headers({})
    async with (
        app(cloud.azure, tmp_path, "another-group", **PAGE_SETTINGS) as (host, session),
        session.get(page_url(host), headers=forged) as answer,
    ):
        assert answer.status == 403
        assert "not in the group of STATUS_PAGE_GROUP" in await answer.text()
    async with (
        app(cloud.azure, tmp_path, **PAGE_SETTINGS) as (host, session),
        session.get(page_url(host), headers=forged) as answer,
    ):
        assert answer.status == 403
        assert "App Service Authentication is off" in await answer.text()


@pytest.mark.nightly
async def test_nothing_answers_http_unless_a_setting_says_so(cloud: Cloud, tmp_path: Path) -> None:
    async with app(cloud.azure, tmp_path) as (host, session):
        for route in ROUTES:
            assert await status_of(session, route, headers={"x-functions-key": host.keys.master}) == 404
        assert "httpTrigger" not in (await host.functions()).values()
