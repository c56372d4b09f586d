"""How pages travel: on the server's side, and through the function where the service can't do that."""

from urllib.parse import parse_qsl, unquote

import pytest

from infra.local.gateway import Fault, Request
from shared.events import Event
from shared.limits import MAX_WRITE, PAGE, STORAGE_API_VERSION
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.run import SERVER_SIDE
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.restoring import ask, ended, request

CANT = [
    pytest.param(Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")), "NotImplemented", id="501"),
    pytest.param(Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure")), "Verify", id="firewall"),
    pytest.param(
        Fault("Put Page From URL", refuse=(500, "CannotVerifyCopySource", "not verified")),
        "CannotVerifyCopySource (500): not verified. What to do: let the destination account",
        id="the status that the documentation has",
    ),
    pytest.param(
        Fault("Put Page From URL", refuse_source=(500, "InternalError"), mirrored_as=409),
        "CannotVerifyCopySource (409): The copy source refused the read; the source responded InternalError (500)",
        id="a source that fails",
    ),
    pytest.param(
        Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure"), mirrored_as=503),
        "the source responded AuthorizationFailure (403)",
        id="a firewall, told as a busy service",
    ),
]


@pytest.mark.parametrize(("fault", "said"), CANT)
async def test_where_the_service_can_not_copy_pages_go_through_the_function(
    cloud: Cloud, fault: Fault, said: str
) -> None:
    disk = await cloud.disk(16 * MIB)
    await disk.write(PAGE, pages(MAX_WRITE // PAGE))
    await disk.write(PAGE + MAX_WRITE, pages(MAX_WRITE // PAGE, seed=2))
    await disk.write(12 * MIB, pages(5))
    cannot = cloud.azure.gateway.faults.add(fault)
    cloud.requests.clear()
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        assert await disk.content_of(point) == disk.expected
        assert point.copying.startswith("through the function")
        assert said in point.copying
        assert cloud.count("Put Page", disk.backup_path, 201) == point.write_calls == 3
        last = max(at for at, request in enumerate(cloud.requests) if request.operation == "Put Page")
        reads = [r for r in cloud.requests[:last] if (r.operation, r.path) == ("Get Blob", disk.path)]
        assert len(reads) == 3, "one for each write; those after it are of the comparison before the seal"
        assert cloud.count("Get Page Ranges", disk.path) == 2, "one to plan, one to compare"
        cannot.remove()
        await disk.write(0, pages(1, seed=3))
        [point] = await app.back_up(disk)
    assert point.copying == "server side"
    assert await disk.content_of(point) == disk.expected


async def test_a_busy_source_is_waited_out_and_the_service_goes_on_copying(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    for start in range(0, 16 * MIB, MAX_WRITE):
        await disk.write(start, pages(1))
    busy = Fault("Put Page From URL", times=6, refuse_source=(503, "ServerBusy"), mirrored_as=409)
    source = cloud.azure.gateway.faults.add(busy)
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert (source.hits, point.copying, (await disk.record()).last_error) == (6, SERVER_SIDE, "")
    assert not cloud.count("Put Page", disk.backup_path)
    assert cloud.events(Event.SLOWED_DOWN)
    assert await disk.content_of(point) == disk.expected


async def test_a_source_that_fails_for_a_while_is_asked_again(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))
    failing = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", times=2, refuse=(500, "CannotVerifyCopySource", "not verified"))
    )
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert (failing.hits, point.copying) == (2, SERVER_SIDE)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("Get Blob", times=6, refuse=(503, "ServerBusy", "not now")), id="busy"),
        pytest.param(Fault("Get Blob", times=3, cut="midway"), id="cut short"),
    ],
)
async def test_a_read_through_the_function_goes_at_the_pace_and_is_made_again(cloud: Cloud, fault: Fault) -> None:
    disk = await cloud.disk(16 * MIB)
    for start in range(0, 16 * MIB, MAX_WRITE):
        await disk.write(start, pages(MAX_WRITE // PAGE // 4, seed=start))
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")))
    reads = cloud.azure.gateway.faults.add(fault)
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert reads.hits == fault.times
    assert (await disk.record()).last_error == ""
    assert cloud.events(Event.SLOWED_DOWN)
    assert await disk.content_of(point) == disk.expected


async def test_a_read_that_is_refused_is_on_record_with_what_to_do(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")))
    refused = cloud.azure.gateway.faults.add(Fault("Get Blob", refuse=(403, "AuthorizationPermissionMismatch", "no")))
    async with cloud.app(disk) as app:
        await app.tick()

        async def last_error() -> str:
            record = await disk.known_record()
            return record.last_error if record else ""

        error = await until(last_error, "an error on record")
        refused.remove()
        [point] = await app.next_points([disk], [0])
    assert error.startswith(f"AuthorizationPermissionMismatch (403): can't read bytes 0-2047 of {disk.url}. What")
    assert "assign the app's identity a role on the container of" in error
    assert await disk.content_of(point) == disk.expected


async def test_the_source_is_read_by_a_short_lived_read_only_sas_of_the_one_snapshot(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    [copy] = [request for request in cloud.requests if request.operation == "Put Page From URL"]
    source, _, query = copy.headers["x-ms-copy-source"].partition("?")
    fields = dict(field.split("=", 1) for field in query.split("&"))
    assert source == disk.url
    assert (fields["sp"], fields["sr"]) == ("r", "bs")
    assert fields["snapshot"].replace("%3A", ":") == point.source_snapshot


@pytest.mark.parametrize("version", [STORAGE_API_VERSION, "2023-11-03"])
async def test_a_cloud_needs_no_newer_version_than_the_setting_names(cloud: Cloud, version: str) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    gateway = cloud.azure.gateway
    cloud.requests.clear()
    async with cloud.app(disk, STORAGE_API_VERSION=version) as app:
        gateway.newest_version = version
        try:
            [point] = await app.back_up(disk)
            restore = await ended(cloud, await ask(cloud, request(disk)))
            signed = [{**request.query, **query_of_source(request)} for request in cloud.requests]
        finally:
            gateway.newest_version = ""
    assert (point.copying, restore.state, restore.copying) == (SERVER_SIDE, Stage.DONE, SERVER_SIDE)
    assert {query["sv"] for query in signed if "sv" in query} == {version}
    assert await disk.content_of(point) == disk.expected


def query_of_source(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.headers.get("x-ms-copy-source", "").partition("?")[2]))


async def test_no_secret_is_in_a_log_a_table_or_a_message(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    refused = (403, "AuthorizationFailure", "not now")
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", times=2, refuse_source=(403, "AuthorizationFailure")))
    cloud.azure.gateway.faults.add(Fault("Put Page", disk.backup_path, times=1, refuse=refused))
    async with cloud.app(disk, STORAGE_API_VERSION="2025-11-05") as app:
        await app.back_up(disk)
    tables = [cloud.tables.get_table_client(name) for name in (BACKUPS_TABLE, PARTS_TABLE)]
    kept = cloud.log.read_text() + str([[row async for row in table.list_entities()] for table in tables])
    copied = [request.headers.get("x-ms-copy-source", "") for request in cloud.requests]
    signatures = {field.removeprefix("sig=") for url in copied for field in url.split("&") if field.startswith("sig=")}
    signed = {request.headers.get("authorization", "").rpartition(":")[2] for request in cloud.requests} - {""}
    secrets = signatures | signed | {account.key for account in cloud.services}
    assert signatures
    assert "AuthorizationFailure" in kept
    assert not [secret for secret in secrets if secret in kept or unquote(secret) in kept]
    assert "sig=" not in kept
