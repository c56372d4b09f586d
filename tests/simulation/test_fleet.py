"""However many instances there are, a page blob is written to as fast as it lets, and nobody waits behind another."""

import asyncio
import random
import time
from dataclasses import replace

import pytest

from shared.limits import BYTES_PER_SECOND, REQUESTS_PER_SECOND
from shared.model.addresses import BlobAddress
from tests.simulation.calls import CURRENT
from tests.simulation.fleet import clock
from tests.simulation.fleet.fleet import GIB, Fleet, Outcome, simulate
from tests.simulation.fleet.host import Platform
from tests.simulation.fleet.service import MIB, MOVED, Instance, Moved, OnInstance, Service, TimedCalls
from tests.simulation.world import DISKS

NIGHTLY = pytest.mark.nightly

LEAST_SHARE = 0.9
"""Of what a blob takes, how much a run uses at least."""

MOST_REFUSED = 0.02
"""Of a run's requests, how many are refused at most."""

SECONDS = 30
"""Within how many a small increment is sealed: two functions' first instances may have to start for it."""

HALF = Service(requests=REQUESTS_PER_SECOND / 2, bytes=BYTES_PER_SECOND / 2)


def at_most(instances: int) -> Platform:
    return Platform(maximum=instances)


def require_fast(outcome: Outcome) -> None:
    assert min(outcome.share) >= LEAST_SHARE
    assert outcome.refused_share <= MOST_REFUSED
    assert not outcome.failures
    assert not outcome.violations


@pytest.mark.parametrize("instances", [pytest.param(1, marks=NIGHTLY), pytest.param(4, marks=NIGHTLY), 40])
def test_any_number_of_instances_gives_a_blob_what_it_takes_and_little_more(instances: int) -> None:
    require_fast(simulate(Fleet(minutes=3, platform=at_most(instances))))


@pytest.mark.parametrize(
    "service",
    [
        pytest.param(HALF, id="half the limits", marks=NIGHTLY),
        pytest.param(Service(requests=125, bytes=15 * MIB), id="a quarter of the limits", marks=NIGHTLY),
        pytest.param(Service(burst=1, by_window=True), id="counted second by second", marks=NIGHTLY),
        pytest.param(Service(burst=0.1), id="counted strictly"),
        pytest.param(Service(delays=True), id="delays", marks=NIGHTLY),
        pytest.param(Service(requests=250, bytes=30 * MIB, delays=True), id="half the limits, delays", marks=NIGHTLY),
        pytest.param(Service(latency=0.005, bandwidth=300 * MIB), id="20 ms for 4 MiB", marks=NIGHTLY),
        pytest.param(Service(bandwidth=4 * MIB), id="1 s for 4 MiB", marks=NIGHTLY),
    ],
)
def test_a_blob_gets_what_it_takes_whatever_that_is_and_however_long_a_request_takes(service: Service) -> None:
    minutes = 3 * BYTES_PER_SECOND / service.bytes  # as many requests each time
    require_fast(simulate(Fleet(minutes=minutes, warm=1.5, service=service)))


@NIGHTLY
def test_a_disk_of_small_ranges_is_copied_at_the_limit_of_requests() -> None:
    scattered = Fleet(size=2 * GIB, piece=4096, every=8192, minutes=0.85, warm=0.6)
    require_fast(simulate(scattered))


@pytest.mark.parametrize(
    ("large", "instances"),
    [(1, 1), pytest.param(1, 40, marks=NIGHTLY), pytest.param(8, 4, marks=NIGHTLY)],
)
def test_a_small_increment_is_sealed_within_seconds_beside_first_backups(large: int, instances: int) -> None:
    beside = Fleet(large=large, small=2, data=GIB // 8, minutes=1.5, ticks=(0, 0.7), warm=0.7)
    outcome = simulate(replace(beside, platform=at_most(instances)))
    assert len(outcome.waits) == 2 * beside.small
    assert outcome.longest_wait <= SECONDS
    require_fast(outcome)


@NIGHTLY
def test_more_first_backups_than_there_is_room_for_have_their_turns_and_hold_no_increment_up() -> None:
    crowd = Fleet(large=13, small=10, data=GIB // 16, minutes=1.6, ticks=(0, 0.75), service=HALF, platform=at_most(1))
    outcome = simulate(crowd)
    assert outcome.longest_wait <= SECONDS
    assert min(outcome.mib_per_second) > 0
    assert not outcome.failures
    assert not outcome.violations


@NIGHTLY
def test_a_killed_instance_costs_a_few_minutes() -> None:
    calm, killed = (simulate(Fleet(minutes=6, kills=kills)) for kills in ((), (1.5,)))
    minutes_lost = (calm.copied - killed.copied) / calm.copied * 6
    assert 0 < minutes_lost <= 4
    assert not killed.violations


def test_a_first_backup_in_many_batches_holds_what_its_disk_held() -> None:
    outcome = simulate(Fleet(large=2, size=4 * GIB, minutes=4, service=HALF, platform=at_most(1)))
    assert outcome.sealed == 2
    assert outcome.copied == 2 * 4 * GIB
    assert not outcome.violations


async def _ask(calls: TimedCalls, blob: BlobAddress, count: int, length: int) -> list[object]:
    CURRENT.set(OnInstance("a test", clock.now(), instance=Instance()))
    MOVED.set(Moved(blob, length))
    return await asyncio.gather(*(calls.change(lambda: None) for _ in range(count)), return_exceptions=True)


@pytest.mark.parametrize(("count", "length"), [(30, 4 * MIB), (1000, 4096)])
@pytest.mark.parametrize("by_window", [False, True])
def test_the_service_refuses_what_is_beyond_a_blobs_limits(count: int, length: int, by_window: bool) -> None:
    calls = TimedCalls(Service(burst=1, by_window=by_window, cpu=0), random.Random(0), lambda: None)
    answers = clock.run(_ask(calls, DISKS.blob("disk.vhd"), count, length))
    assert answers.count(None) == count // 2


def test_the_service_may_delay_it_instead() -> None:
    async def took() -> float:
        calls = TimedCalls(Service(delays=True), random.Random(0), lambda: None)
        assert set(await _ask(calls, DISKS.blob("disk.vhd"), 150, 4 * MIB)) == {None}
        return asyncio.get_running_loop().time()

    assert 9 <= clock.run(took()) <= 11


def test_virtual_time_is_not_waited_for() -> None:
    began = time.monotonic()
    clock.run(asyncio.sleep(24 * 3600))
    assert time.monotonic() - began < 5
