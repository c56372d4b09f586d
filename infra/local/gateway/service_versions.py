"""Service versions: a cloud without the newest ones refuses requests and SASs that name them."""

from .answers import ServiceError, invalid_header
from .operations import Request


def require_version(request: Request, newest: str) -> None:
    """Require that neither a request nor its SAS names a version newer than the newest supported.

    Raises:
        ServiceError: InvalidHeaderValue, AuthenticationFailed.
    """
    asked_for = request.headers.get("x-ms-version", "")
    if asked_for > newest:
        raise invalid_header("x-ms-version", asked_for)
    if request.query.get("sv", "") > newest:
        details = {"AuthenticationErrorDetail": "sv is no version of this service."}
        raise ServiceError(403, "AuthenticationFailed", "Server failed to authenticate the request.", details=details)
