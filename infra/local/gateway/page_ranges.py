"""Get Page Ranges as the service answers it: page by page, and with `prevsnapshot` as a diff.

Azurite gets each request first, unchanged: it authorizes it, checks snapshot, conditions and lease, and answers with
all valid ranges in the window (it ignores `prevsnapshot`, `marker` and `maxresults`). The answer is made from that.
"""

import base64
import binascii
import bisect
import contextlib
import itertools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from .answers import Answer, ServiceError
from .ranges import Range, changes, cut, merged, requested_range
from .upstream import Call, Upstream
from .write_log import WriteLog

# REST, Get Page Ranges: "If the request specifies a value greater than 10,000, the server returns up to 10,000 items".
MAX_RANGES = 10_000
PREVIOUS_SNAPSHOT_URL = "x-ms-previous-snapshot-url"
_LISTS_KEPT = 8
_SNAPSHOT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
_XML_RANGE = re.compile(rb"<Start>(\d+)</Start>\s*<End>(\d+)</End>")
_OK, _RANGE_REFUSED = 200, 416

RangeSource = Callable[[int, int], Iterable[tuple[int, int, bool]]]
"""Returns the ranges (start, end exclusive, cleared) that overlap a window (start, end exclusive), in order."""


class PageRanges:
    """Answers Get Page Ranges.

    The list made for one page is kept for the following pages; its key has the ETag, so a write leads to a new list.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._lists: OrderedDict[tuple[object, ...], list[Range]] = OrderedDict()
        self._pretended: dict[str, RangeSource] = {}
        self._left_out: dict[str, tuple[int, int, bool]] = {}

    def pretend(self, path: str, ranges: RangeSource | None) -> None:
        """Answer the ranges of a blob from a function; None ends that."""
        if ranges is None:
            self._pretended.pop(path, None)
        else:
            self._pretended[path] = ranges

    def leave_out(self, path: str, start: int, end: int, *, only_diffs: bool) -> None:
        """Leave a part of a blob out of its lists; an empty part ends that."""
        self._left_out[path] = (start, end, only_diffs)

    async def answer(self, call: Call, log: WriteLog) -> Answer:
        """Answer a request for the ranges of a blob or snapshot.

        Raises:
            ServiceError: a bad parameter, or a diff that the service refuses.
        """
        query = call.request.query
        # The base blob and its log must be read at one moment.
        moving = "prevsnapshot" in query and "snapshot" not in query
        async with log.lock.exclusive() if moving else contextlib.nullcontext():
            answer = await self._upstream.forward(call)
            if answer.status != _OK:
                if "x-ms-error-code" not in answer.headers:
                    # Azurite's answer, after authorization, to an invalid or too small number.
                    _results_wanted(query.get("maxresults"))
                if answer.status == _RANGE_REFUSED and call.request.headers.get("x-ms-range"):
                    # Azurite's code is the status line's text; that of the service was recorded for a managed disk.
                    message = "The range specified is invalid for the current size of the resource."
                    raise ServiceError(416, "InvalidRange", message)
                return answer
            if "prevsnapshot" in query and call.request.path not in self._pretended:
                await self._check_previous(call, log)
            answer.body = self._page(call, log, answer)
            return answer

    async def _check_previous(self, call: Call, log: WriteLog) -> None:
        previous, target = call.request.query["prevsnapshot"], call.request.query.get("snapshot")
        if not _SNAPSHOT_TIME.fullmatch(previous):
            message = "Value for one of the query parameters specified in the request URI is invalid."
            raise ServiceError(400, "InvalidQueryParameterValue", message, details=_parameter("prevsnapshot", previous))
        if target is not None and previous > target:
            message = "The prevsnapshot query parameter value cannot be newer than snapshot query parameter value."
            raise ServiceError(400, "PreviousSnapshotCannotBeNewer", message)
        for snapshot in (previous, target):
            if snapshot is None or log.knows(snapshot):
                continue
            # Not taken through the gateway: the writes since are unknown, for which the service has a code.
            head = await self._upstream.as_owner("HEAD", call.raw_path, query=f"snapshot={snapshot}")
            if head.status != _OK:
                raise ServiceError(409, "PreviousSnapshotNotFound", "The previous snapshot is not found.")
            message = "Differential Get Page Ranges is not supported on the previous snapshot."
            raise ServiceError(409, "PreviousSnapshotOperationNotSupported", message)

    def _page(self, call: Call, log: WriteLog, answer: Answer) -> bytes:
        query = call.request.query
        if PREVIOUS_SNAPSHOT_URL in call.request.headers:
            raise _not_of_managed_disks()
        most = _results_wanted(query.get("maxresults"))
        start, end = _window(call, int(answer.headers["x-ms-blob-content-length"]))
        first = _marked(query.get("marker"), start, end)
        page: Sequence[tuple[int, int, bool]]
        if (source := self._pretended.get(call.request.path)) is None:
            ranges = self._without_left_out(call, self._list(call, log, answer, (start, end)))
            index = bisect.bisect_right(ranges, first, key=lambda found: found.end)
            page = ranges[index : index + most + 1]
        else:
            page = list(itertools.islice(source(first, end), most + 1))
        following = max(page[most][0], first) if len(page) > most else None
        return _xml([Range(max(r[0], first), min(r[1], end), r[2]) for r in page[:most]], following)

    def _without_left_out(self, call: Call, ranges: list[Range]) -> list[Range]:
        first, last, only_diffs = self._left_out.get(call.request.path, (0, 0, True))
        if first == last or (only_diffs and "prevsnapshot" not in call.request.query):
            return ranges
        pieces = [
            Range(start, end, cleared)
            for found_start, found_end, cleared in ranges
            for start, end in ((found_start, min(found_end, first)), (max(found_start, last), found_end))
        ]
        return [piece for piece in pieces if piece.start < piece.end]

    def _list(self, call: Call, log: WriteLog, answer: Answer, window: tuple[int, int]) -> list[Range]:
        query = call.request.query
        since, until = query.get("prevsnapshot"), query.get("snapshot")
        key = (call.request.path, since, until, window, answer.headers.get("ETag"))
        ranges = self._lists.get(key)
        if ranges is None:
            valid = merged((int(start), int(end) + 1) for start, end in _XML_RANGE.findall(answer.body))
            if since is None:
                ranges = [Range(start, end) for start, end in valid]
            else:
                ranges = changes(cut(log.touched(since, until), *window), valid)
            self._lists[key] = ranges
        self._lists.move_to_end(key)
        while len(self._lists) > _LISTS_KEPT:
            self._lists.popitem(last=False)
        return ranges


def _results_wanted(value: str | None) -> int:
    if value is None:
        # The service's default is not documented, but its maximum is.
        return MAX_RANGES
    try:
        wanted = int(value)
    except ValueError:
        message = "Value for one of the query parameters specified in the request URI is invalid."
        details = _parameter("maxresults", value)
        raise ServiceError(400, "InvalidQueryParameterValue", message, details=details) from None
    if wanted <= 0:
        message = "One of the query parameters specified in the request URI is outside the permissible range."
        raise ServiceError(400, "OutOfRangeQueryParameterValue", message, details=_parameter("maxresults", value))
    return min(wanted, MAX_RANGES)


def _window(call: Call, length: int) -> tuple[int, int]:
    start, end = requested_range(call.request.headers) or (0, None)
    return start, length if end is None else min(end, length)


def _marker(offset: int) -> str:
    return base64.urlsafe_b64encode(f"from {offset}".encode()).decode()


def _marked(marker: str | None, start: int, end: int) -> int:
    """Read a marker: the offset from which to list."""
    if not marker:
        return start
    try:
        word, _, offset = base64.b64decode(marker, altchars=b"-_", validate=True).decode("ascii").partition(" ")
        at = int(offset) if word == "from" else -1
    except (binascii.Error, ValueError):
        at = -1
    if not start <= at < end:
        message = "Value for one of the query parameters specified in the request URI is invalid."
        raise ServiceError(400, "InvalidQueryParameterValue", message, details=_parameter("marker", marker))
    return at


def _not_of_managed_disks() -> ServiceError:
    """Make the error of an ordinary account for a managed disk's header, as azure-sdk-for-java#32386 has it."""
    message = "One of the headers specified in the request is only supported for managed disks account."
    details = {"HeaderName": PREVIOUS_SNAPSHOT_URL}
    return ServiceError(400, "UnsupportedHeaderForNonManagedDisksAccount", message, details=details)


def _parameter(name: str, value: str) -> dict[str, str]:
    return {"QueryParameterName": name, "QueryParameterValue": value}


def _xml(ranges: list[Range], following: int | None) -> bytes:
    items = "".join(
        f"<ClearRange><Start>{start}</Start><End>{end - 1}</End></ClearRange>"
        if cleared
        else f"<PageRange><Start>{start}</Start><End>{end - 1}</End></PageRange>"
        for start, end, cleared in ranges
    )
    marker = "<NextMarker/>" if following is None else f"<NextMarker>{_marker(following)}</NextMarker>"
    return f'<?xml version="1.0" encoding="utf-8"?><PageList>{items}{marker}</PageList>'.encode()
