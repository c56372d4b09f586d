"""A step for many disks: all that come in are waited for, however many they are, and those that are silent are not."""

import asyncio
from datetime import timedelta

import pytest

from shared.backup.tries import Tries
from shared.model.disk import Disk
from tests.simulation.fleet import clock

QUIET = timedelta(seconds=5)
DISKS = [Disk.parse(f"https://account.blob.core.windows.net/vhds/disk{number}.vhd") for number in range(20)]


def test_as_long_as_disks_come_in_all_others_are_waited_for() -> None:
    async def tried() -> int:
        async def each_a_second_later(disk: Disk) -> None:
            await asyncio.sleep(DISKS.index(disk))

        async with Tries(DISKS, each_a_second_later) as tries:
            return len((await tries.ended(quiet_for=QUIET)).done)

    assert clock.run(tried()) == len(DISKS)


def test_those_of_which_nothing_is_heard_for_a_while_are_given_later() -> None:
    slow, *others = DISKS

    async def step(disk: Disk) -> Disk:
        await asyncio.sleep(300 if disk == slow else 1)
        if disk == others[0]:
            raise ValueError("this one fails")
        return disk

    async def tried() -> None:
        began = asyncio.get_running_loop().time()
        async with Tries(DISKS, step) as tries:
            prompt = await tries.ended(quiet_for=QUIET)
            assert asyncio.get_running_loop().time() - began == pytest.approx(1 + QUIET.total_seconds())
            assert (set(prompt.done), set(prompt.errors)) == (set(others[1:]), {others[0]})
            assert tries.pending == {slow}
            assert (await tries.ended()).done == {slow: slow}
            assert tries.pending == set()

    clock.run(tried())


def test_what_is_pending_at_the_end_is_cancelled() -> None:
    async def tried() -> float:
        async with Tries(DISKS, lambda _: asyncio.sleep(300)) as tries:
            assert await tries.ended(quiet_for=QUIET) == ({}, {})
        return asyncio.get_running_loop().time()

    assert clock.run(tried()) < 300
