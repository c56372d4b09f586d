"""What the status page answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.azure.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: `path` is `status`, `status.json` or `metrics`; `accept` is its header."""

    path: str
    accept: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def answer(services: Services, asked: Asked) -> Answered:
    """Answer a request."""
    body = json.dumps({"asked": asked.path, "containers": len(services.settings.backup_containers)}).encode()
    return Answered(status=200, headers={"Content-Type": "application/json", "Cache-Control": "no-store"}, body=body)
