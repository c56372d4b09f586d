"""The heartbeat: the URL of an external monitor that raises an alarm when the calls stop."""

from http import HTTPStatus

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest
from pydantic import SecretStr

from shared.azure.connections import Connections
from shared.errors import HeartbeatError


class Heartbeat:
    """Access to the heartbeat, if there is one. Its URL is a secret: anyone who knows it can call it."""

    def __init__(self, connections: Connections, url: SecretStr | None) -> None:
        """Take the URL; None if there is none that can be called."""
        self._connections = connections
        self._url = url

    async def call(self) -> None:
        """Call the URL (GET), if there is one.

        Raises:
            HeartbeatError: there was no response, or an error; the message does not contain the URL.
        """
        if self._url is None:
            return
        http = await self._connections.http()
        try:
            answer = await http.send_request(HttpRequest("GET", self._url.get_secret_value()))
        except (AzureError, ValueError) as error:
            # The error may contain the URL.
            raise HeartbeatError(f"HEARTBEAT_URL did not respond: {type(error).__name__}") from None
        if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise HeartbeatError(f"HEARTBEAT_URL responded with HTTP status {answer.status_code}")
