"""Errors: reported in a line, with what to do, and without secrets; how each is classified, and its remedy."""

import importlib
import inspect
import json
import pkgutil
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from azure.data.tables import TableErrorCode
from azure.storage.blob import StorageErrorCode

import shared
from shared.azure.answers import (
    asked_delay,
    error_code,
    explain,
    is_busy,
    is_lease_error,
    is_permanent,
    is_timeout,
    is_transient,
    lacks_role,
    may_pass,
    refuses_diff,
    refuses_source,
    remedy_for,
)
from shared.errors import (
    DiskError,
    MismatchError,
    NotOwnerError,
    Remedy,
    SourceGoneError,
    TidemarkError,
    without_secrets,
)


def answer(
    status: int, code: str | None, message: str = "No.", kind: type[HttpResponseError] = HttpResponseError
) -> HttpResponseError:
    """Make the SDK's error for a response of the service: its message has several lines."""
    error = kind(f"{message}\nRequestId:6b1c\nTime:2026-11-22T12:00:00.1234567Z\nErrorCode:{code}")
    error.status_code = status
    if code is not None:
        error.error_code = code  # type: ignore[attr-defined]  # as the storage SDKs do
    return error


# --- a diff that is refused (REST: Get Page Ranges, Blob service error codes)


@pytest.mark.parametrize("kind", [HttpResponseError, ResourceExistsError])
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "BlobOverwritten"),
        (409, "BlobGenerationMismatch"),
        (409, "PreviousSnapshotNotFound"),
        (409, "PreviousSnapshotOperationNotSupported"),
        (400, "PreviousSnapshotCannotBeNewer"),
        (501, "NotImplemented"),
        (501, None),
    ],
)
def test_a_diff_is_refused_by_its_error_code(kind: type[HttpResponseError], status: int, code: str | None) -> None:
    assert refuses_diff(answer(status, code, kind=kind))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidQueryParameterValue"),
        (400, None),
        (403, "AuthenticationFailed"),
        (403, "AuthorizationPermissionMismatch"),
        (404, "BlobNotFound"),
        (404, "ContainerNotFound"),
        (409, "SystemInUse"),
        (409, "LeaseAlreadyPresent"),
        (409, "SnapshotsPresent"),
        (409, None),
        (412, "ConditionNotMet"),
        (416, "InvalidRange"),
        (429, None),
        (500, "InternalError"),
        (500, "OperationTimedOut"),
        (503, "ServerBusy"),
    ],
)
def test_any_other_error_is_not_a_refusal_of_the_diff(status: int, code: str | None) -> None:
    kind = {404: ResourceNotFoundError, 409: ResourceExistsError}.get(status, HttpResponseError)
    assert not refuses_diff(answer(status, code, kind=kind))


# --- a lease that is lost (REST: Lease Blob)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (412, "LeaseIdMissing"),
        (412, "LeaseIdMismatchWithBlobOperation"),
        (409, "LeaseIdMismatchWithBlobOperation"),
        (412, "LeaseLost"),
        (412, "LeaseNotPresentWithBlobOperation"),
    ],
)
def test_a_refusal_because_of_the_lease_is_told_by_its_error_code(status: int, code: str) -> None:
    assert is_lease_error(answer(status, code))


@pytest.mark.parametrize(
    ("status", "code"),
    [(412, "ConditionNotMet"), (412, None), (409, "LeaseAlreadyPresent"), (409, "SystemInUse"), (404, "BlobNotFound")],
)
def test_any_other_refusal_is_not_because_of_the_lease(status: int, code: str | None) -> None:
    assert not is_lease_error(answer(status, code))


# --- a service that is busy (REST: Blob service error codes, 503 ServerBusy)


@pytest.mark.parametrize(("status", "code"), [(503, "ServerBusy"), (503, None), (429, None), (429, "TooManyRequests")])
def test_a_busy_service_asks_to_slow_down_and_is_transient(status: int, code: str | None) -> None:
    assert is_busy(answer(status, code))
    assert is_transient(answer(status, code))


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(500, "InternalError"), id="an error of the service's own"),
        pytest.param(answer(500, "OperationTimedOut"), id="an operation that took too long"),
        pytest.param(answer(408, None), id="a request that took too long"),
        pytest.param(answer(403, "AuthorizationFailure"), id="a firewall"),
        pytest.param(answer(409, "SnapshotOperationRateExceeded", kind=ResourceExistsError), id="a snapshot too soon"),
        pytest.param(answer(412, "LeaseLost"), id="a lease that is lost"),
        pytest.param(ServiceRequestError("no route to host"), id="no connection"),
        pytest.param(ServiceResponseError("cut off"), id="a connection that was cut"),
        pytest.param(AzureError("odd"), id="no answer"),
    ],
)
def test_any_other_error_is_no_reason_to_slow_down(error: AzureError) -> None:
    assert not is_busy(error)


def test_a_truncated_body_is_transient_like_a_dropped_connection() -> None:
    assert is_transient(IncompleteReadError("the connection was closed"))
    assert not is_busy(IncompleteReadError("the connection was closed"))


# --- a request that times out (REST: Get Page Ranges): it may succeed in parts


def key_of(host: str) -> Any:
    """Make what aiohttp calls a connection by."""
    return SimpleNamespace(host=host, port=443, ssl=None)


NOWHERE = key_of("disks.blob.core.windows.net")


def unanswered(cause: Exception) -> ServiceRequestError:
    """Make azure-core's error for a request without a response."""
    return ServiceRequestError(cause, error=cause)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(500, "OperationTimedOut"), id="a time-out"),
        pytest.param(answer(500, "InternalError"), id="an error of the service's own"),
        pytest.param(answer(408, None), id="408"),
        pytest.param(answer(504, None), id="504"),
        pytest.param(ServiceResponseError("no answer in time"), id="no answer in time"),
        pytest.param(IncompleteReadError("cut short"), id="an answer cut short"),
        pytest.param(unanswered(aiohttp.ServerDisconnectedError()), id="a connection that was cut"),
        pytest.param(unanswered(aiohttp.ClientOSError(104, "reset")), id="a connection that was reset"),
    ],
)
def test_a_request_that_timed_out_is_told_apart(error: AzureError) -> None:
    assert is_timeout(error)
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        answer(503, "ServerBusy"),
        answer(403, "AuthorizationFailure"),
        answer(409, "BlobOverwritten"),
        unanswered(aiohttp.ClientConnectorDNSError(NOWHERE, OSError("no such host"))),
        unanswered(aiohttp.ClientConnectorError(NOWHERE, OSError("refused"))),
        unanswered(aiohttp.ConnectionTimeoutError("Connection timeout to host https://md-1.z1.blob.storage.azure.net")),
        ServiceRequestTimeoutError("no connection in time"),
    ],
)
def test_a_refusal_or_an_unsent_request_is_not_a_timeout(error: AzureError) -> None:
    assert not is_timeout(error)


# --- the source of a copy (Put Page From URL, Copy Blob): its own status counts first, then the response's


def of_source(status: int, told: int | None = None, code: str = "", own: str = "CannotVerifyCopySource") -> AzureError:
    """Make the error for a copy: its status, and the source's status and code, if known."""
    error = answer(status, own, "Could not verify the copy source.", kind=ResourceNotFoundError)
    headers = {"x-ms-copy-source-status-code": str(told) if told else "", "x-ms-copy-source-error-code": code}
    headers = {name: value for name, value in headers.items() if value}
    error.response = SimpleNamespace(headers=headers, request=None)
    return error


def told_in_body(status: int, told: int, code: str) -> AzureError:
    """Make the same for a service that has it only in the body, as the SDK reads that."""
    error = of_source(status)
    error.additional_info = {"copysourcestatuscode": str(told), "copysourceerrorcode": code}  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(of_source(503), id="by its own status"),
        pytest.param(of_source(429), id="by its own status, 429"),
        pytest.param(of_source(503, 503, "ServerBusy"), id="by all"),
        pytest.param(of_source(409, 503), id="by the source's status"),
        pytest.param(of_source(403, 429), id="by the source's status, 429"),
        pytest.param(of_source(404, code="ServerBusy"), id="by the source's code"),
        pytest.param(of_source(500, 503, "ServerBusy"), id="whatever the answer's status"),
        pytest.param(of_source(400, 503, "ServerBusy", own="InternalError"), id="whatever the answer's code"),
        pytest.param(told_in_body(409, 503, "ServerBusy"), id="in the body"),
    ],
)
def test_a_busy_source_is_waited_out_and_is_not_a_refusal(error: AzureError) -> None:
    assert (is_busy(error), is_transient(error), is_permanent(error), refuses_source(error)) == (
        True,
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(of_source(500), id="by its own status, as the documentation has it"),
        pytest.param(of_source(504), id="by its own status, 504"),
        pytest.param(of_source(409, 500), id="by the source's status"),
        pytest.param(of_source(409, code="OperationTimedOut"), id="by the source's code"),
        pytest.param(of_source(404, 404, "InternalError"), id="by the source's code before its status"),
        pytest.param(told_in_body(409, 500, "InternalError"), id="in the body"),
    ],
)
def test_a_failed_source_is_a_refusal_that_may_pass(error: AzureError) -> None:
    assert (is_busy(error), is_transient(error), is_permanent(error), refuses_source(error)) == (
        False,
        True,
        False,
        True,
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(of_source(403), id="by its own status"),
        pytest.param(of_source(404), id="by its own status, 404"),
        pytest.param(of_source(500, 403, "AuthorizationFailure"), id="whatever the answer's status"),
        pytest.param(of_source(503, 403, "AuthorizationFailure"), id="whatever the answer's status, 503"),
        pytest.param(told_in_body(500, 401, "NoAuthenticationInformation"), id="in the body"),
        pytest.param(answer(409, "CopySourceCannotBeIncrementalCopyBlob"), id="as a private snapshot"),
    ],
)
def test_a_source_that_refuses_does_not_pass(error: AzureError) -> None:
    assert (is_busy(error), is_transient(error), refuses_source(error)) == (False, False, True)


@pytest.mark.parametrize(
    "error", [answer(500, "InternalError"), answer(403, "AuthorizationFailure"), ServiceResponseError("cut off")]
)
def test_the_destinations_response_is_not_a_refusal_by_the_source(error: AzureError) -> None:
    assert not refuses_source(error)


@pytest.mark.parametrize("status", ["", "none", "9999999999999999999999", "²"])
def test_an_invalid_status_of_the_source_is_ignored(status: str) -> None:
    error = of_source(500)
    error.response.headers = {"x-ms-copy-source-status-code": status}  # type: ignore[attr-defined]
    assert is_transient(error)


def test_the_sources_response_is_reported_with_what_to_do() -> None:
    assert explain(of_source(409, 403, "AuthorizationFailure")) == (
        "CannotVerifyCopySource (409): Could not verify the copy source; the source responded"
        " AuthorizationFailure (403). What to do: let the destination account read the source account: open the"
        " source's firewall, and check its key or the app's role there."
    )
    assert "the source responded 503." in explain(of_source(409, 503))
    assert "the source responded ServerBusy." in explain(of_source(409, code="ServerBusy"))


# --- explanations


def test_the_code_is_the_services_word_whatever_the_sdk_makes_of_it() -> None:
    assert error_code(answer(409, "BlobOverwritten")) == "BlobOverwritten"
    assert error_code(answer(404, StorageErrorCode.BLOB_NOT_FOUND)) == "BlobNotFound"
    assert error_code(answer(409, TableErrorCode.ENTITY_ALREADY_EXISTS)) == "EntityAlreadyExists"
    assert error_code(answer(500, None)) == ""
    assert error_code(ServiceRequestError("no route")) == ""


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        ("AuthenticationFailed", ClientAuthenticationError, "STORAGE_CONNECTIONS"),
        ("AuthorizationFailure", HttpResponseError, "firewall"),
        ("AuthorizationPermissionMismatch", HttpResponseError, "Storage Blob Data Contributor"),
        ("InsufficientAccountPermissions", HttpResponseError, "Storage Blob Data Contributor"),
        ("KeyBasedAuthenticationNotPermitted", HttpResponseError, "remove it from STORAGE_CONNECTIONS"),
        ("InvalidAuthenticationInfo", ClientAuthenticationError, "tenant"),
        ("BlobNotFound", ResourceNotFoundError, "SOURCE_DISKS"),
        ("BlobNotFound", ResourceNotFoundError, '{"do": "retire", "disk": URL} to the queue manage'),
        ("ContainerNotFound", ResourceNotFoundError, "container"),
        ("ResourceNotFound", ResourceNotFoundError, "SOURCE_DISKS"),
        ("SnapshotCountExceeded", ResourceExistsError, "100"),
        ("SnapshotOperationRateExceeded", ResourceExistsError, "10 minutes"),
        ("SnaphotOperationRateExceeded", ResourceExistsError, "10 minutes"),
    ],
)
def test_a_known_error_is_explained_with_what_to_do(code: str, kind: type[HttpResponseError], advice: str) -> None:
    said, _, to_do = explain(answer(403, code, "The service says no.", kind)).partition(" What to do: ")
    assert said == f"{code} (403): The service says no."
    assert advice in to_do


@pytest.mark.parametrize(
    ("method", "query", "advice"),
    [
        (
            "PUT",
            "?comp=snapshot",
            "Tidemark disk reader (infra/roles/disk-reader.json) if it holds disks, Storage Blob Data Contributor if",
        ),
        ("GET", "", "disk-reader.json"),
        ("DELETE", "?snapshot=2026-11-23T01:00:00.0000000Z", "disk-reader.json"),
        ("PUT", "?comp=page", "the role Storage Blob Data Contributor on the container of https://d.blob/vhds/a.vhd."),
        ("POST", "?restype=service&comp=userdelegationkey", "Storage Blob Delegator on the storage account"),
    ],
)
def test_a_missing_role_is_named_with_its_scope(method: str, query: str, advice: str) -> None:
    refused = answer(403, "AuthorizationPermissionMismatch")
    request = SimpleNamespace(method=method, url=f"https://d.blob/vhds/a.vhd{query}")
    refused.response = SimpleNamespace(request=request)
    said = explain(refused)
    assert advice in said
    assert "https://d.blob/vhds/a.vhd" in said
    assert "?" not in said
    assert lacks_role(refused)
    assert not lacks_role(answer(403, "AuthorizationFailure"))


@pytest.mark.parametrize("service", ["Queue", "Table"])
def test_a_missing_role_for_queues_or_tables_is_named_too(service: str) -> None:
    refused = answer(403, "AuthorizationPermissionMismatch")
    url = f"https://host.{service.lower()}.core.windows.net/backups"
    refused.response = SimpleNamespace(request=SimpleNamespace(method="GET", url=url))
    assert f"Storage {service} Data Contributor on the storage account of {url}" in explain(refused)


LACKS_READ = (
    "does not have authorization to perform action 'Microsoft.Compute/disks/read' over scope '/subscriptions/1'"
)


@pytest.mark.parametrize(("restores", "roles"), [(False, {"reader"}), (True, {"reader", "restorer"})])
def test_who_may_not_even_look_for_the_disk_to_restore_is_told_all_roles_at_once(
    *, restores: bool, roles: set[str]
) -> None:
    said = explain(answer(403, "AuthorizationFailed", LACKS_READ), restores=restores)
    assert {role for role in ("reader", "restorer") if f"Tidemark managed disk {role}" in said} == roles


RELAY = "md-impexp-x1.z1.blob.storage.azure.net"


@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        (answer(403, "AuthorizationFailure", f"can't read bytes 0 to 511 of https://{RELAY}/x2/relaycor"), True),
        (answer(403, "AuthenticationFailed", f"can't read bytes 0 to 511 of https://{RELAY}/x2/relaycor"), False),
        (
            answer(403, "AuthorizationFailure", "can't read https://disks.blob.core.windows.net/a"),
            False,
        ),
        (unanswered(aiohttp.ConnectionTimeoutError(f"Connection timeout to host https://{RELAY}/x2?sig=s")), True),
        (unanswered(aiohttp.ServerDisconnectedError(f"host {RELAY}")), False),
        (unanswered(aiohttp.ClientConnectorDNSError(key_of(RELAY), OSError("Name or service not known"))), True),
        (unanswered(aiohttp.ClientConnectorError(key_of(RELAY), OSError("Connection refused"))), True),
        (unanswered(aiohttp.ClientConnectorError(NOWHERE, OSError("Connection refused"))), False),
    ],
)
def test_who_is_outside_a_private_snapshots_network_is_told_what_to_do(error: AzureError, *, is_told: bool) -> None:
    said = explain(error)
    assert ("join the function app to the virtual network" in said) is is_told
    assert "sig=s" not in said


def test_an_app_without_an_identity_is_told_to_enable_one() -> None:
    chain = "DefaultAzureCredential failed to retrieve a token.\nAttempted credentials:\n..."
    said, _, to_do = explain(ClientAuthenticationError(chain)).partition(" What to do: ")
    assert said == f"ClientAuthenticationError: {chain.splitlines()[0]}"
    assert "managed identity" in to_do
    assert "AzureWebJobsStorage__clientId" in to_do


def test_an_unknown_error_is_reported_in_the_services_words() -> None:
    assert explain(answer(409, "SystemInUse", "In use.")) == "SystemInUse (409): In use."
    assert explain(answer(418, None, "Tea.")) == "HttpResponseError (418): Tea."
    assert explain(ServiceRequestError("no route to host")) == "ServiceRequestError: no route to host"
    assert explain(AzureError("odd")) == "AzureError: odd"


def test_tidemarks_own_error_is_reported_unchanged() -> None:
    assert explain(DiskError("the disk is no disk. What to do: take it out.")) == (
        "the disk is no disk. What to do: take it out."
    )
    assert explain(MismatchError("bytes 512 to 1023 differ")) == "bytes 512 to 1023 differ"


def test_any_other_error_is_reported_with_its_type() -> None:
    assert explain(SourceGoneError("the source snapshot is gone")) == "the source snapshot is gone"
    assert explain(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(404, "BlobNotFound"), id="the service's"),
        pytest.param(ValueError("two mistakes:\n- one\n- two"), id="anybody's"),
        pytest.param(DiskError("two mistakes:\n- one\n- two"), id="our own"),
    ],
)
def test_an_explanation_is_one_line(error: Exception) -> None:
    assert len(explain(error).splitlines()) == 1


def ours() -> set[type[BaseException]]:
    """Find every class of error that the app defines."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(shared.__path__, "shared.")]
    classes = (kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass))
    return {kind for kind in classes if issubclass(kind, BaseException) and kind.__module__.startswith("shared.")}


@pytest.mark.parametrize("kind", sorted(ours(), key=str))
def test_every_error_of_tidemark_is_a_sentence_and_has_a_remedy(kind: type[BaseException]) -> None:
    error = kind("the disk is no disk. What to do: take it out.")
    assert isinstance(error, TidemarkError)
    assert explain(error) == str(error)
    assert remedy_for(error) is error.remedy


# --- remedies


@pytest.mark.parametrize("error", [answer(400, "InvalidInput"), answer(409, "SnapshotsPresent"), of_source(404)])
def test_what_is_refused_permanently_is_restarted_or_fails(error: AzureError) -> None:
    assert remedy_for(error) is Remedy.RESTART_OR_FAIL
    assert not may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(answer(503, "ServerBusy"), id="a busy service"),
        pytest.param(answer(403, "AuthorizationFailure"), id="what a firewall mends"),
        pytest.param(ServiceRequestError("no route to host"), id="no connection"),
        pytest.param(AzureError("odd"), id="no answer"),
        pytest.param(ZeroDivisionError("division by zero"), id="what nobody has foreseen"),
    ],
)
def test_what_may_pass_is_retried(error: Exception) -> None:
    assert remedy_for(error) is Remedy.RETRY
    assert may_pass(error)


@pytest.mark.parametrize("code", ["SnapshotOperationRateExceeded", "SnapshotCountExceeded"])
def test_the_limits_of_premium_storage_may_pass(code: str) -> None:
    assert may_pass(answer(409, code))


@pytest.mark.parametrize("error", [DiskError("no disk"), NotOwnerError("another app's"), SourceGoneError("gone")])
def test_what_only_its_owner_can_mend_does_not_pass(error: Exception) -> None:
    assert not may_pass(error)


@pytest.mark.parametrize(
    ("said", "seconds"), [("17", 17), ("", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("9" * 99, 86_400)]
)
def test_how_long_the_service_asks_to_be_left_alone(said: str, seconds: int) -> None:
    error = answer(429, "OperationNotAllowed")
    error.response = SimpleNamespace(headers={"Retry-After": said})  # all that is read
    assert asked_delay(error) == timedelta(seconds=seconds)
    assert asked_delay(ValueError("nobody asks")) == timedelta()


# --- secrets

SAS = "sv=2025-11-05&sr=bs&sig=S3CRET%2Babc%3D&se=2026-12-01"


@pytest.mark.parametrize(
    "text",
    [
        f"https://disks.blob.core.windows.net/vhds/a.vhd?snapshot=x&{SAS}",
        f"https://disks.blob.core.windows.net/vhds/a.vhd?{SAS.replace('sig=', 'SIG=')}",
        "https://disks.blob.core.windows.net/vhds/a.vhd?sig=S3CRET",
        "copy source https%3A%2F%2Fdisks%2Fa%3Fsig%3DS3CRET%26se%3D1",
        "copy source https%3A%2F%2Fdisks%2Fa%3Fsv%3D1%26sig%3DS3CRET%26se%3D1",
        "DefaultEndpointsProtocol=https;AccountName=disks;AccountKey=S3CRET/+abc==;EndpointSuffix=core.windows.net",
        f"BlobEndpoint=https://disks.blob.core.windows.net/;SharedAccessSignature={SAS}",
        json.dumps({"event": "odd", "reason": "AccountKey=S3CRET=="}),
        json.dumps({"AccountName": "disks", "AccountKey": "S3CRET=="}),
        "Authorization: SharedKey disks:S3CRET=",
        "Authorization: Bearer S3CRET.abc.def",
        "Bearer S3CRET.abc.def",
        str({"Authorization": "Bearer S3CRET.abc.def"}),
        str({"Authorization": "SharedKey disks:S3CRET="}),
        json.dumps({"x-ms-copy-source-authorization": "Bearer S3CRET.abc.def"}),
    ],
)
def test_a_secret_is_masked(text: str) -> None:
    assert "S3CRET" not in without_secrets(text)


def test_what_surrounds_a_secret_is_left() -> None:
    assert without_secrets("no: https://d/a?sv=1&sig=abc%3D (403).") == "no: https://d/a?sv=1&sig=*** (403)."
    assert without_secrets("no: d%2Fa%3Fsig%3Dabc%253D%26se%3D2") == "no: d%2Fa%3Fsig%3D***%26se%3D2"
    assert without_secrets("no: AccountKey=abc==\nWhat to do: wait") == "no: AccountKey=***\nWhat to do: wait"
    assert without_secrets("no: https://d/a?sv=1&sig=abc%3D&se=2 (403)") == "no: https://d/a?sv=1&sig=***&se=2 (403)"
    assert without_secrets('"AccountName=a;AccountKey=abc==;X=y"') == '"AccountName=a;AccountKey=***;X=y"'


@pytest.mark.parametrize(
    "text",
    [
        "the backup blob of https://disks.blob.core.windows.net/vhds/design=1.vhd is gone",
        "the signature of the disk's image",
        "the lease is lost, and the key is in STORAGE_CONNECTIONS",
        "",
    ],
)
def test_what_is_not_a_secret_is_left(text: str) -> None:
    assert without_secrets(text) == text


def test_the_services_words_on_a_wrong_key_are_left() -> None:
    said = "Make sure the value of Authorization header is formed correctly including the signature."
    assert without_secrets(said) == said


@pytest.mark.parametrize(
    "error",
    [
        answer(403, "AuthenticationFailed", f"cannot read https://disks/vhds/a.vhd?{SAS}"),
        answer(403, "AuthenticationFailed", "cannot read https://disks/vhds/a.vhd?sv=1&sig=S3CRET"),
        answer(400, None, "AccountKey=S3CRET=="),
        DiskError(f"cannot read https://disks/vhds/a.vhd?{SAS}"),
        ValueError(f"cannot read https://disks/vhds/a.vhd?{SAS}"),
    ],
)
def test_an_explanation_holds_no_secret(error: Exception) -> None:
    assert "S3CRET" not in explain(error)


def test_what_to_do_is_said_though_a_secret_stood_before_it() -> None:
    said = explain(answer(403, "AuthenticationFailed", "cannot read https://disks/vhds/a.vhd?sv=1&sig=S3CRET"))
    assert said.endswith(
        "What to do: check the account key in STORAGE_CONNECTIONS, or that the app's identity is set up."
    )
