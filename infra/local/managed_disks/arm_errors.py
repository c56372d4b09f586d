"""Errors as Azure Resource Manager answers them: {"error": {"code", "message"}}."""

from collections.abc import Mapping
from typing import Any


class ArmError(Exception):
    """An error of the resource manager.

    Attributes:
        status: the HTTP status.
        code: the error code.
        message: the text for people.
        headers: further headers.
        details: the `details` of the error; left out if empty.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = details or []

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.error}

    @property
    def error(self) -> dict[str, Any]:
        """The error, as the status of a failed operation has it too."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error | {"details": self.details} if self.details else error


def conflict(message: str) -> ArmError:
    """Make the error for a request that the resource's state forbids; its code is a guess where no source has it."""
    return ArmError(409, "OperationNotAllowed", message)


def invalid(parameter: str, message: str) -> ArmError:
    """Make the error for a bad value in a body."""
    return ArmError(400, "InvalidParameter", f"{message} Parameter: {parameter}.")
