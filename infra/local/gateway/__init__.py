"""The blob gateway, in front of Azurite's blob port: what Azurite lacks of page blobs.

And what a test orders: faults, and copies that take their time.
"""

from .authorization import Door
from .faults import Fault, FaultHandle, Faults
from .interceptor import Stage, When
from .operations import Request
from .page_ranges import RangeSource
from .pending_copies import HeldCopies
from .proxy import Front, run_front
from .server import Gateway, run_gateway

__all__ = [
    "Door",
    "Fault",
    "FaultHandle",
    "Faults",
    "Front",
    "Gateway",
    "HeldCopies",
    "RangeSource",
    "Request",
    "Stage",
    "When",
    "run_front",
    "run_gateway",
]
