"""A blob is written to as fast as it takes it, whatever is written, by whoever: in virtual time."""

import asyncio
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from shared.pages.at_once import AtOnce
from shared.pages.paced import Paced
from tests.simulation.calls import CURRENT
from tests.simulation.fleet import clock
from tests.simulation.fleet.service import MIB, MOVED, Instance, Moved, OnInstance, Service, TimedCalls
from tests.simulation.world import DISKS

BLOB = DISKS.blob("backup.vhd")
STANDARD = Service(cpu=0.0003)
PREMIUM = Service(cpu=0.0003, requests=2000, bytes=240 * MIB)

SEQUENTIAL = [4 * MIB] * 300
MIXED = ([4 * MIB] + [4096] * 40) * 40
HOSTS_AT_MOST = 1.15


async def write(calls: TimedCalls, lengths: Sequence[int]) -> None:
    """Write so much in this order, as a batch does, from a host of its own."""
    CURRENT.set(OnInstance("a test", clock.now(), instance=Instance()))
    services: Any = SimpleNamespace(now=clock.now, sleep=lambda pause: asyncio.sleep(pause.total_seconds()))
    pace = Paced(services, 128)

    async def piece(length: int) -> None:
        async def request() -> None:
            MOVED.set(Moved(BLOB, length))
            await calls.change(lambda: None)

        await pace.call(request, length)

    async with AtOnce(128) as writing:
        for length in lengths:
            await writing.start(piece(length))
            await pace.until_few_wait()


def over_limit(lengths: Sequence[int], service: Service, hosts: int = 1) -> float:
    """Give the time that it takes, as a multiple of what the blob's limits make of it."""
    calls = TimedCalls(service, random.Random(0), lambda: None)

    async def took() -> float:
        await asyncio.gather(*(write(calls, lengths[host::hosts]) for host in range(hosts)))
        return asyncio.get_running_loop().time()

    return clock.run(took()) / max(len(lengths) / service.requests, sum(lengths) / service.bytes)


@pytest.mark.parametrize("lengths", [SEQUENTIAL, MIXED], ids=["large ranges", "large and small ranges"])
def test_requests_and_bytes_are_both_used_up(lengths: Sequence[int]) -> None:
    assert over_limit(lengths, STANDARD) <= 1.10


def test_what_a_premium_blob_takes_beyond_the_documented_limits_is_found() -> None:
    assert over_limit(SEQUENTIAL * 20, PREMIUM) <= 1.15


@pytest.mark.parametrize("hosts", [2, 8])
def test_hosts_that_do_not_know_each_other_share_a_blob(hosts: int) -> None:
    assert over_limit(SEQUENTIAL * 3, STANDARD, hosts) <= HOSTS_AT_MOST
