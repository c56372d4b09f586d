"""The blob gateway in front of Azurite's blob port: it adds what Azurite lacks for page blobs.

Tests can also order faults, limits and copies that stay pending.
"""

from .authorization import Authorizer
from .faults import Fault, FaultHandle, Faults
from .interceptor import Interceptor, When
from .operations import Request
from .page_ranges import RangeSource
from .pending_copies import HeldCopies
from .proxy import Proxy, run_proxy
from .server import Gateway, run_gateway

__all__ = [
    "Authorizer",
    "Fault",
    "FaultHandle",
    "Faults",
    "Gateway",
    "HeldCopies",
    "Interceptor",
    "Proxy",
    "RangeSource",
    "Request",
    "When",
    "run_gateway",
    "run_proxy",
]
