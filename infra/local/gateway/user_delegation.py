"""User delegation keys, and what is signed with them.

Azurite issues the keys, and takes what is signed with them for a blob; for a snapshot it does not check the signature
as the service does (REST: Create a user delegation SAS). So the gateway remembers the keys and checks for itself, in
the form of the version that the signature names, and without what the app or the SDK signs by.
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .answers import ServiceError
from .operations import Request

LONGEST_KEY_LIFE = dt.timedelta(days=7)
"""REST, Get User Delegation Key: the expiry must be within 7 days."""

NOT_SIGNED = frozenset({"comp", "marker", "maxresults", "prevsnapshot", "restype", "snapshot", "timeout"})
"""The query parameters of a request that are no part of a SAS; a SAS of a snapshot signs its time all the same."""

# The fields of a string-to-sign, a line each, for each version since which they are so (REST: Create a user delegation
# SAS; versions in between are as the one before).
_KEY = "skoid sktid skt ske sks skv"
_FIELDS = {
    "2018-11-09": f"sp st se /blob {_KEY} sip spr sv sr snapshot rscc rscd rsce rscl rsct",
    "2020-02-10": f"sp st se /blob {_KEY} saoid suoid scid sip spr sv sr snapshot rscc rscd rsce rscl rsct",
    "2020-12-06": f"sp st se /blob {_KEY} saoid suoid scid sip spr sv sr snapshot ses rscc rscd rsce rscl rsct",
    "2025-07-05": f"sp st se /blob {_KEY} saoid suoid scid skdutid sduoid"
    " sip spr sv sr snapshot ses rscc rscd rsce rscl rsct",
    "2026-04-06": f"sp st se /blob {_KEY} saoid suoid scid skdutid sduoid"
    " sip spr sv sr snapshot ses srh srq rscc rscd rsce rscl rsct",
}

_ELEMENT = re.compile(rb"<(\w+)>([^<]+)</")


def of_version(body: bytes, version: str) -> bytes:
    """Have an issued key name the version that it was asked for in, as the service does; Azurite names its own."""
    return re.sub(rb"(?<=<SignedVersion>)[^<]*", version.encode(), body)


class IssuedKey(NamedTuple):
    """A user delegation key: whose it is, and the key itself in base64."""

    object_id: str
    value: str


class UserDelegationKeys:
    """The user delegation keys that were issued, by account."""

    def __init__(self, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)) -> None:
        self.now = now
        self._keys: dict[tuple[str, ...], IssuedKey] = {}

    @property
    def issued(self) -> list[str]:
        """The keys themselves."""
        return [key.value for key in self._keys.values()]

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
        fields = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion")
        self._keys[account, *(issued[name] for name in fields)] = IssuedKey(issued["SignedOid"], issued["Value"])

    def signer(self, request: Request) -> str:
        """Check the SAS of a request for a blob or a snapshot; give the object id of who signed it.

        Raises:
            ServiceError: AuthenticationFailed.
        """
        account, _, rest = request.path.removeprefix("/").partition("/")
        container, _, blob = rest.partition("/")
        given = request.query
        key = self._keys.get((account, *(given.get(name, "") for name in _KEY.split())))
        if key is None or not blob or not {"sp", "se", "sr"} <= given.keys():
            raise _failed("Signature did not match.")
        expected = _signature(key, f"/blob/{account}/{container}/{blob}", given)
        if not hmac.compare_digest(expected, given["sig"]):
            raise _failed("Signature did not match.")
        starts = [_time(given[name]) for name in ("skt", "st") if name in given]
        ends = [_time(given[name]) for name in ("ske", "se")]
        if not max(starts) <= self.now() < min(ends):
            raise _failed("Signature not valid in the specified time frame.")
        return key.object_id


def _signature(key: IssuedKey, resource: str, query: Mapping[str, str]) -> str:
    """Compute the signature of what a SAS says, in the form of its version.

    Raises:
        ServiceError: AuthenticationFailed, where the version knows no user delegation.
    """
    version = query.get("sv", "")
    since = max((known for known in _FIELDS if known <= version), default="")
    if not since:
        raise _failed("sv is not a version with user delegation SAS.")
    snapshot = query.get("snapshot", "") if query["sr"] == "bs" else ""
    values = {**query, "/blob": resource, "snapshot": snapshot}
    text = "\n".join(values.get(name, "") for name in _FIELDS[since].split())
    digest = hmac.new(base64.b64decode(key.value), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


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
