"""Faults of the resource manager, in the form of the gateway's."""

from dataclasses import dataclass

from infra.local.gateway.faults import Fault


@dataclass(frozen=True, slots=True)
class ArmFault(Fault):
    """A fault, and the requests it applies to: `operation` is as in the REST reference, "Snapshots - Create Or Update".

    Of a `Fault`, what concerns pages and copy sources has no effect here.

    Attributes:
        fail: the (error code, message) with which the operation ends, after its request was answered well.
        retry_after: the seconds of the header Retry-After beside `refuse`; None for no header.
    """

    fail: tuple[str, str] | None = None
    retry_after: int | None = None
