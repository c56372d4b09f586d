"""Lists of page ranges, page by page: what was answered, and whether all of it was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise

from shared.changes.ranges import Change
from tests.conformance.real.verdicts import NotSettledError


@dataclass(frozen=True, slots=True)
class Given:
    """An answer.

    Attributes:
        status: the HTTP status.
        code: the service's error code; empty for none.
        headers: its headers.
        body: its body.
    """

    status: int
    code: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_good(self) -> bool:
        """Whether the service did what was asked."""
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def said(self) -> str:
        """The status and the code."""
        return f"{self.status} {self.code}".strip()


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list of page ranges; the ranges are empty where it was refused."""

    given: Given
    ranges: Sequence[Change] = ()
    marker: str = ""


def ranges_of(pages: Sequence[Listed]) -> list[Change]:
    """Give the ranges of all pages, in order."""
    return [found for page in pages for found in page.ranges]


def covers(ranges: Sequence[Change], start: int, *, clear: bool = False) -> bool:
    """Tell whether a byte is in one of the ranges that are written, or cleared."""
    return any(found.start <= start < found.end and found.clear == clear for found in ranges)


def is_in_order(ranges: Sequence[Change]) -> bool:
    """Tell whether each range begins where the one before has ended, or later."""
    return all(one.end <= other.start for one, other in pairwise(ranges))


def goes_on(pages: Sequence[Listed]) -> bool:
    """Tell whether there is another page to ask for; not if the last one leads to itself, for ever."""
    marker = pages[-1].marker
    return bool(marker) and (len(pages) == 1 or marker != pages[-2].marker)


def is_given(pages: Sequence[Listed]) -> bool:
    return all(page.given.is_good for page in pages)


def is_whole(whole: Sequence[Listed], pages: Sequence[Listed]) -> bool:
    """Tell whether a list is the same in small pages as in large ones, in order.

    Raises:
        NotSettledError: it came in one piece whatever was asked.
    """
    found = ranges_of(pages)
    is_same = is_given([*whole, *pages]) and _joined(found) == _joined(ranges_of(whole)) and is_in_order(found)
    if is_same and len(pages) == 1:
        raise NotSettledError("the list came whole, in one page: nothing was seen of the next one")
    return is_same


def said(pages: Sequence[Listed]) -> str:
    refused = [page.given.said for page in pages if not page.given.is_good]
    longest = max(len(page.ranges) for page in pages)
    count = f"{len(ranges_of(pages))} ranges in pages of at most {longest}, {len(pages)} in all"
    return f"{count}, then {refused[0]}" if refused else count


def _joined(ranges: Sequence[Change]) -> list[Change]:
    """Join ranges that touch: a page may end within one."""
    joined: list[Change] = []
    for found in ranges:
        touches = joined and joined[-1].end == found.start and joined[-1].clear == found.clear
        start = joined.pop().start if touches else found.start
        joined.append(Change(start, found.end, found.clear))
    return joined
