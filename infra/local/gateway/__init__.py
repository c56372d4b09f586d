"""The blob gateway: what Azurite lacks of page blobs, in front of its blob port, and faults on demand."""

from .faults import Fault, FaultHandle, Faults
from .operations import Request
from .page_ranges import RangeSource
from .server import Gateway, run_gateway

__all__ = ["Fault", "FaultHandle", "Faults", "Gateway", "RangeSource", "Request", "run_gateway"]
