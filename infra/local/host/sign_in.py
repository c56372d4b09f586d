"""App Service Authentication, as the app sees it: somebody is signed in, and says so in headers of the platform."""

import base64
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from infra.local.host.settings import StartError

SIGNED_IN = "LOCAL_HOST_SIGNED_IN"
"""The variable with the group of whoever asks; it is this host's own, and the app does not see it."""

_PLATFORM_HEADERS = "x-ms-client-principal"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Signs in whoever asks, as a made-up user who is a member of the group (an object ID) and of no other.

    As in Azure, no client can set the platform's headers (Work with user identities in Azure App Service
    authentication), and they are not taken off where the authentication is off.
    """

    group: str

    def headers(self, sent: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that the app gets, of those that the client sent. All names are in lower case."""
        kept = {name: value for name, value in sent.items() if not name.startswith(_PLATFORM_HEADERS)}
        user = "00000000-0000-0000-0000-00000000000a"
        claims = {"name": "A local user", "oid": user, "groups": self.group}
        principal = {
            "auth_typ": "aad",
            "claims": [{"typ": name, "val": value} for name, value in claims.items()],
            "name_typ": "name",
            "role_typ": "roles",
        }
        return kept | {
            "x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode(),
            "x-ms-client-principal-id": user,
            "x-ms-client-principal-idp": "aad",
            "x-ms-client-principal-name": "local-user@example.com",
        }


def take_sign_in(environment: MutableMapping[str, str]) -> SignIn | None:
    """Take what this host is told out of the environment, and tell the app what the platform tells it.

    Raises:
        StartError: the app settings have what only the platform sets.
    """
    group = environment.pop(SIGNED_IN, "")
    if not group:
        return None
    if "WEBSITE_AUTH_ENABLED" in environment:
        raise StartError("WEBSITE_AUTH_ENABLED is set by the platform, not by an app setting.")
    environment["WEBSITE_AUTH_ENABLED"] = "True"
    return SignIn(group)
