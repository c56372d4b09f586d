"""User delegation keys, and what is signed with them.

Azurite issues the keys, and takes what is signed with them for a blob; for a snapshot it does not check the signature
as the service does (REST: Create a user delegation SAS). So the gateway remembers the keys and checks for itself.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from azure.storage.blob import UserDelegationKey, generate_blob_sas

from .answers import ServiceError
from .operations import Request

LONGEST_KEY_LIFE = dt.timedelta(days=7)
"""REST, Get User Delegation Key: the expiry must be within 7 days."""

NOT_SIGNED = frozenset({"comp", "marker", "maxresults", "prevsnapshot", "restype", "snapshot", "timeout"})
"""The query parameters of a request that are no part of a SAS; a SAS of a snapshot signs its time all the same."""

_ELEMENT = re.compile(rb"<(\w+)>([^<]+)</")
_KEY_FIELDS = ("skoid", "skt", "ske", "skv")


class Delegations:
    """The user delegation keys that were issued, by account."""

    def __init__(self, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)) -> None:
        self.now = now
        self._keys: dict[tuple[str, ...], UserDelegationKey] = {}

    @property
    def issued(self) -> list[str]:
        """The keys themselves."""
        return [str(key.value) for key in self._keys.values()]

    def revoke(self) -> None:
        """Have no key serve any more that was issued so far (`az storage account revoke-delegation-keys`)."""
        self._keys.clear()

    def check_lifetime(self, body: bytes) -> None:
        """Look at a request for a key (REST: Get User Delegation Key).

        Raises:
            ServiceError: the key is asked for longer than 7 days.
        """
        expiry = _elements(body).get("Expiry", "")
        if not expiry or _time(expiry) > self.now() + LONGEST_KEY_LIFE:
            raise ServiceError(400, "InvalidXmlNodeValue", "The value for one of the XML nodes is not in range.")

    def remember(self, account: str, body: bytes) -> None:
        """Remember a key that was issued for an account."""
        issued = _elements(body)
        key = UserDelegationKey()  # type: ignore[no-untyped-call] # the SDK says no types here
        key.signed_oid, key.signed_tid = issued["SignedOid"], issued["SignedTid"]
        key.signed_start, key.signed_expiry = issued["SignedStart"], issued["SignedExpiry"]
        key.signed_service, key.signed_version = issued["SignedService"], issued["SignedVersion"]
        key.value = issued["Value"]
        self._keys[account, key.signed_oid, key.signed_start, key.signed_expiry, key.signed_version] = key

    def signer(self, request: Request) -> str:
        """Check the SAS of a request for a blob or a snapshot; give the object id of who signed it.

        Raises:
            ServiceError: AuthenticationFailed.
        """
        account, _, rest = request.path.removeprefix("/").partition("/")
        container, _, blob = rest.partition("/")
        key = self._keys.get((account, *(request.query.get(name, "") for name in _KEY_FIELDS)))
        given = {name: value for name, value in request.query.items() if name not in NOT_SIGNED}
        if (
            key is None
            or not blob
            or "se" not in given
            or given != _signed(key, account, container, blob, request.query)
        ):
            raise _failed("Signature did not match.")
        starts = [_time(given[name]) for name in ("skt", "st") if name in given]
        ends = [_time(given[name]) for name in ("ske", "se")]
        if not max(starts) <= self.now() < min(ends):
            raise _failed("Signature not valid in the specified time frame.")
        return str(key.signed_oid)


def _signed(
    key: UserDelegationKey, account: str, container: str, blob: str, query: Mapping[str, str]
) -> dict[str, str]:
    """Sign what a SAS says anew. With another `sv` than the installed SDK's it never is the same."""
    sas = generate_blob_sas(
        account,
        container,
        blob,
        snapshot=query.get("snapshot") if query.get("sr") == "bs" else None,
        user_delegation_key=key,
        permission=query.get("sp"),
        start=query.get("st"),
        expiry=query.get("se"),
    )
    return dict(parse_qsl(sas))


def _elements(body: bytes) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in _ELEMENT.findall(body)}


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _failed(why: str) -> ServiceError:
    message = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
    )
    details = {"AuthenticationErrorDetail": why}
    return ServiceError(403, "AuthenticationFailed", f"{message} including the signature.", details=details)
