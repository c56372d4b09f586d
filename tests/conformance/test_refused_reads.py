"""A failed read of pages is one request, and its error says what the service said: on Azurite only."""

import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from infra.local.gateway import Fault, Gateway
from shared.azure.answers import error_code, explain, is_busy, is_permanent, is_transient, lacks_role
from shared.model.disk import PageBlobDisk
from tests.conformance.clouds import Cloud, content_of, pages_of


@pytest.fixture
async def disk(on_azurite: Cloud) -> PageBlobDisk:
    return await on_azurite.disk(1, 2, 3)


async def failed_read(cloud: Cloud, gateway: Gateway, disk: PageBlobDisk, fault: Fault) -> AzureError:
    """Read the second page, which fails; it is one request, and the next one reads it."""
    handle = gateway.faults.add(fault)
    url = await cloud.source(disk)
    gateway.requests.clear()
    with pytest.raises(AzureError) as failed:
        await cloud.services.pages.read(url, pages_of(1, 2))
    assert handle.hits == len([seen for seen in gateway.requests if seen.operation == "Get Blob"]) == 1
    handle.remove()
    assert await cloud.services.pages.read(url, pages_of(1, 2)) == content_of(2)
    assert "sig=" not in repr(failed.value) + explain(failed.value)
    return failed.value


@pytest.mark.parametrize(
    ("status", "code", "busy"),
    [(503, "ServerBusy", True), (429, "TooManyRequests", True), (500, "InternalError", False)],
)
async def test_a_read_is_not_silently_retried_while_the_service_is_busy(
    on_azurite: Cloud, gateway: Gateway, disk: PageBlobDisk, status: int, code: str, *, busy: bool
) -> None:
    error = await failed_read(on_azurite, gateway, disk, Fault("Get Blob", refuse=(status, code, "not now")))
    assert (is_busy(error), is_transient(error), error_code(error)) == (busy, True, code)


async def test_a_truncated_response_is_a_transient_error(
    on_azurite: Cloud, gateway: Gateway, disk: PageBlobDisk
) -> None:
    error = await failed_read(on_azurite, gateway, disk, Fault("Get Blob", cut="midway"))
    assert (is_busy(error), is_transient(error)) == (False, True)


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ((401, "InvalidAuthenticationInfo"), "check that the account is in the same tenant as the app's identity"),
        ((403, "AuthenticationFailed"), "check the account key in STORAGE_CONNECTIONS"),
        ((403, "AuthorizationFailure"), "allow the function app through the account's firewall"),
        (
            (403, "KeyBasedAuthenticationNotPermitted"),
            "key access is disabled on the account: remove it from STORAGE_C",
        ),
    ],
)
async def test_a_refused_read_says_the_code_and_what_to_do(
    on_azurite: Cloud, gateway: Gateway, disk: PageBlobDisk, refusal: tuple[int, str], advice: str
) -> None:
    status, code = refusal
    error = await failed_read(on_azurite, gateway, disk, Fault("Get Blob", refuse=(status, code, "no")))
    said = explain(error)
    assert said.startswith(f"{code} ({status}): can't read bytes 512-1023 of {disk.name}. What to do: {advice}")
    assert not is_transient(error)


async def test_a_read_without_a_role_says_which_role_and_where(
    on_azurite: Cloud, gateway: Gateway, disk: PageBlobDisk
) -> None:
    refused = Fault("Get Blob", refuse=(403, "AuthorizationPermissionMismatch", "no"))
    error = await failed_read(on_azurite, gateway, disk, refused)
    assert lacks_role(error)
    assert (
        f"assign the app's identity a role on the container of {disk.name}: Tidemark disk reader"
        " (infra/roles/disk-reader.json) if it holds disks"
    ) in explain(error)


@pytest.mark.parametrize(("status", "code"), [(409, "SystemInUse"), (412, "ConditionNotMet"), (416, "InvalidRange")])
async def test_a_permanently_refused_read_is_not_transient(
    on_azurite: Cloud, gateway: Gateway, disk: PageBlobDisk, status: int, code: str
) -> None:
    error = await failed_read(on_azurite, gateway, disk, Fault("Get Blob", refuse=(status, code, "no")))
    assert isinstance(error, HttpResponseError)
    assert (error.status_code, error_code(error)) == (status, code)
    assert (is_transient(error), is_permanent(error)) == (False, True)
