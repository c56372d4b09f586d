"""The messages that ask for something, as a person writes them: plain JSON, or base64 of it as the portal sends it."""

import base64
import binascii
from typing import ClassVar, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator, model_validator

from shared.errors import UnreadableError, without_secrets
from shared.model.disk import Disk
from shared.model.fields import DiskName, TargetName
from shared.model.times import asked_time

LATEST = "latest"
_MOST_SAID = 1000
"""Characters of a refusal: a message of 64 KiB of noise gets a short answer."""


class RequestError(UnreadableError):
    """A request that can't be read; the message says what is wrong, without repeating what may be a secret."""


class Request(BaseModel):
    """What every request says.

    Attributes:
        disk: the disk that was backed up.
        point: `latest`, or a time as Azure prints it, or less exactly: the last recovery point at or before the end of
            what it covers is meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    form: ClassVar[str]

    disk: DiskName
    point: str

    @field_validator("disk", "target", check_fields=False)
    @classmethod
    def _has_no_secret(cls, disk: Disk | None) -> Disk | None:
        name = unquote(disk.name) if disk else ""
        if without_secrets(name) != name:
            raise ValueError("should have no SAS in it, percent-encoded or not")
        return disk

    @field_validator("point")
    @classmethod
    def _is_latest_or_a_time(cls, point: str) -> str:
        return LATEST if point.strip().lower() == LATEST else asked_time(point)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            RequestError: it is no such request.
        """
        text = decoded(body)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RequestError(_refusal(error, cls.form)) from None


class RestoreRequest(Request):
    """A request for a restore.

    Attributes:
        target: the page blob to restore to; None for a new one beside the disk.
        overwrite: whether the target may be a blob that is there.
        allow_damaged: whether a recovery point that is damaged is to be restored all the same.
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
            raise ValueError("overwrite is true, but no target is named: name the blob that is to be written over")
        return self


class InspectionRequest(Request):
    """A request to verify a recovery point, or for a drill; of the newest one, where none is named."""

    form = '{"disk": URL, "point": "latest" or a time (optional)}'

    point: str = LATEST


def decoded(body: bytes) -> bytes:
    """Take base64 off, where there is any."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"{"):
        return text
    try:
        return base64.b64decode(b"".join(text.split()), validate=True).removeprefix(b"\xef\xbb\xbf")
    except binascii.Error:
        return text


def _refusal(error: ValidationError, form: str) -> str:
    found = error.errors(include_input=False, include_context=False)
    if any(mistake["type"] == "json_invalid" for mistake in found):
        return f"the message is no JSON; it should be {form}"
    said = "; ".join(_line(mistake["loc"], mistake["type"], mistake["msg"]) for mistake in found[:5])
    return without_secrets(f"{said}; the message should be {form}"[:_MOST_SAID])


def _line(location: tuple[int | str, ...], kind: str, message: str) -> str:
    field = ".".join(map(str, location))
    if kind == "extra_forbidden":
        return "there is a field that is not known" + (f", {field}" if field.isidentifier() and len(field) < 40 else "")  # noqa: PLR2004 - a name, no noise
    if kind == "missing":
        return f"{field} is missing"
    said = message.removeprefix("Value error, ")
    return f"{field}: {said}" if field else said
