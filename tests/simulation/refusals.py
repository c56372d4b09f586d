"""What the SDK raises where the service refuses a request."""

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError


def refusal(status: int, code: str, url: str = "") -> HttpResponseError:
    """Make the SDK's error for an answer of the service, which may name what it is of."""
    kind = {404: ResourceNotFoundError, 409: ResourceExistsError}.get(status, HttpResponseError)
    error = kind(message=f"{code} {url}".strip())
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]  # as the storage SDK does
    return error
