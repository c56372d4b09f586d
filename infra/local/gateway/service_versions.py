"""Service versions: a cloud that lacks the newest ones refuses what asks for them, or is signed for them."""

from .answers import ServiceError, invalid_header
from .operations import Request


def require_version(request: Request, newest: str) -> None:
    """See to it that neither the version that a request asks for nor that of its SAS is newer than the newest there is.

    Raises:
        ServiceError: InvalidHeaderValue, AuthenticationFailed.
    """
    asked_for = request.headers.get("x-ms-version", "")
    if asked_for > newest:
        raise invalid_header("x-ms-version", asked_for)
    if request.query.get("sv", "") > newest:
        details = {"AuthenticationErrorDetail": "sv is no version of this service."}
        raise ServiceError(403, "AuthenticationFailed", "Server failed to authenticate the request.", details=details)
