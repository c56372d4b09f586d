"""Shared access signatures that read one blob or snapshot, by account key or user delegation key.

The SDK's `generate_blob_sas` always signs for the newest service version it knows, whatever version its clients use.
The string-to-sign differs between versions, so a signature must have the form of the version it names.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from azure.storage.blob import UserDelegationKey

from shared.model.addresses import BlobAddress

_RESOURCE, _SNAPSHOT = "resource", "snapshot"

# The lines of a string-to-sign, by query parameter, and the version that introduced each; "" for all versions.
_HEAD = (("sp", ""), ("st", ""), ("se", ""), (_RESOURCE, ""))
_TAIL = tuple((name, "") for name in ("rscc", "rscd", "rsce", "rscl", "rsct"))
_SIGNED = (*((name, "") for name in ("sip", "spr", "sv", "sr", _SNAPSHOT)), ("ses", "2020-12-06"))

# REST: Create a service SAS, "Construct the signature string".
_BY_KEY = (*_HEAD, ("si", ""), *_SIGNED, *_TAIL)

# REST: Create a user delegation SAS, "Specify the signature".
_BY_DELEGATION = (
    *_HEAD,
    *((name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv")),
    *((name, "2020-02-10") for name in ("saoid", "suoid", "scid")),
    *((name, "2025-07-05") for name in ("skdutid", "sduoid")),
    *_SIGNED,
    *((name, "2026-04-06") for name in ("srh", "srq")),
    *_TAIL,
)


class Signed(NamedTuple):
    """What a signature grants.

    Attributes:
        blob: the blob.
        snapshot: the snapshot of it; empty for the blob itself.
        start, expiry: its validity, UTC.
        version: the service version whose form it has.
    """

    blob: BlobAddress
    snapshot: str
    start: datetime
    expiry: datetime
    version: str


def sign_by_key(signed: Signed, key: str) -> str:
    """Sign read access to a blob or snapshot with the account key; give the query, without `snapshot`."""
    return _query(signed, {}, _BY_KEY, key)


def sign_by_delegation(signed: Signed, key: UserDelegationKey) -> str:
    """Sign read access to a blob or snapshot with a user delegation key; give the query, without `snapshot`."""
    about = {
        "skoid": key.signed_oid,
        "sktid": key.signed_tid,
        "skt": key.signed_start,
        "ske": key.signed_expiry,
        "sks": key.signed_service,
        "skv": key.signed_version,
    }
    return _query(signed, {name: str(value) for name, value in about.items()}, _BY_DELEGATION, str(key.value))


def _query(signed: Signed, of_the_key: Mapping[str, str], lines: tuple[tuple[str, str], ...], key: str) -> str:
    query = {
        "sp": "r",
        "st": _time(signed.start),
        "se": _time(signed.expiry),
        "sv": signed.version,
        "sr": "bs" if signed.snapshot else "b",
        **of_the_key,
    }
    blob = signed.blob
    values = {**query, _RESOURCE: f"/blob/{blob.account}/{blob.container}/{blob.blob}", _SNAPSHOT: signed.snapshot}
    text = "\n".join(values.get(name, "") for name, since in lines if signed.version >= since)
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in {**query, "sig": signature}.items())


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
