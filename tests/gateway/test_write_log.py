"""The write log, and the lock that keeps it in step with Azurite."""

import asyncio
import datetime as dt

import pytest

from infra.local.gateway.answers import ServiceError
from infra.local.gateway.mutations import clock_past
from infra.local.gateway.write_log import SharedExclusiveLock, WriteLog


async def hold(lock: SharedExclusiveLock, events: list[str], name: str, let_go: asyncio.Event) -> None:
    async with lock.exclusive() if name.startswith("alone") else lock.shared():
        events.append(f"{name} in")
        await let_go.wait()
        events.append(f"{name} out")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_writes_overlap_and_a_snapshot_waits_for_them_and_those_after_it_wait_for_the_snapshot() -> None:
    lock, events, let_go = SharedExclusiveLock(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name in ("write 1", "write 2", "alone", "write 3"):
            tasks.create_task(hold(lock, events, name, let_go))
        await settle()
        assert events == ["write 1 in", "write 2 in"]
        let_go.set()
    assert events.index("write 1 out") < events.index("alone in")
    assert events.index("write 2 out") < events.index("alone in")
    assert events.index("alone out") < events.index("write 3 in")


async def test_a_lock_is_free_again_after_a_failure() -> None:
    lock = SharedExclusiveLock()
    for kind in (lock.shared, lock.exclusive):
        with pytest.raises(ValueError, match="no"):
            async with kind():
                raise ValueError("no")
    async with asyncio.timeout(60), lock.exclusive():
        pass


async def test_a_snapshot_waits_for_a_millisecond_of_its_own() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=30)
    await clock_past(soon.isoformat(timespec="milliseconds").removesuffix("+00:00") + "0000Z")
    assert dt.datetime.now(dt.UTC) > soon


def test_what_was_touched_before_the_oldest_snapshot_is_let_go() -> None:
    log = WriteLog()
    log.touch(0, 512)
    log.mark("1")
    log.touch(512, 1024)
    log.mark("2")
    log.touch(2048, 2560)
    log.mark("3")
    assert log.touched("1", None) == [(512, 1024), (2048, 2560)]
    log.forget("1")
    assert log.touched("2", "3") == [(2048, 2560)]
    assert not log.knows("1")


def test_snapshots_of_one_life_are_told_apart_after_the_blob_began_another() -> None:
    log = WriteLog()
    log.mark("1")
    log.touch(0, 512)
    log.mark("2")
    log.recreate(None)
    log.mark("3")
    log.touch(512, 1024)
    log.mark("4")
    assert log.touched("1", "2") == [(0, 512)]
    assert log.touched("3", "4") == log.touched("3", None) == [(512, 1024)]
    for since, until in (("1", "3"), ("2", "4"), ("1", None)):
        with pytest.raises(ServiceError, match="BlobOverwritten"):
            log.touched(since, until)
