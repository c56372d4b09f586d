"""User delegation SASs: what is signed with a key that a token got, for at most 7 days, is what is let in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR, READ_BLOB, Role
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import BLOB_API_VERSION, DISKS, MORE_DISKS
from shared.azure.signatures import Signed as AppSigned
from shared.azure.signatures import sign_by_delegation
from shared.model.addresses import BlobAddress

PAGE = 512
CONTENT, LATER = b"a" * PAGE, b"b" * PAGE
READER = Role("Reader", (READ_BLOB,))


def now() -> datetime:
    return datetime.now(UTC)


class Signed(NamedTuple):
    """What a test reads: a disk with a snapshot, and a key to sign with."""

    disk: BlobClient
    snapshot: str
    key: UserDelegationKey

    def sas(self, **changed: Any) -> str:
        """Sign the reading of the snapshot for an hour, but for what is changed."""
        fields: dict[str, Any] = {
            "account_name": DISKS.name,
            "container_name": self.disk.container_name,
            "blob_name": self.disk.blob_name,
            "snapshot": self.snapshot,
            "user_delegation_key": self.key,
            "permission": "r",
            "start": now() - timedelta(minutes=5),
            "expiry": now() + timedelta(hours=1),
        }
        return generate_blob_sas(**{**fields, **changed})

    def url(self, sas: str, snapshot: str | None = None) -> str:
        chosen = self.snapshot if snapshot is None else snapshot
        return f"{self.disk.url}?{f'snapshot={chosen}&' if chosen else ''}{sas}"


@pytest.fixture
async def signed(azure: IdentityAzure, container: ContainerClient, app: BlobServiceClient) -> Signed:
    azure.give_app(READER, f"/{DISKS.name}/{container.container_name}")
    disk = container.get_blob_client("disk.vhd")
    await disk.create_page_blob(PAGE)
    await disk.upload_page(CONTENT, 0, PAGE)
    snapshot = str((await disk.create_snapshot())["snapshot"])
    await disk.upload_page(LATER, 0, PAGE)
    key = await app.get_user_delegation_key(now() - timedelta(minutes=5), now() + timedelta(days=6))
    return Signed(disk, snapshot, key)


async def read(http: aiohttp.ClientSession, url: str) -> tuple[int, str, bytes]:
    """Read a page; give the status, the error code and the content."""
    headers = {"x-ms-version": BLOB_API_VERSION, "x-ms-range": f"bytes=0-{PAGE - 1}"}
    async with http.get(url, headers=headers) as answer:
        return answer.status, answer.headers.get("x-ms-error-code", ""), await answer.read()


async def test_what_is_signed_for_can_be_read_without_a_token(http: aiohttp.ClientSession, signed: Signed) -> None:
    assert await read(http, signed.url(signed.sas())) == (206, "", CONTENT)
    of_the_blob = signed.sas(snapshot=None)
    assert await read(http, signed.url(of_the_blob, "")) == (206, "", LATER)
    assert await read(http, signed.url(of_the_blob)) == (206, "", CONTENT), "a blob's signature serves its snapshots"


@pytest.mark.parametrize("version", ["2019-12-12", "2020-02-10", "2021-12-02", BLOB_API_VERSION, "2026-04-06"])
async def test_what_the_app_signs_is_right_in_every_version(
    http: aiohttp.ClientSession, signed: Signed, version: str
) -> None:
    blob = BlobAddress.parse(signed.disk.url)
    for snapshot, content in ((signed.snapshot, CONTENT), ("", LATER)):
        until = now() + timedelta(hours=1)
        sas = sign_by_delegation(AppSigned(blob, snapshot, now() - timedelta(minutes=5), until, version), signed.key)
        assert await read(http, signed.url(sas, snapshot)) == (206, "", content)


REFUSED: dict[str, Callable[[Signed], str]] = {
    "another signature": lambda signed: signed.url(signed.sas().partition("&sig=")[0] + "&sig=AAAA"),
    "no signature": lambda signed: signed.url(signed.sas().partition("&sig=")[0] + "&sig="),
    "another snapshot": lambda signed: signed.url(signed.sas(), "2026-01-01T00:00:00.0000000Z"),
    "the blob itself": lambda signed: signed.url(signed.sas(), ""),
    "another blob": lambda signed: signed.url(signed.sas(blob_name="another.vhd")),
    "another account": lambda signed: signed.url(signed.sas(account_name="another")),
    "more rights than signed": lambda signed: signed.url(signed.sas().replace("sp=r&", "sp=rw&")),
    "longer than signed": lambda signed: signed.url(signed.sas().replace("se=20", "se=21")),
    "another's key": lambda signed: signed.url(signed.sas().replace("skoid=", "skoid=0")),
    "another version": lambda signed: signed.url(signed.sas().replace("sv=2026-10-06", "sv=2025-11-05")),
    "a version without user delegation": lambda signed: signed.url(signed.sas().replace("sv=20", "sv=00")),
    "expired": lambda signed: signed.url(signed.sas(expiry=now() - timedelta(seconds=1))),
    "not yet valid": lambda signed: signed.url(signed.sas(start=now() + timedelta(minutes=1))),
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_signed_for_is_refused(
    http: aiohttp.ClientSession, signed: Signed, url: Callable[[Signed], str]
) -> None:
    status, code, content = await read(http, url(signed))
    assert (status, code) == (403, "AuthenticationFailed")
    assert CONTENT not in content


async def test_a_signature_ends_with_its_key(
    http: aiohttp.ClientSession, azure: IdentityAzure, signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = signed.url(signed.sas(expiry=now() + timedelta(days=30)))
    assert (await read(http, url))[0] == 206
    monkeypatch.setattr(azure.authorizer.delegation_keys, "now", lambda: now() + timedelta(days=7))
    assert (await read(http, url))[:2] == (403, "AuthenticationFailed")


async def test_no_key_serves_longer_than_seven_days(app: BlobServiceClient) -> None:
    with pytest.raises(HttpResponseError) as raised:
        await app.get_user_delegation_key(now(), now() + timedelta(days=7, minutes=1))
    assert raised.value.status_code == 400


async def test_a_key_serves_its_own_account_only(http: aiohttp.ClientSession, signed: Signed) -> None:
    url = signed.url(signed.sas(account_name=MORE_DISKS.name)).replace(f"/{DISKS.name}/", f"/{MORE_DISKS.name}/")
    assert (await read(http, url))[:2] == (403, "AuthenticationFailed")


async def test_a_signature_reads_and_does_nothing_else_whoever_signed_it(
    http: aiohttp.ClientSession, azure: IdentityAzure, signed: Signed
) -> None:
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{signed.disk.container_name}")
    url = signed.url(signed.sas(snapshot=None, permission="rw"), "")
    headers = {"x-ms-version": BLOB_API_VERSION, "x-ms-page-write": "clear", "x-ms-range": f"bytes=0-{PAGE - 1}"}
    async with http.put(f"{url}&comp=page", headers=headers) as answer:
        assert (answer.status, answer.headers["x-ms-error-code"]) == (403, "AuthorizationPermissionMismatch")
    assert (await read(http, url))[2] == LATER
    for_writing = signed.url(signed.sas(permission="w"))
    assert (await read(http, for_writing))[:2] == (403, "AuthorizationPermissionMismatch")


async def test_a_signature_is_worth_no_more_than_the_roles_of_who_signed_it(
    http: aiohttp.ClientSession, azure: IdentityAzure, signed: Signed
) -> None:
    azure.take_from_app(next(given for given in azure.authorizer.roles.given if given.role is READER))
    assert (await read(http, signed.url(signed.sas())))[:2] == (403, "AuthorizationPermissionMismatch")


async def test_a_copy_reads_its_source_by_the_signature_alone(signed: Signed, container: ContainerClient) -> None:
    target = container.get_blob_client("copy.vhd")
    await target.create_page_blob(PAGE)
    good, bad = signed.url(signed.sas()), REFUSED["another signature"](signed)
    for source in (bad, signed.url("", signed.snapshot).rstrip("&")):
        with pytest.raises(HttpResponseError) as raised:
            await target.upload_pages_from_url(source, 0, PAGE, 0)
        assert raised.value.error_code == "CannotVerifyCopySource"  # type: ignore[attr-defined]
    with pytest.raises(HttpResponseError):
        await target.start_copy_from_url(bad)
    assert await (await target.download_blob()).readall() == bytes(PAGE)
    await target.upload_pages_from_url(good, 0, PAGE, 0)
    assert await (await target.download_blob()).readall() == CONTENT
    await target.start_copy_from_url(signed.url(signed.sas(snapshot=None), ""))
    assert await (await target.download_blob()).readall() == LATER
