"""Signatures: computed here from the strings that the REST reference names, line by line, and compared with the SDK's.

REST: Create a service SAS, "Construct the signature string"; Create a user delegation SAS, "Specify the signature".
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from azure.storage.blob import UserDelegationKey, generate_blob_sas
from azure.storage.blob._serialize import _SUPPORTED_API_VERSIONS  # what a client can be made for
from azure.storage.blob._shared.constants import X_MS_VERSION  # what the SDK itself signs for

from shared.azure.signatures import Signed, sign_by_delegation, sign_by_key
from shared.limits import STORAGE_API_VERSION, can_sign
from shared.model.addresses import BlobAddress
from shared.settings import SettingsError, load_settings

SNAPSHOT = "2026-11-22T12:00:00.1234567Z"
SECRET = base64.b64encode(b"a key of an account, or one that was issued").decode()
DISK = BlobAddress.parse("https://account.blob.core.windows.net/vhds/web/os%20ä.vhd")
DECODED = "/blob/account/vhds/web/os ä.vhd"
ST, SE, SKE = "2026-11-22T11:45:00Z", "2026-11-22T16:00:00Z", "2026-11-22T16:30:00Z"
OID, TID = "11111111-0000-0000-0000-000000000001", "22222222-0000-0000-0000-000000000002"


def signed(version: str, snapshot: str = SNAPSHOT) -> Signed:
    east = timezone(timedelta(hours=2))
    return Signed(
        DISK, snapshot, datetime(2026, 11, 22, 13, 45, tzinfo=east), datetime(2026, 11, 22, 16, tzinfo=UTC), version
    )


def issued(version: str) -> UserDelegationKey:
    key = UserDelegationKey()  # type: ignore[no-untyped-call] # the SDK says no types here
    key.signed_oid, key.signed_tid, key.signed_service, key.signed_version = OID, TID, "b", version
    key.signed_start, key.signed_expiry, key.value = ST, SKE, SECRET
    return key


def hmac_of(*lines: str) -> str:
    digest = hmac.new(base64.b64decode(SECRET), "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signature(query: str) -> str:
    return dict(parse_qsl(query))["sig"]


@pytest.mark.parametrize(
    "version", ["2020-12-06", "2021-12-02", "2025-07-05", "2025-11-05", "2026-04-06", "2026-10-06"]
)
def test_a_key_signs_sixteen_lines(version: str) -> None:
    snapshot = hmac_of("r", ST, SE, DECODED, "", "", "", version, "bs", SNAPSHOT, "", "", "", "", "", "")
    blob = hmac_of("r", ST, SE, DECODED, "", "", "", version, "b", "", "", "", "", "", "", "")
    assert signature(sign_by_key(signed(version), SECRET)) == snapshot
    assert signature(sign_by_key(signed(version, ""), SECRET)) == blob


def test_a_key_signs_for_old_versions_without_an_encryption_scope() -> None:
    expected = hmac_of("r", ST, SE, DECODED, "", "", "", "2020-10-02", "bs", SNAPSHOT, "", "", "", "", "")
    assert signature(sign_by_key(signed("2020-10-02"), SECRET)) == expected


@pytest.mark.parametrize(
    ("version", "between", "after"),
    [
        ("2019-12-12", 0, 0),
        ("2020-02-10", 3, 0),  # saoid, suoid, scid
        ("2020-12-06", 3, 1),  # and the encryption scope
        ("2025-05-05", 3, 1),
        ("2025-07-05", 5, 1),  # and skdutid, sduoid
        ("2025-11-05", 5, 1),
        ("2026-02-06", 5, 1),
        ("2026-04-06", 5, 3),  # and srh, srq
        ("2026-10-06", 5, 3),
    ],
)
@pytest.mark.parametrize(("kind", "snapshot"), [("bs", SNAPSHOT), ("b", "")])
def test_a_delegation_key_signs_the_lines_of_the_version(
    version: str, between: int, after: int, kind: str, snapshot: str
) -> None:
    lines = ("r", ST, SE, DECODED, OID, TID, ST, SKE, "b", version, *[""] * between)
    expected = hmac_of(*lines, "", "", version, kind, snapshot, *[""] * after, "", "", "", "", "")
    assert signature(sign_by_delegation(signed(version, snapshot), issued(version))) == expected


@pytest.mark.parametrize("snapshot", [SNAPSHOT, ""])
def test_in_its_own_version_the_sdk_signs_the_same(snapshot: str) -> None:
    fields = {"permission": "r", "start": ST, "expiry": SE, "snapshot": snapshot or None}
    of_sdk = generate_blob_sas("account", "vhds", DISK.blob, account_key=SECRET, **fields)  # type: ignore[arg-type]
    assert dict(parse_qsl(sign_by_key(signed(X_MS_VERSION, snapshot), SECRET))) == dict(parse_qsl(of_sdk))
    key = issued(X_MS_VERSION)
    of_sdk = generate_blob_sas("account", "vhds", DISK.blob, user_delegation_key=key, **fields)  # type: ignore[arg-type]
    assert dict(parse_qsl(sign_by_delegation(signed(X_MS_VERSION, snapshot), key))) == dict(parse_qsl(of_sdk))


def test_a_signature_names_its_version_and_may_read_and_nothing_else() -> None:
    by_key = dict(parse_qsl(sign_by_key(signed(STORAGE_API_VERSION), SECRET)))
    assert by_key.pop("sig")
    assert by_key == {"sp": "r", "st": ST, "se": SE, "sv": "2025-11-05", "sr": "bs"}
    by_delegation = dict(parse_qsl(sign_by_delegation(signed(STORAGE_API_VERSION), issued(STORAGE_API_VERSION))))
    assert (by_delegation["sv"], by_delegation["skv"], by_delegation["sp"]) == ("2025-11-05", "2025-11-05", "r")
    assert "snapshot" not in {*by_key, *by_delegation}, "it is a part of the URL already"


def test_every_version_that_a_client_can_ask_for_can_be_signed_for() -> None:
    assert [version for version in _SUPPORTED_API_VERSIONS if not can_sign(version)] == []
    assert can_sign(STORAGE_API_VERSION)
    assert not can_sign("2018-03-28"), "before user delegation keys"
    assert not can_sign("2027-01-01"), "what is signed there nobody knows yet"


@pytest.mark.parametrize("version", ["2018-03-28", "2027-01-01"])
def test_a_version_that_can_not_be_signed_for_prevents_the_start(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_API_VERSION", version)
    with pytest.raises(SettingsError, match="- STORAGE_API_VERSION: must be"):
        load_settings()
