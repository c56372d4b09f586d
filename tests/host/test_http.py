"""The HTTP trigger: what a client and a function see of each other."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from infra.local.host.forked import fork
from infra.local.host.keys import AuthLevel, Keys
from infra.local.host.process import HostProcess, run_host
from infra.local.host.routes import Route
from tests.host.sample import Sample, write_app

PICTURE = bytes(range(256))
GROUP = "6f4b3f0e-1a59-4f4c-9a53-1f1f6e3f7a10"

HEADERS_APP = """
import json, os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="headers")
def headers(req: func.HttpRequest) -> str:
    return json.dumps({"headers": dict(req.headers), "environment": dict(os.environ)})
"""


@pytest.fixture(scope="module")
async def client(host: HostProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.url) as session:
        yield session


async def test_a_function_sees_the_method_the_url_the_headers_the_query_and_the_body(
    client: aiohttp.ClientSession, host: HostProcess
) -> None:
    query = [("disk", "os disk.vhd"), ("empty", ""), ("twice", "1"), ("twice", "2")]
    async with client.post("/api/echo", params=query, headers={"X-Mixed": "Case"}, data=PICTURE) as answer:
        asked: dict[str, Any] = json.loads(await answer.read())
    assert asked["method"] == "POST"
    assert asked["url"].startswith(f"{host.url}/api/echo?disk=os")
    assert asked["headers"]["x-mixed"] == "Case"
    assert asked["query"] == {"disk": "os disk.vhd", "twice": "1,2"}, "empty values are left out"
    assert bytes.fromhex(asked["body"]) == PICTURE


async def test_a_client_sees_the_status_the_headers_and_the_type_that_the_function_gave(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/echo") as answer:
        assert answer.status == 203
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Twice"] == "one, two"


async def test_a_binary_body_arrives_as_it_was_sent(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/picture") as answer:
        assert await answer.read() == PICTURE
        assert answer.content_type == "image/png"


async def test_a_text_that_is_returned_is_the_body(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/plain") as answer:
        assert (answer.status, await answer.text()) == (200, "a text with ümlauts by GET")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_a_function_that_returns_nothing_is_refused_by_the_worker_library(
    client: aiohttp.ClientSession, host: HostProcess
) -> None:
    async with client.get("/api/silent") as answer:
        assert (answer.status, await answer.read()) == (500, b"")
    assert host.log_path is not None
    assert "NotImplementedError" in host.log_path.read_text()


async def test_a_head_runs_the_function_and_has_the_headers_alone(
    client: aiohttp.ClientSession, shared_sample: Sample
) -> None:
    async with client.head("/api/echo") as answer:
        assert (answer.status, await answer.read()) == (203, b"")
        assert answer.content_type == "application/json"
    assert shared_sample.events("echo", method="HEAD")


@pytest.mark.parametrize("path", ["/api/none", "/echo", "/", "/api", "/api/echo/more", "/apiecho"])
async def test_a_path_that_no_route_has_is_not_found(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_method_that_no_route_has_is_not_found_as_in_azure(client: aiohttp.ClientSession) -> None:
    async with client.put("/api/echo") as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_function_that_fails_is_a_500_that_says_nothing_of_why(
    client: aiohttp.ClientSession, host: HostProcess
) -> None:
    async with client.get("/api/broken") as answer:
        assert (answer.status, await answer.read()) == (500, b"")
    assert (await host.status())["invocations"]["broken"]["failed"] >= 1
    assert host.log_path is not None
    assert "ValueError: the secret of GET" in host.log_path.read_text()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/disks/os.vhd", '{"disk": "os.vhd"}'),
        ("/api/disks/os.vhd/latest", '{"disk": "os.vhd", "point": "latest"}'),
        ("/API/Disks/OS.vhd/", '{"disk": "OS.vhd"}'),
        ("/api/disks/a%2Fb%20c", '{"disk": "a/b c"}'),
        ("/api/disks/first", "the first, by GET"),
        ("/api/files/a/b/c.txt", '{"path": "a/b/c.txt"}'),
        ("/api/files", "{}"),
    ],
)
async def test_the_parameters_of_a_route_are_read_from_the_path(host: HostProcess, path: str, found: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(URL(host.url + path, encoded=True)) as answer:
        assert await answer.text() == found


class TestKeys:
    async def test_a_request_without_a_key_never_reaches_the_function(
        self, client: aiohttp.ClientSession, shared_sample: Sample
    ) -> None:
        before = len(shared_sample.events("keyed"))
        for headers in ({}, {"x-functions-key": ""}, {"x-functions-key": "wrong"}, {"x-functions-key": "wröng"}):
            async with client.get("/api/keyed", headers=headers) as answer:
                assert (answer.status, await answer.read()) == (401, b"")
        assert len(shared_sample.events("keyed")) == before

    async def test_a_function_key_opens_what_needs_one_in_the_header_or_in_the_query(
        self, client: aiohttp.ClientSession, host: HostProcess
    ) -> None:
        key = host.keys.function
        async with client.get("/api/keyed", headers={"X-Functions-Key": key}) as answer:
            assert await answer.text() == "open"
        for name in ("code", "CODE"):
            async with client.get("/api/keyed", params={name: key}) as answer:
                assert await answer.text() == "open"

    async def test_the_header_counts_before_the_query(self, client: aiohttp.ClientSession, host: HostProcess) -> None:
        wrong = {"x-functions-key": "wrong"}
        async with client.get("/api/keyed", headers=wrong, params={"code": host.keys.function}) as answer:
            assert answer.status == 401

    async def test_what_is_for_admins_needs_the_master_key(
        self, client: aiohttp.ClientSession, host: HostProcess
    ) -> None:
        async with client.get("/api/for-admins", headers={"x-functions-key": host.keys.function}) as answer:
            assert answer.status == 401
        for path in ("/api/for-admins", "/api/keyed"):
            async with client.get(path, headers={"x-functions-key": host.keys.master}) as answer:
                assert answer.status == 200

    async def test_no_key_is_in_the_log_or_in_what_the_app_sees(self, host: HostProcess, tmp_path: Path) -> None:
        assert host.log_path is not None
        assert host.keys.function not in host.log_path.read_text()
        assert host.keys.function not in repr(host.keys)
        async with headers_app(tmp_path) as (own_host, session), session.get("/api/headers") as answer:
            seen = await answer.text()
        assert own_host.keys.function not in seen
        assert own_host.keys.master not in seen

    @given(st.text(), st.text(alphabet=st.characters(codec="utf-8")))
    def test_no_text_but_a_key_opens_anything(self, in_header: str, in_query: str) -> None:
        keys = Keys("the function key", "the master key")
        assert keys.level({"x-functions-key": in_header}, {"code": in_query}) == AuthLevel.ANONYMOUS
        assert keys.level({}, {"code": in_query}) == AuthLevel.ANONYMOUS


@asynccontextmanager
async def headers_app(folder: Path, signed_in: str = "") -> AsyncIterator[tuple[HostProcess, aiohttp.ClientSession]]:
    """Run an app that answers the headers and the environment that it gets."""
    app = write_app(folder / "app", HEADERS_APP)
    async with (
        run_host(app, {}, log=folder / "host.log", signed_in=signed_in, start=fork) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        yield running, session


async def test_where_authentication_is_on_the_platform_says_who_asks_and_nobody_else_can(tmp_path: Path) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": "forged", "x-ms-client-principal-id": "forged", "X-Kept": "kept"}
    async with headers_app(tmp_path, GROUP) as (_, session), session.get("/api/headers", headers=forged) as answer:
        seen = json.loads(await answer.text())
    principal = json.loads(base64.b64decode(seen["headers"]["x-ms-client-principal"]))
    assert {"typ": "groups", "val": GROUP} in principal["claims"]
    assert seen["headers"]["x-ms-client-principal-idp"] == "aad"
    assert seen["headers"]["x-kept"] == "kept"
    assert "forged" not in json.dumps(seen["headers"])
    assert seen["environment"]["WEBSITE_AUTH_ENABLED"] == "True"


async def test_where_authentication_is_off_a_client_can_send_any_header_as_in_azure(tmp_path: Path) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": "forged"}
    async with headers_app(tmp_path) as (_, session), session.get("/api/headers", headers=forged) as answer:
        seen = json.loads(await answer.text())
    assert seen["headers"]["x-ms-client-principal"] == "forged"
    assert "WEBSITE_AUTH_ENABLED" not in seen["environment"]


@pytest.mark.parametrize(("prefix", "path"), [("", "/headers"), ("backups/v1", "/backups/v1/headers")])
async def test_the_prefix_of_routes_is_that_of_host_json(tmp_path: Path, prefix: str, path: str) -> None:
    app = write_app(tmp_path / "app", HEADERS_APP)
    (app / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": prefix}}}))
    async with (
        run_host(app, {}, log=tmp_path / "host.log", start=fork) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        async with session.get(path) as answer:
            assert answer.status == 200
        async with session.get("/api/headers") as answer:
            assert answer.status == 404
        assert await running.functions() == {"headers": "httpTrigger"}, "the admin API answers beside them"


async def test_a_route_that_the_host_does_not_play_is_named(tmp_path: Path) -> None:
    source = HEADERS_APP.replace('route="headers"', 'route="disks/{number:int}"')
    with pytest.raises(RuntimeError, match=r"route of headers is 'disks/\{number:int\}'.*is not supported"):
        async with run_host(write_app(tmp_path / "app", source), {}, log=tmp_path / "log", start=fork):
            pass


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_a_route_gives_the_parts_of_a_path_and_none_of_a_longer_one(parts: list[str]) -> None:
    path = "/".join(quote(part, safe="") for part in parts)
    route = Route.parse("/".join(f"{{p{number}}}" for number in range(len(parts))))
    assert route.match(path) == {f"p{number}": part for number, part in enumerate(parts)}
    assert route.match(f"{path}/more") is None
