"""Faults on demand: tests can have requests delayed, refused or cut off."""

import asyncio
import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .answers import ServiceError, source_error
from .operations import Request
from .ranges import requested_range


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the requests it applies to.

    Attributes:
        operation: the REST name of the operation; None for all.
        path: pattern (`fnmatch`) of the decoded path "/account/container/blob"; None for all.
        method: HTTP method; None for all.
        only_base: whether it applies to the blob itself only, not to its snapshots.
        times: the number of requests it strikes; None for all.
        after: the number of matching requests it lets through first.
        refuse: answer (status, error code, message) instead of doing anything.
        delay_until: delay the request until this is set, then do it, even if its client no longer waits.
        delay_seconds: delay the request by so many seconds, then do it.
        cut: close the connection without an answer, "before" or "after" the request has taken effect; or, for Get Blob,
            "midway", after half of the content. A client may retry unnoticed: aiohttp, and so the SDK's `aio` clients,
            does so once for PUT on a reused connection.
        only_unsigned: whether it applies only to copies whose source URL has no signature.
        longer_than: it applies only to page ranges (written, cleared or listed) of more bytes; None for all.
        refuse_source: for Put Page From URL and Copy Blob, the (status, error code) of reading the source.
        mirrored_as: the status of the copy's answer then; None for that of the source.
        spoil: for Put Page From URL, write other bytes than the source's and answer as if all were well.
        skip: for a request that writes pages, answer as if it were done, and do nothing: Azurite takes longer for it
            than a page blob of the service.
    """

    operation: str | None = None
    path: str | None = None
    method: str | None = None
    only_base: bool = False
    only_unsigned: bool = False
    longer_than: int | None = None
    times: int | None = None
    after: int = 0
    refuse: tuple[int, str, str] | None = None
    delay_until: asyncio.Event | None = None
    delay_seconds: float = 0.0
    cut: Literal["before", "after", "midway"] | None = None
    refuse_source: tuple[int, str] | None = None
    mirrored_as: int | None = None
    spoil: bool = False
    skip: bool = False

    def is_for(self, request: Request) -> bool:
        """Return whether the fault applies to the request."""
        return (
            self.operation in (None, request.operation)
            and self.method in (None, request.method)
            and not (self.only_base and "snapshot" in request.query)
            and not (self.only_unsigned and "sig=" in request.headers.get("x-ms-copy-source", "sig="))
            and self._is_long_enough(request)
            and (self.path is None or fnmatch.fnmatchcase(request.path, self.path))
        )

    @property
    def source_error(self) -> ServiceError | None:
        """The error for a copy whose source is refused; None if it is not."""
        if self.refuse_source is None:
            return None
        status, code = self.refuse_source
        return source_error(status, code, mirrored_as=self.mirrored_as)

    def _is_long_enough(self, request: Request) -> bool:
        if self.longer_than is None:
            return True
        start, end = requested_range(request.headers) or (0, None)
        return end is None or end - start > self.longer_than


class FaultHandle:
    """An active fault.

    Attributes:
        fault: the fault.
        hits: the number of requests it has struck.
        struck: set when it strikes the first request.
    """

    def __init__(self, fault: Fault, remove: Callable[["FaultHandle"], None]) -> None:
        self.fault = fault
        self.hits = 0
        self.struck = asyncio.Event()
        self._passed = 0
        self._remove = remove

    def remove(self) -> None:
        """End the fault; requests it delays stay delayed."""
        self._remove(self)

    def strikes(self, request: Request) -> bool:
        """Count the request; return whether the fault strikes it."""
        if not self.fault.is_for(request) or (self.fault.times is not None and self.hits >= self.fault.times):
            return False
        if self._passed < self.fault.after:
            self._passed += 1
            return False
        self.hits += 1
        self.struck.set()
        return True


class Faults:
    """The active faults; the first one that strikes a request applies."""

    def __init__(self) -> None:
        self._handles: list[FaultHandle] = []

    def add(self, fault: Fault) -> FaultHandle:
        """Add a fault, after those added before."""
        handle = FaultHandle(fault, self._remove)
        self._handles.append(handle)
        return handle

    def clear(self) -> None:
        """End all faults."""
        self._handles.clear()

    def strike(self, request: Request) -> Fault | None:
        """Return the fault that strikes this request, if any."""
        return next((handle.fault for handle in self._handles if handle.strikes(request)), None)

    def _remove(self, handle: FaultHandle) -> None:
        if handle in self._handles:
            self._handles.remove(handle)
