"""The app's identity: the tokens it has been given live as long as the process, and nothing else of it does."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential

# As the SDK's own cache: a token is renewed five minutes before its end, and after a renewal that failed not for 30 s.
_RENEWED_BEFORE_SECONDS = 300
_TRIED_AGAIN_AFTER_SECONDS = 30

type _Key = tuple[str, tuple[str, ...]]
type _Asked = tuple[asyncio.AbstractEventLoop, _Key]


@dataclass(slots=True)
class _Kept:
    """A token.

    Attributes:
        token: what the SDK gives.
        renewed_from: from when on another one is asked for, in seconds since 1970.
    """

    token: AccessTokenInfo
    renewed_from: float


class Tokens:
    """Tokens by identity and scope. A token is a value: it serves in any event loop, and nothing of it is to be closed.

    A credential of the SDK holds connections, which belong to one loop and have to be closed in it. So there is one for
    each request for a token: a few a day and process (App Service's tokens live for a day), not some an invocation.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: dict[_Key, _Kept] = {}
        self._asking: dict[_Asked, asyncio.Task[AccessTokenInfo]] = {}

    async def give(self, client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions) -> AccessTokenInfo:
        """Give a token that is still to serve for a while; ask for one where there is none, or the last was refused.

        Args:
            client_id: the identity's; empty for the one that the machine has.
            scopes: what the token is for.
            options: the SDK's: with a tenant or claims in it, the service has refused the last token.

        Raises:
            ClientAuthenticationError: none is given.
        """
        kept = self._kept.get((client_id, scopes))
        was_refused = bool(options.get("tenant_id") or options.get("claims"))
        if kept and not was_refused and self._now() < kept.renewed_from:
            return kept.token
        try:
            token = await self._asked_once(client_id, scopes, options)
        except ClientAuthenticationError:
            if kept is None or was_refused or self._now() >= kept.token.expires_on:
                raise
            kept.renewed_from = min(self._now() + _TRIED_AGAIN_AFTER_SECONDS, kept.token.expires_on)
            return kept.token
        self._kept[client_id, scopes] = _Kept(token, self._renewed_from(token))
        return token

    def _renewed_from(self, token: AccessTokenInfo) -> float:
        """Say from when on another token is asked for; not at each request where one comes that is about to end."""
        wanted = min(token.refresh_on or token.expires_on, token.expires_on - _RENEWED_BEFORE_SECONDS)
        return min(max(wanted, self._now() + _TRIED_AGAIN_AFTER_SECONDS), token.expires_on)

    async def _asked_once(
        self, client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions
    ) -> AccessTokenInfo:
        """Ask for a token; who asks meanwhile gets what comes of that, even if who was first is cancelled."""
        key = (asyncio.get_running_loop(), (client_id, scopes))
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(_ask(client_id, scopes, options))
            self._asking[key].add_done_callback(lambda task: self._answered(key, task))
        return await asyncio.shield(self._asking[key])

    def _answered(self, key: _Asked, task: asyncio.Task[AccessTokenInfo]) -> None:
        del self._asking[key]
        # Looked at, so that asyncio does not tell of an error that nobody waits for any more.
        if not task.cancelled():
            task.exception()


_OF_PROCESS = Tokens()


class AppIdentity:
    """A credential for the SDK's clients, in place of the SDK's own: nothing has to be closed."""

    def __init__(self, client_id: str | None, tokens: Tokens = _OF_PROCESS) -> None:
        self._client_id = client_id or ""
        self._tokens = tokens

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give a token, as the SDK's clients ask for it."""
        return await self._tokens.give(self._client_id, scopes, options or {})

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """Give a token, as older clients ask for it."""
        options: TokenRequestOptions = {"enable_cae": enable_cae}
        if claims:
            options["claims"] = claims
        if tenant_id:
            options["tenant_id"] = tenant_id
        token = await self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    async def close(self) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        pass


async def _ask(client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions) -> AccessTokenInfo:
    chosen = {"managed_identity_client_id": client_id} if client_id else {}
    async with DefaultAzureCredential(**chosen) as credential:
        return await credential.get_token_info(*scopes, options=options)
