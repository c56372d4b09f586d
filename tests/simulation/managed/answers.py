"""The answers of the simulated services of managed disks, as the app's HTTP client gives them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.simulation.managed.resources import Refused


@dataclass(frozen=True)
class Answer:
    """An answer, as far as the app and its errors look at it.

    Attributes:
        status_code: the HTTP status.
        headers: the headers.
        body: the body.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def reason(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status_code).phrase

    @property
    def content(self) -> bytes:
        """The body."""
        return self.body.encode()

    def text(self) -> str:
        """Give the body."""
        return self.body

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


def answer(status: int, content: Mapping[str, Any] | None = None, **headers: str) -> Answer:
    """Make an answer of Azure Resource Manager."""
    return Answer(status, headers, json.dumps(content) if content is not None else "")


def refusal_of_manager(refused: Refused) -> Answer:
    """Make its answer to a request that it refuses."""
    return answer(refused.status, {"error": {"code": refused.code, "message": str(refused)}})


def refusal_of_host(refused: Refused) -> Answer:
    """Make the answer of a storage host to a request that it refuses."""
    return Answer(refused.status, {"x-ms-error-code": refused.code})
