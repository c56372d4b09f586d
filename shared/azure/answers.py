"""What the service answers that is no success: what it says, what to do about it, and what follows."""

from http import HTTPStatus

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import Then, TidemarkError, without_secrets

# REST: Blob service error codes. All mean that a diff from the base snapshot is not to be had.
_REFUSED_DIFF_CODES = frozenset({"BlobOverwritten", "BlobGenerationMismatch"})
_REFUSED_DIFF_PREFIX = "PreviousSnapshot"
_LEASE_CODES = frozenset(
    {"LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "LeaseNotPresentWithBlobOperation"}
)
_WAIT_FOR_THE_NEXT_TICK = "nothing: premium storage allows one snapshot in 10 minutes; the next tick tries again"
_ADVICE = {
    "AuthenticationFailed": "check the account's key in STORAGE_CONNECTIONS, or that the app's identity is set up",
    "AuthorizationFailure": "open the account's firewall to the function app, or allow the way it signs in",
    "KeyBasedAuthenticationNotPermitted": "take the account out of STORAGE_CONNECTIONS, and give the app's identity its"
    " roles there: the account's keys are off",
    "InvalidAuthenticationInfo": "check that the account is in the tenant of the app's identity",
    "BlobNotFound": "check the URL in SOURCE_DISKS; if the disk is gone for good, take it out there (! before a URL"
    " leaves it out of a pattern), or delete its row `disk` if a restore made it",
    "ContainerNotFound": "check the container's name in the setting, and that the container exists",
    "CannotVerifyCopySource": "let the account that is copied to read the other one: open its firewall, and check its"
    " key or the app's role there",
    "SnapshotsPresent": "restore to a new disk: premium storage does not copy over a disk that has snapshots",
    "ResourceNotFound": "check the URL in SOURCE_DISKS, and that the app may read it",
    "SnapshotCountExceeded": "delete old snapshots of the disk: premium storage allows 100",
    "SnapshotOperationRateExceeded": _WAIT_FOR_THE_NEXT_TICK,
    "SnaphotOperationRateExceeded": _WAIT_FOR_THE_NEXT_TICK,  # as older documents spell it
}


_ROLE_CODES = frozenset({"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"})
_READER_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_NO_IDENTITY = (
    "nothing, if it passes; else turn the function app's managed identity on; where it is user-assigned,"
    " AzureWebJobsStorage__clientId should be its client id"
)

_PASSING_STATUSES = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    | {status for status in HTTPStatus if status.is_server_error}
    - {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
)

_GIVEN_UP = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT})

# The source's URL is refused by the other two, where it is over 2 KiB long.
_SOURCE_CODES = frozenset({"CannotVerifyCopySource", "InvalidHeaderValue", "OutOfRangeInput"})
# What the answer to a copy says of its source, in headers; an older service says it in the body alone, which the SDK
# reads into `additional_info`. azcopy goes by both (ste/xferRetryHelper.go), the SDK's own retries by these codes.
_SOURCE_STATUS, _SOURCE_CODE = "x-ms-copy-source-status-code", "x-ms-copy-source-error-code"
_STATUS_OF_SOURCE_CODE = {
    "ServerBusy": HTTPStatus.SERVICE_UNAVAILABLE,
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "OperationTimedOut": HTTPStatus.INTERNAL_SERVER_ERROR,
}
_HIGHEST_STATUS = 599

_MENDABLE_STATUSES = _PASSING_STATUSES | {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_MENDABLE_CODES = frozenset(
    {"PendingCopyOperation", "SnapshotOperationRateExceeded", "SnaphotOperationRateExceeded", "SnapshotCountExceeded"}
)


def error_code(error: AzureError) -> str:
    """Give the service's code for an error, like `BlobNotFound`; empty where it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def refuses_diff(error: HttpResponseError) -> bool:
    """Tell whether an answer means that the diff is not to be had (REST: Get Page Ranges; 501 where it isn't built)."""
    code = error_code(error)
    return (
        code in _REFUSED_DIFF_CODES
        or code.startswith(_REFUSED_DIFF_PREFIX)
        or error.status_code == HTTPStatus.NOT_IMPLEMENTED
    )


def is_passing(error: AzureError) -> bool:
    """Tell whether an error is one that goes away by itself: a busy service, a time-out, a connection that was cut."""
    if isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError):
        return True
    return _status(error) in _PASSING_STATUSES


def is_busy(error: AzureError) -> bool:
    """Tell whether the service asks to slow down (REST: 503 ServerBusy; 429 Too Many Requests)."""
    return _status(error) in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}


def gave_up(error: AzureError) -> bool:
    """Tell whether the service gave up on a request that it has got: 500 OperationTimedOut, or a connection cut.

    What takes too long may succeed in parts (REST: Get Page Ranges).
    """
    if isinstance(error, ServiceRequestError):
        # As azure-core tells of a connection that is cut, too; one that can't be made says nothing of the request.
        cause = error.inner_exception
        return isinstance(cause, aiohttp.ClientError) and not isinstance(cause, aiohttp.ClientConnectorError)
    return isinstance(error, ServiceResponseError | IncompleteReadError) or _status(error) in _GIVEN_UP


def refuses_source(error: AzureError) -> bool:
    """Tell whether a copy was refused for its source, which is not just busy (REST: CannotVerifyCopySource).

    The documentation has 500 for it. So whether it passes is seen by asking again for a while; the service may say so
    of a source that is throttled, too.
    """
    return (error_code(error) in _SOURCE_CODES or any(_source(error))) and not is_busy(error)


def is_lasting(error: AzureError) -> bool:
    """Tell whether an error stays as long as the request does: a 4xx that no waiting, role or firewall mends."""
    status = _status(error)
    return (
        HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        and status not in _MENDABLE_STATUSES
        and error_code(error) not in _MENDABLE_CODES
    )


def _status(error: AzureError) -> int:
    """Give the status that an error is judged by: its copy's source's where the answer says it, else the answer's."""
    status, code = _source(error)
    return _STATUS_OF_SOURCE_CODE.get(code) or status or getattr(error, "status_code", None) or 0


def _source(error: AzureError) -> tuple[int, str]:
    """Give what an answer says of a copy's source, status and error code; 0 and empty where it says nothing."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    body = getattr(error, "additional_info", None) or {}
    status = str(headers.get(_SOURCE_STATUS) or body.get("copysourcestatuscode") or "")
    code = str(headers.get(_SOURCE_CODE) or body.get("copysourceerrorcode") or "")
    known = int(status) if status.isascii() and status.isdigit() else 0
    return known if known <= _HIGHEST_STATUS else 0, code


def lacks_role(error: AzureError) -> bool:
    """Tell whether a request was refused since the app's identity has no role for it there."""
    return error_code(error) in _ROLE_CODES


def is_lease_error(error: HttpResponseError) -> bool:
    """Tell whether a write was refused for its lease id (REST: Lease Blob)."""
    return error_code(error) in _LEASE_CODES


def then_of(error: BaseException) -> Then:
    """Say what follows from an error for the job whose step raised it; what nobody has foreseen is tried again."""
    if isinstance(error, TidemarkError):
        return error.then
    return Then.BEGIN_ANEW_OR_END if isinstance(error, AzureError) and is_lasting(error) else Then.COME_BACK


def explain(error: BaseException) -> str:
    """Say in a line what went wrong and, where it is known, what to do."""
    if not isinstance(error, AzureError):
        said = str(error) if isinstance(error, TidemarkError) else f"{type(error).__name__}: {error}"
        return without_secrets(" ".join(said.split()))
    code = error_code(error)
    status = getattr(error, "status_code", None)
    said = next(iter(str(error.message).splitlines()), "")
    what = f"{code or type(error).__name__}{f' ({status})' if status else ''}: {said}"
    if source := _source_said(error):
        what = f"{what.rstrip('.')}; the source answered {source}"
    advice = _role_advice(error) if lacks_role(error) else _ADVICE.get(code)
    if not code and isinstance(error, ClientAuthenticationError):
        advice = _NO_IDENTITY
    return without_secrets(f"{what.rstrip('.')}. What to do: {advice}." if advice else what)


def _source_said(error: AzureError) -> str:
    """Say what a copy's source answered; empty where that is not told."""
    status, code = _source(error)
    return f"{code} ({status})" if code and status else code or str(status or "")


def _role_advice(error: AzureError) -> str:
    """Say which role the app's identity lacks, and where."""
    request = getattr(getattr(error, "response", None), "request", None)
    url, _, query = str(getattr(request, "url", "")).partition("?")
    if "comp=userdelegationkey" in query:
        return f"give the app's identity the role Storage Blob Delegator on the storage account {url.rstrip('/')}"
    for service in ("Queue", "Table"):
        if f".{service.lower()}." in url:
            return (
                f"give the app's identity the role Storage {service} Data Contributor on the storage account of {url}"
            )
    role = "Storage Blob Data Contributor"
    if getattr(request, "method", "GET") in _READER_METHODS or "comp=snapshot" in query:
        role = f"Tidemark disk reader (infra/roles/disk-reader.json) where disks are, or {role} where backups are"
    return f"give the app's identity the role {role}, on the container of {url or 'the blob'}"
