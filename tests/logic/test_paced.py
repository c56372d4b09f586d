"""How long a request is retried: a busy service is waited out, a refused source and other errors not for long."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, IncompleteReadError, ServiceResponseError

from shared.pages.at_once import AtOnce
from tests.logic.paces import Clock, paced, refused


def failing(error: AzureError, times: int = 10**6) -> tuple[Callable[[], Awaitable[str]], list[AzureError]]:
    """Make a request that fails with these errors first, and a list of its failures."""
    failures: list[AzureError] = []

    async def request() -> str:
        if len(failures) < times:
            failures.append(error)
            raise error
        return "done"

    return request, failures


async def test_a_request_returns_its_result_once_it_succeeds() -> None:
    request, failures = failing(refused(503), times=5)
    assert await paced(Clock()).call(request) == "done"
    assert len(failures) == 5


async def test_a_busy_source_is_waited_out_for_minutes() -> None:
    clock = Clock()
    request, _ = failing(refused(503))
    with pytest.raises(HttpResponseError):
        await paced(clock).call(request)
    assert 300 <= clock.seconds < 360


@pytest.mark.parametrize("status", [500, 504])
async def test_a_refused_source_is_retried_for_seven_seconds_since_it_may_pass(status: int) -> None:
    clock = Clock()
    request, failures = failing(refused(status))
    with pytest.raises(HttpResponseError):
        await paced(clock).call(request)
    assert (clock.seconds, len(failures)) == (7.5, 5)


async def test_of_many_pieces_the_first_to_give_up_does_not_keep_the_others_waiting() -> None:
    clock = Clock()
    pace = paced(clock)
    given_up: list[float] = []

    async def request() -> None:
        if not given_up:
            raise refused(500)

    async def piece() -> None:
        try:
            await pace.call(request)
        except HttpResponseError:
            given_up.append(clock.seconds)

    async with AtOnce(8) as writing:
        for _ in range(8):
            await writing.start(piece())
    assert given_up == [pytest.approx(7.5, abs=0.1)]
    assert clock.seconds == pytest.approx(7.5, abs=0.2)


async def test_a_source_whose_refusal_takes_long_is_tried_at_least_twice() -> None:
    clock = Clock()
    calls = 0

    async def request() -> None:
        nonlocal calls
        calls += 1
        await clock.sleep(timedelta(seconds=30))
        raise refused(500)

    with pytest.raises(HttpResponseError):
        await paced(clock).call(request)
    assert calls == 2


async def test_a_refused_source_can_be_retried_for_longer() -> None:
    clock = Clock()
    request, _ = failing(refused(500))
    with pytest.raises(HttpResponseError):
        await paced(clock, 1, refused_for=timedelta(minutes=1)).call(request)
    assert clock.seconds == 61.5


@pytest.mark.parametrize(
    "error", [refused(500, "InternalError"), ServiceResponseError("cut off"), IncompleteReadError("cut short")]
)
async def test_other_transient_errors_are_tried_four_times_with_a_pause_between(error: AzureError) -> None:
    clock = Clock()
    request, failures = failing(error)
    with pytest.raises(type(error)):
        await paced(clock).call(request)
    assert (clock.seconds, len(failures)) == (3.5, 4)


@pytest.mark.parametrize("error", [refused(403), refused(412, "LeaseLost"), refused(416, "InvalidRange")])
async def test_what_does_not_pass_is_not_retried(error: AzureError) -> None:
    clock = Clock()
    request, failures = failing(error)
    with pytest.raises(HttpResponseError):
        await paced(clock).call(request)
    assert (clock.seconds, len(failures)) == (0, 1)


# --- slow requests


async def with_two_that_hang(clock: Clock, *, younger_are_answered: bool) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Send one more request while two have hung for ten seconds; give what ends those."""
    pace, ends = paced(clock), asyncio.Event()

    async def quick() -> None:
        await clock.sleep(timedelta(seconds=0.05))

    await pace.call(quick)
    hang = [asyncio.create_task(pace.call(ends.wait)) for _ in range(2)]
    await soon()
    await clock.sleep(timedelta(seconds=0.1))
    if younger_are_answered:
        await pace.call(quick)
    await clock.sleep(timedelta(seconds=10))

    assert not any(request.done() for request in hang)
    return asyncio.create_task(pace.call(quick)), ends


async def soon() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_nothing_is_sent_after_requests_that_the_service_has_wait() -> None:
    one_more, ends = await with_two_that_hang(Clock(), younger_are_answered=False)
    await soon()
    assert not one_more.done()
    ends.set()
    await soon()
    assert one_more.done()


async def test_requests_that_hang_hold_back_no_others_while_younger_ones_are_answered() -> None:
    one_more, ends = await with_two_that_hang(Clock(), younger_are_answered=True)
    await soon()
    assert one_more.done()
    ends.set()
    await soon()
