"""Error responses of the services: what they mean, what the operator can do, and what the job does about them."""

import re
from datetime import timedelta
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

from shared.errors import DiffRefusedError, Remedy, TidemarkError, without_secrets

# REST: Blob service error codes. All mean that the diff from the base snapshot can't be had.
_OVERWRITTEN_CODES = frozenset({"BlobOverwritten", "BlobGenerationMismatch"})
_REFUSED_DIFF_PREFIX = "PreviousSnapshot"
_LEASE_CODES = frozenset(
    {"LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "LeaseNotPresentWithBlobOperation"}
)
_ONE_IN_TEN_MINUTES = "nothing, as it passes: premium storage allows one snapshot of a disk every 10 minutes"
_MANAGED_DISK_READER = (
    "assign the app's identity the role Tidemark managed disk reader (infra/roles/managed-disk-reader.json) on the"
    " resource group of the disks"
)
_MANAGED_DISK_RESTORER = (
    "assign the app's identity the role Tidemark managed disk restorer (infra/roles/managed-disk-restorer.json) on the"
    " resource group that the disk is restored to, and on that of its encryption set, if it has one"
)
_ALSO_READER = (
    "Tidemark managed disk reader (infra/roles/managed-disk-reader.json) on that resource group, as the disk is"
    " compared by a snapshot"
)
_RESTORER_ACTIONS = ("/disks/write'", "/disks/delete'", "/disks/endGetAccess/action'", "/diskEncryptionSets/read'")
PRIVATE_SOURCE = "CopySourceCannotBeIncrementalCopyBlob"
"""The code for a copy from a private snapshot of a managed disk (azure-storage-azcopy#2573)."""

# Where such a snapshot is read (azure-storage-azcopy#2573), as a host, or as an account of the local Azure.
_PRIVATE_HOST = re.compile(r"(?:\bhost |//(?:[^/\s]+/)?)md-impexp-")
_PRIVATE = (
    "join the function app to the virtual network that has the private endpoint of the snapshot's disk access, with its"
    " private DNS zone; or exempt the resource group from the Azure Policy that makes snapshots private"
)
_ADVICE = {
    "AuthenticationFailed": "check the account key in STORAGE_CONNECTIONS, or that the app's identity is set up",
    "AuthorizationFailure": "allow the function app through the account's firewall, and allow the way it signs in (key"
    " or identity)",
    "KeyBasedAuthenticationNotPermitted": "key access is disabled on the account: remove it from STORAGE_CONNECTIONS,"
    " and assign the app's identity its roles there",
    "InvalidAuthenticationInfo": "check that the account is in the same tenant as the app's identity",
    "BlobNotFound": "check the URL in SOURCE_DISKS; if the disk was deleted for good, remove its URL there, and end its"
    ' backups: send {"do": "retire", "disk": URL} to the queue manage',
    "ContainerNotFound": "check the container name in the setting, and that the container exists",
    "CannotVerifyCopySource": "let the destination account read the source account: open the source's firewall, and"
    " check its key or the app's role there",
    PRIVATE_SOURCE: "nothing, where pages go through the function: Azure itself copies from no snapshot whose network"
    " access is private (AllowPrivate)",
    "SnapshotsPresent": "restore to a new disk: premium storage can't copy over a disk that has snapshots",
    "ResourceNotFound": "check the URL or ID in SOURCE_DISKS, and that the app can read it",
    "ResourceGroupNotFound": "check the subscription and the resource group in SOURCE_DISKS",
    "SubscriptionNotFound": "check the subscription in SOURCE_DISKS, and that the app's identity is of its tenant",
    "SnapshotCountExceeded": "delete old snapshots of the disk: premium storage allows 100",
    "SnapshotOperationRateExceeded": _ONE_IN_TEN_MINUTES,
    "SnaphotOperationRateExceeded": _ONE_IN_TEN_MINUTES,  # as older documents spell it
}


# Of Azure Resource Manager; the second where something is made of a resource, which takes a right on that, too.
_MANAGER_ROLE_CODES = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed"})
_ROLE_CODES = _MANAGER_ROLE_CODES | {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}
_READER_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_NO_IDENTITY = (
    "nothing, if it passes; otherwise enable the function app's managed identity, and if that is user-assigned, set"
    " AzureWebJobsStorage__clientId to its client ID"
)

_PASSING_STATUSES = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    | {status for status in HTTPStatus if status.is_server_error}
    - {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
)

_GIVEN_UP = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT})

# The two in the middle refuse a source URL of more than 2 KiB.
_SOURCE_CODES = frozenset({"CannotVerifyCopySource", "InvalidHeaderValue", "OutOfRangeInput", PRIVATE_SOURCE})
# The source's error, in headers of the response to a copy; older services have it only in the body, which the SDK reads
# into `additional_info`. azcopy uses both (ste/xferRetryHelper.go), the SDK's own retries use these codes.
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

_NOT_RETRIED = frozenset({Remedy.FAIL, Remedy.RESTART_OR_FAIL, Remedy.WAIT_FOR_OWNER})
_DAY = 86_400


def error_code(error: AzureError) -> str:
    """Give the service's code for an error, such as `BlobNotFound`; empty if it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def refuses_diff(error: HttpResponseError) -> bool:
    """Tell whether the service refuses the diff (REST: Get Page Ranges; 501 where it is not implemented)."""
    code = error_code(error)
    return (
        code in _OVERWRITTEN_CODES
        or code.startswith(_REFUSED_DIFF_PREFIX)
        or error.status_code == HTTPStatus.NOT_IMPLEMENTED
    )


def diff_refused(error: HttpResponseError) -> DiffRefusedError:
    """Make the error for a refused diff."""
    why = f"the service refused the diff from the base snapshot: {explain(error)}"
    return DiffRefusedError(why, overwritten=error_code(error) in _OVERWRITTEN_CODES)


def is_transient(error: AzureError) -> bool:
    """Tell whether an error is transient: a busy service, a timeout, a dropped connection."""
    if isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError):
        return True
    return _status(error) in _PASSING_STATUSES


def is_busy(error: AzureError) -> bool:
    """Tell whether the service asks to slow down (REST: 503 ServerBusy; 429 Too Many Requests)."""
    return _status(error) in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}


def is_timeout(error: AzureError) -> bool:
    """Tell whether a request timed out after the service received it: 500 OperationTimedOut, or a dropped connection.

    A request that takes too long may succeed in parts (REST: Get Page Ranges).
    """
    if isinstance(error, ServiceRequestError):
        # azure-core raises it for a dropped connection too; one that can't be made says nothing about the request.
        cause = error.inner_exception
        never_sent = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
        return isinstance(cause, aiohttp.ClientError) and not isinstance(cause, never_sent)
    return isinstance(error, ServiceResponseError | IncompleteReadError) or _status(error) in _GIVEN_UP


def refuses_source(error: AzureError) -> bool:
    """Tell whether a copy was refused because of its source, and not just because that is busy.

    REST: CannotVerifyCopySource, documented with status 500. The service may also return it for a throttled source, so
    only retrying for a while shows whether it passes.
    """
    return (error_code(error) in _SOURCE_CODES or any(_source(error))) and not is_busy(error)


def is_permanent(error: AzureError) -> bool:
    """Tell whether an error is permanent: a 4xx that no waiting, role or firewall rule can fix."""
    status = _status(error)
    return (
        HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        and status not in _MENDABLE_STATUSES
        and error_code(error) not in _MENDABLE_CODES
    )


def _status(error: AzureError) -> int:
    """Give the status to judge an error by: that of the copy's source if the response has it, else its own."""
    status, code = _source(error)
    return _STATUS_OF_SOURCE_CODE.get(code) or status or getattr(error, "status_code", None) or 0


def _source(error: AzureError) -> tuple[int, str]:
    """Give the status and error code of a copy's source from a response; 0 and empty if it has none."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    body = getattr(error, "additional_info", None) or {}
    status = str(headers.get(_SOURCE_STATUS) or body.get("copysourcestatuscode") or "")
    code = str(headers.get(_SOURCE_CODE) or body.get("copysourceerrorcode") or "")
    known = int(status) if status.isascii() and status.isdigit() else 0
    return known if known <= _HIGHEST_STATUS else 0, code


def lacks_role(error: AzureError) -> bool:
    """Tell whether a request was refused because the app's identity lacks a role."""
    return error_code(error) in _ROLE_CODES


def is_lease_error(error: HttpResponseError) -> bool:
    """Tell whether a write was refused because of its lease id (REST: Lease Blob)."""
    return error_code(error) in _LEASE_CODES


def remedy_for(error: BaseException) -> Remedy:
    """Say what a job does about an error in one of its steps; an unexpected one is retried."""
    if isinstance(error, TidemarkError):
        return error.remedy
    return Remedy.RESTART_OR_FAIL if isinstance(error, AzureError) and is_permanent(error) else Remedy.RETRY


def may_pass(error: BaseException) -> bool:
    """Tell whether the same request may succeed later: the service was busy, a limit is reached, a role is missing."""
    return remedy_for(error) not in _NOT_RETRIED


def asked_delay(error: BaseException) -> timedelta:
    """Say how long the service asks to be left alone (`Retry-After`, in seconds); 0 if it does not."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = str(headers.get("Retry-After") or "")
    return timedelta(seconds=min(int(asked), _DAY)) if asked.isascii() and asked.isdigit() else timedelta()


def explain(error: BaseException, *, restores: bool = False) -> str:
    """Say in one line what went wrong and, if it is known, what to do.

    Args:
        error: the error.
        restores: whether it is of a managed disk to be made, for which the app may have no role at all yet.
    """
    if not isinstance(error, AzureError):
        said = str(error) if isinstance(error, TidemarkError) else f"{type(error).__name__}: {error}"
        return without_secrets(" ".join(said.split()))
    code = error_code(error)
    status = getattr(error, "status_code", None)
    said = next(iter(str(error.message).splitlines()), "")
    what = f"{code or type(error).__name__}{f' ({status})' if status else ''}: {said}"
    if source := _source_said(error):
        what = f"{what.rstrip('.')}; the source responded {source}"
    advice = _role_advice(error, restores=restores) if lacks_role(error) else _ADVICE.get(code)
    if _is_outside_private_network(error):
        advice = _PRIVATE
    if not code and isinstance(error, ClientAuthenticationError):
        advice = _NO_IDENTITY
    return without_secrets(f"{what.rstrip('.')}. What to do: {advice}." if advice else what)


def _source_said(error: AzureError) -> str:
    """Say what a copy's source responded; empty if that is unknown."""
    status, code = _source(error)
    return f"{code} ({status})" if code and status else code or str(status or "")


def _is_outside_private_network(error: AzureError) -> bool:
    """Tell whether a private snapshot was refused, or not even reached, because the app is not in its network."""
    cause = getattr(error, "inner_exception", None)
    is_unreached = isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    is_refused = error_code(error) == "AuthorizationFailure"
    return (is_unreached or is_refused) and bool(_PRIVATE_HOST.search(str(error.message)))


def _role_advice(error: AzureError, *, restores: bool) -> str:
    """Say which role the app's identity lacks, and where."""
    if error_code(error) in _MANAGER_ROLE_CODES:
        if any(action in str(error.message) for action in _RESTORER_ACTIONS):
            return _MANAGED_DISK_RESTORER
        return f"{_MANAGED_DISK_RESTORER}; and {_ALSO_READER}" if restores else _MANAGED_DISK_READER
    request = getattr(getattr(error, "response", None), "request", None)
    url, _, query = str(getattr(request, "url", "")).partition("?")
    if "comp=userdelegationkey" in query:
        return f"assign the app's identity the role Storage Blob Delegator on the storage account {url.rstrip('/')}"
    for service in ("Queue", "Table"):
        if f".{service.lower()}." in url:
            return (
                f"assign the app's identity the role Storage {service} Data Contributor on the storage account of {url}"
            )
    where, writer = f"on the container of {url or 'the blob'}", "Storage Blob Data Contributor"
    if getattr(request, "method", "GET") in _READER_METHODS or "comp=snapshot" in query:
        return (
            f"assign the app's identity a role {where}: Tidemark disk reader (infra/roles/disk-reader.json) if it holds"
            f" disks, {writer} if it holds backups"
        )
    return f"assign the app's identity the role {writer} {where}"
