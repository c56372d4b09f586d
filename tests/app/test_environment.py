"""What the environment of the app says of HTTP: a proxy is gone through; no password of somebody's is sent along."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from azure.core.rest import HttpRequest

from infra.local.local_azure import DISKS
from shared.azure.connections import open_connections
from shared.settings import Settings

NOWHERE = "http://disks.blob.nowhere.invalid"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@contextlib.asynccontextmanager
async def run_server(seen: list[tuple[str, str]]) -> AsyncIterator[int]:
    """Run a server that notes each request's URL and authorization; give its port."""

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((str(request.url), request.headers.get("Authorization", "")))
        return web.Response(headers={"x-ms-blob-type": "PageBlob", "Content-Length": "0"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _no_proxy_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def settings_with(service_url: str) -> Settings:
    key = f"AccountName={DISKS.name};AccountKey={DISKS.key};BlobEndpoint={service_url};"
    chosen = {
        "SOURCE_DISKS": f"{service_url}/vhds/disk.vhd",
        "BACKUP_CONTAINER": f"{service_url}/backups",
        "BACKUP_SCHEDULE": "0 0 */12 * * *",
        "STORAGE_CONNECTIONS": f'["{key}"]',
        "AzureWebJobsStorage": f"AccountName={DISKS.name};AccountKey={DISKS.key};EndpointSuffix=core.windows.net",
    }
    return Settings.model_validate(chosen | {name.lower(): value for name, value in chosen.items()})


async def test_a_proxy_that_the_environment_names_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    async with run_server(seen) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        async with open_connections(settings_with(NOWHERE)) as connections:
            service = await connections.blob_service(NOWHERE, DISKS.name)
            await service.get_blob_client("vhds", "disk.vhd").get_blob_properties()
    [(url, authorization)] = seen
    assert url == f"{NOWHERE}/vhds/disk.vhd"
    assert authorization.startswith(f"SharedKey {DISKS.name}:")


async def test_a_request_by_a_signed_url_carries_no_password_of_a_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[tuple[str, str]] = []
    async with run_server(seen) as port, open_connections(settings_with(NOWHERE)) as connections:
        http = await connections.http()
        answer = await http.send_request(HttpRequest("GET", f"http://127.0.0.1:{port}/vhds/disk.vhd?sig=made-up"))
        assert answer.status_code == 200
    assert [authorization for _, authorization in seen] == [""]
