"""Tokens as Microsoft Entra ID issues them to a managed identity, signed with a key made at start."""

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import jwt
from azure.core.credentials import AccessToken

STORAGE = "https://storage.azure.com"
"""The resource of a token for any storage account."""

MANAGEMENT = "https://management.azure.com"
"""The resource of a token for the resource manager."""

DISK = "https://disk.azure.com/"
"""The resource of a token for the data of managed disks (AzCopy: with its slash)."""

_STORAGE_AUDIENCES = frozenset({STORAGE, f"{STORAGE}/"})
_TENANT = str(uuid.uuid5(uuid.NAMESPACE_URL, "tenant-of-the-local-azure"))
_ISSUER = f"https://sts.windows.net/{_TENANT}/"
_ALGORITHM = "HS256"
_LIFE_SECONDS = 24 * 60 * 60
_SKEW_SECONDS = 5 * 60


@dataclass(frozen=True, slots=True)
class Principal:
    """A principal that gets tokens.

    Attributes:
        name: a name for people.
        object_id: the id that roles are assigned to.
        client_id: the id by which an app selects a managed identity.
    """

    name: str
    object_id: str
    client_id: str

    @classmethod
    def named(cls, name: str) -> Self:
        """Make a principal whose ids are derived from its name: the same at every start."""
        object_id, client_id = (str(uuid.uuid5(uuid.NAMESPACE_URL, f"{what}-of-{name}")) for what in ("object", "app"))
        return cls(name, object_id, client_id)


class Token(NamedTuple):
    """A token, and when it expires, in seconds since 1970."""

    text: str
    expires_on: int


class InvalidTokenError(Exception):
    """A text that is no token for what it is given to, or one that has expired."""


class TokenIssuer:
    """Issues tokens, and recognizes them.

    Attributes:
        issued: all tokens issued, with their claims.
    """

    def __init__(self) -> None:
        self.issued: dict[str, Mapping[str, Any]] = {}
        self._key = secrets.token_bytes(32)
        self._tokens: dict[tuple[Principal, str], Token] = {}

    def issue(self, principal: Principal, resource: str = STORAGE) -> Token:
        """Return a principal's token for a resource: always the same one, as App Service does for a day."""
        if (principal, resource) not in self._tokens:
            self._tokens[principal, resource] = self.make(principal, resource, int(time.time()))
        return self._tokens[principal, resource]

    def make(self, principal: Principal, resource: str, now: int) -> Token:
        """Make a token with a managed identity's claims, issued at `now` (seconds since 1970)."""
        claims = {
            "aud": resource,
            "iss": _ISSUER,
            "iat": now,
            "nbf": now - _SKEW_SECONDS,
            "exp": now + _LIFE_SECONDS,
            "appid": principal.client_id,
            "idtyp": "app",
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": _TENANT,
            "ver": "1.0",
        }
        token = Token(jwt.encode(claims, self._key, _ALGORITHM), now + _LIFE_SECONDS)
        self.issued[token.text] = claims
        return token

    def object_id(self, token: str, audiences: frozenset[str] = _STORAGE_AUDIENCES) -> str:
        """Return the object id of the principal whose token, for one of these resources, this is.

        Raises:
            InvalidTokenError: it was not issued here, is for something else, or has expired.
        """
        claims = self.issued.get(token)
        if claims is None or claims["aud"] not in audiences or claims["exp"] <= time.time():
            raise InvalidTokenError
        return str(claims["oid"])


class TokenCredential:
    """A principal's credential for the SDK's asynchronous clients."""

    def __init__(self, issuer: TokenIssuer, principal: Principal) -> None:
        self._issuer = issuer
        self._principal = principal

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """Return the token for the resource that a scope names: "https://storage.azure.com/.default"."""
        return AccessToken(*self._issuer.issue(self._principal, scopes[0].removesuffix("/.default")))

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        pass
