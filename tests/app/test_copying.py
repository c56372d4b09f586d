"""How pages travel: on the server's side, and through the function where the service can't do that."""

from urllib.parse import parse_qsl, unquote

import pytest

from infra.local.gateway import Fault, Request
from shared.events import Event
from shared.limits import MAX_WRITE, PAGE, STORAGE_API_VERSION
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.run import SERVER_SIDE, Kind
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.restoring import ask, ended, request

CANT = {
    "501": (Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")), "NotImplemented"),
    "firewall": (Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure")), "Verify"),
    "the status that the documentation has": (
        Fault("Put Page From URL", refuse=(500, "CannotVerifyCopySource", "not verified")),
        "CannotVerifyCopySource (500): not verified. What to do: let the destination account",
    ),
    "a source that fails": (
        Fault("Put Page From URL", refuse_source=(500, "InternalError"), mirrored_as=409),
        "CannotVerifyCopySource (409): The copy source refused the read; the source responded InternalError (500)",
    ),
    "a firewall, told as a busy service": (
        Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure"), mirrored_as=503),
        "the source responded AuthorizationFailure (403)",
    ),
}


@pytest.mark.parametrize("reasons", [list(CANT)[:2], pytest.param(list(CANT)[2:], marks=pytest.mark.nightly)], ids=len)
async def test_where_the_service_can_not_copy_pages_go_through_the_function(cloud: Cloud, reasons: list[str]) -> None:
    disk = await cloud.disk(6 * MIB)
    await disk.write(2 * PAGE, pages(MAX_WRITE // PAGE))
    await disk.write(2 * PAGE + MAX_WRITE, pages(3, seed=2))
    async with cloud.app(disk) as app:
        for number, why in enumerate(reasons):
            fault, said = CANT[why]
            for start in (0, 2 * PAGE, 5 * MIB) if number else (5 * MIB,):  # at first the large one makes two writes
                await disk.write(start, pages(1, seed=number))
            cannot = cloud.azure.gateway.faults.add(fault)
            cloud.requests.clear()
            [point] = await app.back_up(disk)
            assert await disk.content_of(point) == disk.expected, why
            assert point.copying.startswith("through the function"), why
            assert said in point.copying, why
            assert cloud.count("Put Page", disk.backup_path, 201) == point.write_calls == 3, why
            last = max(at for at, request in enumerate(cloud.requests) if request.operation == "Put Page")
            reads = [r for r in cloud.requests[:last] if (r.operation, r.path) == ("Get Blob", disk.path)]
            assert len(reads) == 3, f"{why}: one for each write; those after it are of the comparison before the seal"
            lists = 2 if point.kind is Kind.FULL else 3
            assert cloud.count("Get Page Ranges", disk.path) == lists, f"{why}: one to plan, the others to compare"
            cannot.remove()
        await disk.write(0, pages(1, seed=9))
        [point] = await app.back_up(disk)
    assert point.copying == "server side"
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_source_that_is_busy_or_fails_for_a_while_is_waited_out_and_the_service_goes_on_copying(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(16 * MIB)
    for start in range(0, 16 * MIB, MAX_WRITE):
        await disk.write(start, pages(1))
    busy = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", times=6, refuse_source=(503, "ServerBusy"), mirrored_as=409)
    )
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        assert (busy.hits, point.copying, (await disk.record()).last_error) == (6, SERVER_SIDE, "")
        assert cloud.events(Event.SLOWED_DOWN)
        assert await disk.content_of(point) == disk.expected
        failing = cloud.azure.gateway.faults.add(
            Fault("Put Page From URL", times=2, refuse=(500, "CannotVerifyCopySource", "not verified"))
        )
        await disk.write(0, pages(4, seed=2))
        [point] = await app.back_up(disk)
    assert (failing.hits, point.copying) == (2, SERVER_SIDE)
    assert not cloud.count("Put Page", disk.backup_path)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_read_through_the_function_goes_at_the_pace_and_is_made_again(cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB)
    cloud.azure.gateway.faults.add(Fault("Put Page From URL", refuse=(501, "NotImplemented", "not here")))
    slowed_down = 0
    async with cloud.app(disk) as app:
        for fault in (
            Fault("Get Blob", times=6, refuse=(503, "ServerBusy", "not now")),
            Fault("Get Blob", times=3, cut="midway"),
        ):
            for start in range(0, 16 * MIB, MAX_WRITE):
                await disk.write(start, pages(MAX_WRITE // PAGE // 8, seed=start + slowed_down))
            reads = cloud.azure.gateway.faults.add(fault)
            [point] = await app.back_up(disk)
            assert reads.hits == fault.times, fault
            assert (await disk.record()).last_error == "", fault
            slowed_down, before = len(cloud.events(Event.SLOWED_DOWN)), slowed_down
            assert slowed_down > before, fault
            assert await disk.content_of(point) == disk.expected, fault


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


@pytest.mark.parametrize("version", [pytest.param(STORAGE_API_VERSION, marks=pytest.mark.nightly), "2023-11-03"])
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


async def test_the_source_is_read_by_a_sas_of_the_one_snapshot_and_no_secret_is_in_a_log_a_table_or_a_message(
    cloud: Cloud,
) -> None:
    disk, calm = await cloud.disk(), await cloud.disk()
    for each in (disk, calm):
        await each.write(0, pages(2))
    faults, path = cloud.azure.gateway.faults, disk.backup_path
    faults.add(Fault("Put Page From URL", path, times=2, refuse_source=(403, "AuthorizationFailure")))
    faults.add(Fault("Put Page", path, times=1, refuse=(403, "AuthorizationFailure", "not now")))
    async with cloud.app(disk, calm, STORAGE_API_VERSION="2025-11-05") as app:
        [_, point] = await app.back_up(disk, calm)
    [copy] = [r for r in cloud.requests if (r.operation, r.path) == ("Put Page From URL", calm.backup_path)]
    source, _, query = copy.headers["x-ms-copy-source"].partition("?")
    fields = dict(field.split("=", 1) for field in query.split("&"))
    assert source == calm.url
    assert (fields["sp"], fields["sr"]) == ("r", "bs")
    assert fields["snapshot"].replace("%3A", ":") == point.source_snapshot
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
