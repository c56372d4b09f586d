"""The app's identity. Its tokens are cached by whoever keeps them: for the process, whatever becomes of connections."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential

# Like the SDK's own cache: renew a token five minutes before it expires, and wait 30 s after a failed renewal.
_RENEW_BEFORE_SECONDS = 300
_RETRY_AFTER_SECONDS = 30

type _Key = tuple[str, tuple[str, ...]]
type _PendingKey = tuple[asyncio.AbstractEventLoop, _Key]


@dataclass(slots=True)
class _CachedToken:
    """A cached token.

    Attributes:
        token: the SDK's token.
        renew_at: when to request another one, in seconds since 1970.
    """

    token: AccessTokenInfo
    renew_at: float


class Tokens:
    """Tokens by identity and scope. A token is a value: it works in any event loop, and needs no closing.

    A credential of the SDK holds connections, which belong to one loop and must be closed in it. So each token request
    makes its own: a few per day and process (App Service's tokens live for a day) rather than some per invocation.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._cache: dict[_Key, _CachedToken] = {}
        self._pending: dict[_PendingKey, asyncio.Task[AccessTokenInfo]] = {}

    async def get(self, client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions) -> AccessTokenInfo:
        """Give a token that is valid for a while; request one if there is none, or the service refused the last.

        Args:
            client_id: the client ID of the identity; empty for the machine's only one.
            scopes: what the token is for.
            options: the SDK's: a tenant or claims mean that the service refused the last token.

        Raises:
            ClientAuthenticationError: no token was issued.
        """
        cached = self._cache.get((client_id, scopes))
        was_refused = bool(options.get("tenant_id") or options.get("claims"))
        if cached and not was_refused and self._now() < cached.renew_at:
            return cached.token
        try:
            token = await self._request_once(client_id, scopes, options)
        except ClientAuthenticationError:
            if cached is None or was_refused or self._now() >= cached.token.expires_on:
                raise
            cached.renew_at = min(self._now() + _RETRY_AFTER_SECONDS, cached.token.expires_on)
            return cached.token
        self._cache[client_id, scopes] = _CachedToken(token, self._renewal_time(token))
        return token

    def _renewal_time(self, token: AccessTokenInfo) -> float:
        """Say when to request another token: not on every call, even if the new one is about to expire."""
        wanted = min(token.refresh_on or token.expires_on, token.expires_on - _RENEW_BEFORE_SECONDS)
        return min(max(wanted, self._now() + _RETRY_AFTER_SECONDS), token.expires_on)

    async def _request_once(
        self, client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions
    ) -> AccessTokenInfo:
        """Request a token once for all concurrent callers, even if the first of them is cancelled."""
        key = (asyncio.get_running_loop(), (client_id, scopes))
        if key not in self._pending:
            self._pending[key] = asyncio.create_task(_request(client_id, scopes, options))
            self._pending[key].add_done_callback(lambda task: self._finished(key, task))
        return await asyncio.shield(self._pending[key])

    def _finished(self, key: _PendingKey, task: asyncio.Task[AccessTokenInfo]) -> None:
        del self._pending[key]
        # Retrieved, so that asyncio does not log an error that nobody awaits any more.
        if not task.cancelled():
            task.exception()


class AppIdentity:
    """A credential for the SDK's clients that, unlike the SDK's own, needs no closing."""

    def __init__(self, client_id: str | None, tokens: Tokens | None = None) -> None:
        """Take an identity.

        Args:
            client_id: its client ID; None or empty for the machine's only one.
            tokens: where its tokens are cached; its own if None.
        """
        self._client_id = client_id or ""
        self._tokens = tokens or Tokens()

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give a token, as current SDK clients ask for it."""
        return await self._tokens.get(self._client_id, scopes, options or {})

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """Give a token, as older SDK clients ask for it."""
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


async def _request(client_id: str, scopes: tuple[str, ...], options: TokenRequestOptions) -> AccessTokenInfo:
    chosen = {"managed_identity_client_id": client_id} if client_id else {}
    async with DefaultAzureCredential(**chosen) as credential:
        return await credential.get_token_info(*scopes, options=options)
