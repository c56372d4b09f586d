"""User delegation keys, and checking the SASs signed with them.

Azurite issues the keys and accepts SASs of blobs signed with them, but does not check the SAS of a snapshot as the
service does (REST: Create a user delegation SAS). So the gateway remembers the keys and checks SASs itself, in the
format of the version that the SAS names, and with code independent of the app and the SDK.
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

MAX_KEY_LIFETIME = dt.timedelta(days=7)
"""REST, Get User Delegation Key: the expiry must be within 7 days."""

NOT_SIGNED = frozenset({"comp", "marker", "maxresults", "prevsnapshot", "restype", "snapshot", "timeout"})
"""Query parameters that are not part of a SAS; the SAS of a snapshot nevertheless signs the snapshot's time."""

# The fields of the string-to-sign, one per line, by the version that introduced them (REST: Create a user delegation
# SAS); the versions in between use those of the version before.
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
    """Name the request's version in an issued key, as the service does; Azurite names its own."""
    return re.sub(rb"(?<=<SignedVersion>)[^<]*", version.encode(), body)


class IssuedKey(NamedTuple):
    """A user delegation key: its principal, and the key itself in base64."""

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
        """Revoke all keys issued so far (`az storage account revoke-delegation-keys`)."""
        self._keys.clear()

    def check_lifetime(self, body: bytes) -> None:
        """Require that a request for a key stays within 7 days (REST: Get User Delegation Key).

        Raises:
            ServiceError: its expiry is later, or missing.
        """
        expiry = _elements(body).get("Expiry", "")
        if not expiry or _time(expiry) > self.now() + MAX_KEY_LIFETIME:
            raise ServiceError(400, "InvalidXmlNodeValue", "The value for one of the XML nodes is not in range.")

    def remember(self, account: str, body: bytes) -> None:
        """Remember a key that was issued for an account."""
        issued = _elements(body)
        fields = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion")
        self._keys[account, *(issued[name] for name in fields)] = IssuedKey(issued["SignedOid"], issued["Value"])

    def signer(self, request: Request) -> str:
        """Check the SAS of a request for a blob or a snapshot; return the object id of its signer.

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
    """Compute the signature of a SAS in the format of its version.

    Raises:
        ServiceError: AuthenticationFailed, if the version has no user delegation SAS.
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
