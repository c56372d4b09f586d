"""A clear that times out is repeated in halves, and no later one is longer than those."""

from itertools import pairwise

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, IncompleteReadError, ServiceResponseError

from shared.changes.ranges import Change
from shared.errors import LeaseLostError
from shared.pages.clearing import SMALLEST_CLEAR, Clearing
from tests.logic.change_lists import GIB, MIB, PAGE
from tests.logic.paces import Clock, paced, refused

TIMED_OUT = [refused(500, "OperationTimedOut"), ServiceResponseError("cut off"), IncompleteReadError("cut short")]


class Blob:
    """Records what is cleared, in how many requests; one that is too long fails."""

    def __init__(self, longest: int, error: Exception = TIMED_OUT[0], times: int = 10**6) -> None:
        self.cleared: list[Change] = []
        self.asked = 0
        self._longest, self._error, self._times = longest, error, times

    async def clear(self, piece: Change) -> None:
        self.asked += 1
        if piece.length > self._longest and self._times:
            self._times -= 1
            raise self._error
        self.cleared.append(piece)

    def covers(self, start: int, end: int) -> bool:
        """Tell whether each byte was cleared once."""
        parts = sorted(self.cleared)
        joined = all(before.end == after.start for before, after in pairwise(parts))
        return joined and (parts[0].start, parts[-1].end) == (start, end) and all(part.clear for part in parts)


async def test_what_the_service_accepts_is_cleared_with_one_request() -> None:
    blob = Blob(GIB)
    await Clearing(paced(Clock()), blob.clear).apply(Change(PAGE, GIB, clear=True))
    assert (blob.asked, blob.cleared) == (1, [Change(PAGE, GIB, clear=True)])


@pytest.mark.parametrize("error", TIMED_OUT)
@pytest.mark.parametrize("longest", [SMALLEST_CLEAR, 100 * MIB, GIB - PAGE])
async def test_a_clear_that_times_out_is_repeated_in_halves_at_once(error: AzureError, longest: int) -> None:
    clock, blob = Clock(), Blob(longest, error)
    await Clearing(paced(clock), blob.clear).apply(Change(3 * PAGE, 3 * PAGE + GIB, clear=True))
    assert blob.covers(3 * PAGE, 3 * PAGE + GIB)
    assert blob.asked - len(blob.cleared) <= 8, "one for each time that it is halved"
    assert clock.seconds < 1, "it is no sign of a busy service"


async def test_later_clears_are_no_longer_than_what_the_service_accepted() -> None:
    blob = Blob(100 * MIB)
    clearing = Clearing(paced(Clock()), blob.clear)
    for number in range(4):
        await clearing.apply(Change(number * GIB, (number + 1) * GIB, clear=True))
    assert blob.covers(0, 4 * GIB)
    assert blob.asked - len(blob.cleared) == 4


async def test_a_short_clear_that_fails_for_a_while_is_retried_at_the_pace() -> None:
    clock, blob = Clock(), Blob(0, times=3)
    await Clearing(paced(clock), blob.clear).apply(Change(0, SMALLEST_CLEAR, clear=True))
    assert (blob.cleared, clock.seconds) == ([Change(0, SMALLEST_CLEAR, clear=True)], 3.5)


async def test_a_timeout_of_the_shortest_clear_is_raised() -> None:
    with pytest.raises(HttpResponseError):
        await Clearing(paced(Clock()), Blob(0).clear).apply(Change(0, GIB, clear=True))


async def test_a_busy_service_is_waited_out_and_nothing_is_halved() -> None:
    clock, blob = Clock(), Blob(0, refused(503, "ServerBusy"), times=3)
    await Clearing(paced(clock), blob.clear).apply(Change(0, GIB, clear=True))
    assert (blob.cleared, clock.seconds) == ([Change(0, GIB, clear=True)], 0.875)


@pytest.mark.parametrize("error", [LeaseLostError("lost"), refused(403, "AuthorizationFailure")])
async def test_a_refused_clear_is_not_retried(error: Exception) -> None:
    blob = Blob(0, error)
    with pytest.raises(type(error)):
        await Clearing(paced(Clock()), blob.clear).apply(Change(0, GIB, clear=True))
    assert blob.asked == 1
