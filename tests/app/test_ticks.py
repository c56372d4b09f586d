"""After a tick in which every disk was backed up, and only then, the heartbeat is called."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from aiohttp import web
from pydantic import SecretStr

from infra.local.gateway import Fault
from shared.azure.connections import open_connections
from shared.azure.heartbeat import Heartbeat
from shared.azure.tables.status import Status, StatusRows
from shared.errors import HeartbeatError
from shared.events import Event
from shared.model.absence import Absence
from shared.model.disk import PageBlobDisk
from shared.model.names import BACKUPS_TABLE
from shared.model.record import DISK_ROW
from shared.model.report import State
from tests.app.cloud import Cloud, pages, until
from tests.simulation.services import settings_of

SECRET = "4f5e0f2a-7c1b"  # in the path, as of those services that watch heartbeats


class Watcher:
    """Somebody who watches the heartbeat: counts the calls, and answers as told."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/ping/{SECRET}"
        self.calls = 0
        self.answers: list[int] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        assert request.path == f"/ping/{SECRET}"
        self.calls += 1
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@contextlib.asynccontextmanager
async def run_watcher() -> AsyncIterator[Watcher]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        watcher = Watcher(f"http://127.0.0.1:{listener.getsockname()[1]}")
        runner = web.ServerRunner(web.Server(watcher.handle))
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield watcher
        finally:
            await runner.cleanup()


@pytest.fixture
async def watcher() -> AsyncIterator[Watcher]:
    async with run_watcher() as watcher:
        yield watcher


async def test_a_tick_that_backs_up_every_disk_calls_the_heartbeat_once(cloud: Cloud, watcher: Watcher) -> None:
    disks = [await cloud.disk(), await cloud.disk()]
    await disks[0].write(0, pages(2))
    async with cloud.app(*disks, HEARTBEAT_URL=watcher.url) as app:
        await app.back_up(*disks)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of the tick")
        await until(app.idle, "the call")
    assert watcher.calls == 1
    [snapshots] = cloud.events(Event.SNAPSHOTS_TAKEN)
    [succeeded] = cloud.events(Event.TICK_SUCCEEDED)
    assert (succeeded["tick"], succeeded["disks"], succeeded["backed_up"]) == (snapshots["tick"], 2, 2)
    due = cloud.events(Event.BACKUP_DUE)
    assert {(found["disk"], found["tick"], found["last_point"]) for found in due} == {
        (disk.url, snapshots["tick"], "") for disk in disks
    }
    assert SECRET not in cloud.log.read_text()
    report = await Status(StatusRows(cloud.tables.get_table_client(BACKUPS_TABLE))).read()
    assert [told.state for told in report.disks] == [State.SAFE, State.SAFE]
    assert (report.app.tick_result, report.problems, report.needs_attention) == ("succeeded", [], False)
    assert report.app.heartbeat
    assert report.app.next_tick
    assert report.app.next_tick > report.at


@pytest.mark.nightly
async def test_a_tick_with_a_disk_that_fails_calls_no_heartbeat(cloud: Cloud, watcher: Watcher) -> None:
    good, bad = await cloud.disk(), await cloud.disk()
    async with cloud.app(good, bad, HEARTBEAT_URL=watcher.url) as app:
        cloud.azure.gateway.faults.add(Fault("Snapshot Blob", bad.path, refuse=(403, "AuthorizationFailure", "no")))
        await app.back_up(good)
        cloud.azure.gateway.faults.clear()
        await app.back_up(good, bad)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of the second tick")
        await until(lambda: cloud.logged(Event.TICK_INCOMPLETE), "the end of the first tick")
        await until(app.idle, "the call")
    assert watcher.calls == 1
    first, second = cloud.events(Event.SNAPSHOTS_TAKEN)
    [incomplete], [succeeded] = cloud.events(Event.TICK_INCOMPLETE), cloud.events(Event.TICK_SUCCEEDED)
    assert (incomplete["tick"], incomplete["disks"]) == (first["tick"], 2)
    assert succeeded["tick"] == second["tick"]


@pytest.mark.nightly
async def test_a_tick_that_finds_a_run_open_is_caught_up_when_that_is_sealed(cloud: Cloud, watcher: Watcher) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(1))
    async with cloud.app(disk, HEARTBEAT_URL=watcher.url) as app:
        go_on = asyncio.Event()
        held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, delay_until=go_on))
        await app.tick()
        await held.struck.wait()
        await disk.write(0, pages(1, seed=2))
        await app.tick()
        await until(lambda: cloud.logged(Event.BACKUP_LATE), "the second tick")
        held.remove()
        go_on.set()

        async def ended() -> bool:
            return len(cloud.events(Event.TICK_SUCCEEDED)) > 1

        await until(ended, "the end of both ticks")
        await until(app.idle, "the call")
        points = await disk.points()
        record = await disk.record()
        ticks = [datetime.fromisoformat(found["tick"]) for found in cloud.events(Event.SNAPSHOTS_TAKEN)]
        assert len(points) == 2
        assert await disk.content_of(points[-1]) == disk.expected
    first, second = (datetime.fromisoformat(point.time) for point in points)
    assert ticks[0] <= first < ticks[1] <= second
    assert points[0].sealed >= ticks[1], "sealed after the second tick, and yet not what it has asked for"
    assert (record.last_tick, record.point_tick) == (ticks[1], ticks[1])
    assert [fields["run"] for fields in cloud.events(Event.BACKUP_CAUGHT_UP)] == [points[-1].time]
    assert watcher.calls == 2
    assert not cloud.events(Event.TICK_INCOMPLETE)


@pytest.mark.nightly
async def test_a_heartbeat_that_is_refused_is_called_again(cloud: Cloud, watcher: Watcher) -> None:
    disk = await cloud.disk()
    watcher.answers = [404, 499]  # one that has a name, and one that has none
    said = [f"HEARTBEAT_URL responded with HTTP status {status}" for status in watcher.answers]
    async with cloud.app(disk, HEARTBEAT_URL=watcher.url) as app:
        await app.back_up(disk)

        async def was_called_again() -> bool:
            return watcher.calls > len(said)

        await until(was_called_again, "the third call")
    assert [failed["reason"] for failed in cloud.events(Event.HEARTBEAT_FAILED)] == said
    assert len(cloud.events(Event.TICK_SUCCEEDED)) == 1
    assert SECRET not in cloud.log.read_text()


@pytest.mark.nightly
async def test_a_heartbeat_that_is_no_url_stops_no_backup_and_is_told_at_each_tick(cloud: Cloud) -> None:
    disk = await cloud.disk()
    unresolved = f"@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/{SECRET})"
    async with cloud.app(disk, HEARTBEAT_URL=unresolved) as app:
        for _ in range(2):
            await app.back_up(disk)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of a tick")
    ticks = [event["tick"] for event in cloud.events(Event.SNAPSHOTS_TAKEN)]
    told = cloud.events(Event.HEARTBEAT_FAILED)
    assert [event["tick"] for event in told] == ticks
    assert all(event["reason"].startswith("HEARTBEAT_URL is not a URL") for event in told)
    assert SECRET not in cloud.log.read_text()


@pytest.mark.nightly
async def test_a_heartbeat_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.azure.connections._TIMEOUTS", {"connection_timeout": 0.1, "read_timeout": 0.1})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"http://127.0.0.1:{silent.getsockname()[1]}/ping/{SECRET}")
        async with open_connections(settings_of("https://disks.blob/vhds/disk.vhd")) as connections:
            with pytest.raises(HeartbeatError, match="did not respond") as raised:
                await asyncio.wait_for(Heartbeat(connections, url).call(), timeout=60)
    assert SECRET not in str(raised.value)


@pytest.mark.nightly
async def test_a_typo_in_the_settings_that_drops_a_disk_keeps_the_heartbeat_silent(
    cloud: Cloud, watcher: Watcher
) -> None:
    disk, dropped = await cloud.disk(), await cloud.disk()
    async with cloud.app(disk, dropped, HEARTBEAT_URL=watcher.url) as app:
        await app.back_up(disk, dropped)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of the tick")
        await until(app.idle, "the call")
    async with cloud.app(disk, HEARTBEAT_URL=watcher.url) as app:
        await app.back_up(disk)
        await until(lambda: cloud.logged(Event.TICK_INCOMPLETE), "the end of a tick that missed a disk")
    assert [event["disk"] for event in cloud.events(Event.DISK_UNLISTED)] == [dropped.url]
    assert (await dropped.record()).absence is Absence.UNLISTED
    assert (len(cloud.events(Event.TICK_SUCCEEDED)), watcher.calls) == (1, 1)


@pytest.mark.nightly
async def test_a_restored_disk_whose_record_can_not_be_read_keeps_the_heartbeat_silent(
    cloud: Cloud, watcher: Watcher
) -> None:
    disk, restored = await cloud.disk(), await cloud.disk()
    table = await cloud.tables.create_table_if_not_exists(BACKUPS_TABLE)
    row = {
        "PartitionKey": PageBlobDisk(restored.address).key,
        "RowKey": DISK_ROW,
        "disk": restored.url,
        "adopted": True,
    }
    await table.create_entity({**row, "base_size": "spoilt"})
    async with cloud.app(disk, HEARTBEAT_URL=watcher.url) as app:

        async def looks() -> int:
            return int((await app.host.status())["invocations"]["report_tick"]["succeeded"])

        await app.back_up(disk)
        before = await looks()

        async def has_looked() -> bool:
            return await looks() > before

        await until(has_looked, "a look at the tick")
    assert cloud.events(Event.SNAPSHOT_FAILED)[0]["disk"] == restored.url
    assert not cloud.events(Event.TICK_SUCCEEDED)
    assert watcher.calls == 0


@pytest.mark.nightly
async def test_a_pattern_that_the_settings_name_no_more_keeps_no_tick_from_succeeding(cloud: Cloud) -> None:
    disk = await cloud.disk()
    everything = disk.url.replace("disk1.vhd", "*")
    async with cloud.app(f"{everything}.img") as app:
        await app.tick()
        await until(lambda: cloud.logged(Event.LIST_DISKS_FAILED), "a pattern that matches nothing")
        await until(app.idle, "its row")
    async with cloud.app(everything) as app:
        await app.back_up(disk)
        await until(lambda: cloud.logged(Event.TICK_SUCCEEDED), "the end of the tick")
