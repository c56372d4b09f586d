"""User delegation keys, by which URLs are signed where the app has no account key: kept in memory only."""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta

from azure.storage.blob import UserDelegationKey
from azure.storage.blob.aio import BlobServiceClient

SIGNED_BEFORE = timedelta(minutes=15)
"""How long before now keys and what they sign begin to be valid: clocks differ (Best practices when using SAS)."""

_SERVES = timedelta(days=1)
# With COPY_URL_LIFETIME still less than 7 days, the most that the service allows.
_OUTLASTS = timedelta(minutes=30)


class DelegationKeys:
    """The keys of a process, by account. A key that may have been revoked must be forgotten."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[UserDelegationKey, datetime]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self, service: BlobServiceClient, service_url: str, now: datetime, expiry: datetime
    ) -> UserDelegationKey:
        """Give a key that is valid until then; one request serves all who ask at once (REST: Get User Delegation Key).

        Args:
            service: asks for it.
            service_url: the account's blob service, under which the key is kept.
            now: the time, UTC.
            expiry: until when it must be valid, UTC; less than 7 days ahead.

        Raises:
            HttpResponseError: among others, the app's identity may not have one.
        """
        async with self._asking[service_url]:
            key, serves_until = self._keys.get(service_url, (None, now))
            if key is None or serves_until < expiry:
                serves_until = max(expiry + _OUTLASTS, now + _SERVES)
                key = await service.get_user_delegation_key(now - SIGNED_BEFORE, serves_until)
                self._keys[service_url] = (key, serves_until)
            return key

    def forget(self, service_url: str) -> None:
        """Forget an account's key, as the service may have refused what it signed."""
        self._keys.pop(service_url, None)
