"""Answers to clients: plain ones, and the service's errors in its XML format."""

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from multidict import CIMultiDict


@dataclass(slots=True)
class Answer:
    """An HTTP answer with its complete body."""

    status: int
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = b""


class ServiceError(Exception):
    """An error of the Blob service.

    Attributes:
        status: the HTTP status.
        code: the `x-ms-error-code`.
        message: the text for people.
        headers: further headers.
        details: further elements of the XML body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = dict(details or {})

    def answer(self) -> Answer:
        """Write the error as the service does (REST: Status and error codes)."""
        request_id = str(uuid.uuid4())
        now = dt.datetime.now(dt.UTC).isoformat()
        elements = {"Code": self.code, "Message": f"{self.message}\nRequestId:{request_id}\nTime:{now}", **self.details}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
        headers = CIMultiDict(
            {
                "Content-Type": "application/xml",
                "x-ms-error-code": self.code,
                "x-ms-request-id": request_id,
                **self.headers,
            }
        )
        body = f'<?xml version="1.0" encoding="utf-8"?><Error>{inner}</Error>'
        return Answer(self.status, headers, body.encode())

    def answer_of_tables(self) -> Answer:
        """Write the error as the Table service does, in JSON (REST: Status and error codes)."""
        content = {"odata.error": {"code": self.code, "message": {"lang": "en-US", "value": self.message}}}
        headers = CIMultiDict({"Content-Type": "application/json", "x-ms-error-code": self.code})
        return Answer(self.status, headers, json.dumps(content).encode())


def source_error(
    status: int, code: str, message: str = "The copy source refused the read.", *, mirrored_as: int | None = None
) -> ServiceError:
    """Make the error for a copy source that could not be read; by default with the source's status."""
    shown = {"x-ms-copy-source-status-code": str(status), "x-ms-copy-source-error-code": code}
    details = {"CopySourceStatusCode": str(status), "CopySourceErrorCode": code, "CopySourceErrorMessage": message}
    return ServiceError(mirrored_as or status, "CannotVerifyCopySource", message, headers=shown, details=details)


MAX_SOURCE_URL = 2048
"""The most characters of a copy source's URL (REST: Copy Blob, Put Page From URL, `x-ms-copy-source`)."""


def invalid_header(name: str, value: str) -> ServiceError:
    """Make the error for a header whose value is not allowed."""
    return ServiceError(
        400,
        "InvalidHeaderValue",
        "The value for one of the HTTP headers is not in the correct format.",
        details={"HeaderName": name, "HeaderValue": value},
    )


def invalid_page_range() -> ServiceError:
    """Make the error for a range that is not whole pages of the blob (REST: Blob service error codes, 416)."""
    return ServiceError(416, "InvalidPageRange", "The page range specified is invalid.")


def too_large(limit: int) -> ServiceError:
    """Make the error for a write of too many bytes."""
    message = "The request body is too large and exceeds the maximum permissible limit."
    return ServiceError(413, "RequestBodyTooLarge", message, details={"MaxLimit": str(limit)})
