"""The heartbeat: a URL of somebody else's who raises an alarm when it is not called any more."""

from http import HTTPStatus

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest
from pydantic import SecretStr

from shared.azure.connections import Connections
from shared.errors import HeartbeatError


class Heartbeat:
    """Access to the heartbeat, if there is one. Its URL is a secret: whoever knows it can call it."""

    def __init__(self, connections: Connections, url: SecretStr | None) -> None:
        """Take the URL; None where there is none that can be called."""
        self._connections = connections
        self._url = url

    async def call(self) -> None:
        """Call the URL (GET), if there is one.

        Raises:
            HeartbeatError: it does not answer, or with an error; the message does not tell the URL.
        """
        if self._url is None:
            return
        http = await self._connections.http()
        try:
            answer = await http.send_request(HttpRequest("GET", self._url.get_secret_value()))
        except (AzureError, ValueError) as error:
            # Such an error may repeat the URL.
            raise HeartbeatError(f"HEARTBEAT_URL does not answer: {type(error).__name__}") from None
        if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise HeartbeatError(f"HEARTBEAT_URL answers {answer.status_code}")
