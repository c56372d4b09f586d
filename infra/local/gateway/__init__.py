"""The blob gateway, in front of Azurite's blob port: what Azurite lacks of page blobs.

And what a test orders: faults, and copies that take their time.
"""

from .faults import Fault, FaultHandle, Faults
from .operations import Request
from .page_ranges import RangeSource
from .pending_copies import HeldCopies
from .server import Gateway, run_gateway

__all__ = ["Fault", "FaultHandle", "Faults", "Gateway", "HeldCopies", "RangeSource", "Request", "run_gateway"]
