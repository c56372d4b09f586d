"""What was seen: each answer of the service to a probe's own requests, counted against the bounds of the run."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse

from infra.local.managed_disks.arm_request import find_target

_BEGAN = "tidemark_began"
_OPERATIONS = {
    ("PUT", "snapshot"): "Snapshot Blob",
    ("PUT", "metadata"): "Set Blob Metadata",
    ("PUT", "properties"): "Set Blob Properties",
    ("PUT", "lease"): "Lease Blob",
    ("PUT", "copy"): "Abort Copy Blob",
    ("GET", "pagelist"): "Get Page Ranges",
    ("GET", "list"): "List Blobs",
    ("POST", "userdelegationkey"): "Get User Delegation Key",
    ("GET", ""): "Get Blob",
    ("HEAD", ""): "Get Blob Properties",
    ("DELETE", ""): "Delete Blob",
}


class BoundReachedError(Exception):
    """The run has made all the requests, or written all the bytes, that it said it would make at most."""


@dataclass(slots=True)
class Answer:
    """One answer.

    Attributes:
        operation: the operation, as the REST reference names it.
        status: the HTTP status.
        headers: the headers, their names in lower case.
        seconds: how long it took.
    """

    operation: str
    status: int
    headers: dict[str, str]
    seconds: float

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "")


@dataclass(slots=True)
class Bounds:
    """What is made and written at most, and how much of it is used."""

    requests: int
    written: int
    requests_made: int = 0
    bytes_written: int = 0

    def count(self, length: int) -> None:
        """Count a request before it is sent.

        Raises:
            BoundReachedError: it would be one too many.
        """
        if self.requests_made >= self.requests or self.bytes_written + length > self.written:
            raise BoundReachedError(
                f"stopped at its bound: {self.requests_made} requests and {self.bytes_written} bytes written so far"
            )
        self.requests_made += 1
        self.bytes_written += length


@dataclass(slots=True)
class Seen:
    """What one probe has seen.

    Attributes:
        notes: what it says of it, in its own words.
        answers: all the answers, in order.
    """

    notes: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    def summary(self) -> list[str]:
        """Give a line for each kind of answer: how often it came, and how long it took."""
        kinds = Counter((answer.operation, answer.status, answer.code) for answer in self.answers)
        lines = []
        for (operation, status, code), count in kinds.items():
            took = sorted(
                a.seconds for a in self.answers if (a.operation, a.status, a.code) == (operation, status, code)
            )
            lasted = f"{took[0] * 1000:.0f} ms" if count == 1 else f"{took[0] * 1000:.0f}-{took[-1] * 1000:.0f} ms"
            lines.append(f"{operation}: {status}{f' {code}' if code else ''}, {count} times, {lasted}")
        return lines


class Witness:
    """Listens to the clients of a run. Probes run one after the other: what is heard is of the one that runs."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.seen = Seen()

    @property
    def hooks(self) -> dict[str, Any]:
        """The options of a client that is to be listened to: each attempt is heard, not only the last one."""
        return {"raw_request_hook": self._asked, "raw_response_hook": self._answered}

    @property
    def manager_hooks(self) -> dict[str, Any]:
        """The same, of a client of Azure Resource Manager."""
        return {"raw_request_hook": self._asked, "raw_response_hook": self._manager_answered}

    def _asked(self, request: PipelineRequest[Any]) -> None:
        is_write = request.http_request.method == "PUT"
        self.bounds.count(int(request.http_request.headers.get("Content-Length") or 0) if is_write else 0)
        request.context[_BEGAN] = time.monotonic()

    def _answered(self, response: PipelineResponse[Any, Any]) -> None:
        request = response.http_request
        self._hear(operation_of(request.method, request.url, request.headers), response)

    def _manager_answered(self, response: PipelineResponse[Any, Any]) -> None:
        request = response.http_request
        target = find_target(request.method, urlsplit(request.url).path)
        self._hear(target.operation if target else f"{request.method} of Azure Resource Manager", response)

    def _hear(self, operation: str, response: PipelineResponse[Any, Any]) -> None:
        answer = response.http_response
        self.heard(
            operation,
            answer.status_code,
            answer.headers,
            time.monotonic() - response.context.get(_BEGAN, time.monotonic()),
        )

    def heard(self, operation: str, status: int, headers: Any, seconds: float) -> None:
        """Note an answer."""
        lower = {str(name).lower(): str(value) for name, value in headers.items()}
        self.seen.answers.append(Answer(operation, status, lower, seconds))


def operation_of(method: str, url: str, headers: Any) -> str:
    """Name an operation of the blob service as the REST reference does; never by its URL, which may be signed."""
    query = parse_qs(urlsplit(url).query)
    comp = query.get("comp", [""])[0]
    if query.get("restype", [""])[0] == "account":
        return "Get Account Information"
    if query.get("restype", [""])[0] == "container" and comp != "list":
        what = {"PUT": "Create", "DELETE": "Delete"}.get(method, "Get")
        return f"{what} Container"
    if comp == "page":
        is_from_url = "x-ms-copy-source" in headers
        is_clear = headers.get("x-ms-page-write") == "clear"
        return "Put Page From URL" if is_from_url else "Clear Pages" if is_clear else "Put Page"
    if (method, comp) == ("PUT", ""):
        return "Copy Blob" if "x-ms-copy-source" in headers else "Put Blob"
    return _OPERATIONS.get((method, comp), f"{method} {comp}")
