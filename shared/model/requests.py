"""Requests as people write them: plain JSON, or base64 of it as the portal sends it."""

import base64
import binascii
from typing import ClassVar, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator, model_validator

from shared.errors import UnreadableError, without_secrets
from shared.model.disk import Disk
from shared.model.fields import DiskName, TargetName
from shared.model.times import normalized_time
from shared.model.validation_errors import describe_findings

LATEST = "latest"
_MAX_REFUSAL = 1000
"""Characters of a refusal: 64 KiB of noise gets a short answer."""


class RequestError(UnreadableError):
    """A request that can't be read; the message says what is wrong, without quoting what may be a secret."""


class Asked(BaseModel):
    """What a person writes.

    Attributes:
        form: how it is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    form: ClassVar[str]

    @field_validator("disk", "target", check_fields=False)
    @classmethod
    def _has_no_secret(cls, disk: Disk | None) -> Disk | None:
        name = unquote(disk.name) if disk else ""
        if without_secrets(name) != name:
            raise ValueError("must not contain a SAS, percent-encoded or not")
        return disk

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            RequestError: it is not a valid request.
        """
        text = decoded(body)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RequestError(_refusal(error, cls)) from None


class Request(Asked):
    """The fields of every request for a recovery point.

    Attributes:
        disk: the disk that was backed up.
        point: `latest`, or a time, with all of Azure's digits or fewer: the last recovery point at or before the end
            of the period it covers.
    """

    disk: DiskName
    point: str

    @field_validator("point")
    @classmethod
    def _is_latest_or_a_time(cls, point: str) -> str:
        return LATEST if point.strip().lower() == LATEST else normalized_time(point)


class RestoreRequest(Request):
    """A request for a restore.

    Attributes:
        target: the page blob to restore to; None for a new one beside the disk.
        overwrite: whether the target may be an existing blob.
        allow_damaged: whether to restore even a damaged recovery point.
    """

    form = (
        '{"disk": URL, "point": "latest" or a time, "target": URL (optional), "overwrite": false,'
        ' "allowDamaged": false}'
    )

    target: TargetName | None = None
    overwrite: StrictBool = False
    allow_damaged: StrictBool = Field(default=False, alias="allowDamaged")

    @model_validator(mode="after")
    def _says_what_to_overwrite(self) -> Self:
        if self.overwrite and not self.target:
            raise ValueError("overwrite is true but target is missing: name the blob to overwrite")
        return self


class InspectionRequest(Request):
    """A request to verify or drill a recovery point, by default the newest."""

    form = '{"disk": URL, "point": "latest" or a time (optional)}'

    point: str = LATEST


def decoded(body: bytes) -> bytes:
    """Decode base64, if the body is encoded."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"{"):
        return text
    try:
        return base64.b64decode(b"".join(text.split()), validate=True).removeprefix(b"\xef\xbb\xbf")
    except binascii.Error:
        return text


def not_json(expected: str) -> str:
    """Return the message that a person's message is not JSON, and what was expected."""
    return f"the message is not valid JSON. Expected: {expected}"


def _refusal(error: ValidationError, request: type[Asked]) -> str:
    findings = error.errors(include_input=False, include_context=False)
    if any(found["type"] == "json_invalid" for found in findings):
        return not_json(request.form)
    fields = [field.alias or name for name, field in request.model_fields.items()]
    problem = describe_findings(findings, fields)
    end = "" if problem.endswith("?") else "."
    return without_secrets(f"{problem}{end} Expected: {request.form}"[:_MAX_REFUSAL])
