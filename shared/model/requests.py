"""Requests as people write them: plain JSON, or base64 of it as the portal sends it."""

import base64
import binascii
import json
from typing import Annotated, ClassVar, Self
from urllib.parse import unquote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from shared.errors import UnreadableError, without_secrets
from shared.model.addresses import BlobAddress, is_url_of
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.expiry import normalized_expiry
from shared.model.fields import KnownDiskName, TargetName
from shared.model.managed_target import ManagedDiskRequest
from shared.model.times import is_date, normalized_time
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
            of the period it covers; or a date, which is refused with the recovery points around it.
    """

    disk: KnownDiskName
    point: str

    @field_validator("point")
    @classmethod
    def _is_latest_or_a_time(cls, point: str) -> str:
        if is_date(point):
            return point.strip()
        return LATEST if point.strip().lower() == LATEST else normalized_time(point)


def _name_or_bool(value: object) -> str | bool:
    if isinstance(value, str | bool):
        return value
    raise ValueError("must be the name of the blob to be written over, or false")


class RestoreRequest(Request):
    """A request for a restore.

    Attributes:
        target: the page blob to restore to, or the managed disk to make; None for a new page blob beside the disk.
        managed_disk: what the managed disk is made as, where it is not to be as it was.
        overwrite: the target's name, the last segment of its path or its URL, if it may be an existing blob.
        replace_other: whether that may be another disk, one that was never backed up, or one of another size.
        undo: whether a recovery point of an existing target is taken before it is written over.
        adopt: whether the restored disk is backed up from then on; if not, it is a trial.
        expires: when a trial's disk is deleted; empty for never.
        allow_damaged: whether to restore even a damaged recovery point.
    """

    form = (
        '{"disk": URL, "point": "latest" or a time, "target": URL or ID (optional), "managedDisk": {...} (optional),'
        ' "overwrite": NAME or false,'
        ' "replaceOther": false, "undo": true, "adopt": true, "expires": "7d" or a time (optional),'
        ' "allowDamaged": false}'
    )

    target: TargetName | None = None
    managed_disk: ManagedDiskRequest | None = Field(default=None, alias="managedDisk")
    overwrite: Annotated[str | bool, PlainValidator(_name_or_bool)] = False
    replace_other: StrictBool = Field(default=False, alias="replaceOther")
    undo: StrictBool = True
    adopt: StrictBool = True
    expires: str | None = None
    allow_damaged: StrictBool = Field(default=False, alias="allowDamaged")

    @field_validator("expires")
    @classmethod
    def _is_an_expiry(cls, expires: str | None) -> str | None:
        return None if expires is None else normalized_expiry(expires)

    @model_validator(mode="after")
    def _says_what_to_overwrite(self) -> Self:
        if self.overwrite is False:
            return self
        if not self.target:
            raise ValueError("overwrite is set but target is missing: name the blob to be written over there too")
        if not isinstance(self.target, PageBlobDisk):
            why = "overwrite is set but target is a managed disk: a restore makes a new one, under a free name"
            raise ValueError(why)  # noqa: TRY004 - pydantic reports ValueErrors
        if not (isinstance(self.overwrite, str) and _names(self.overwrite, self.target.address)):
            name = json.dumps(_last_segment(self.target.address), ensure_ascii=False)
            raise ValueError(
                f'overwrite must name the blob to be written over: send "overwrite": {name} to write over {self.target}'
            )
        return self

    @model_validator(mode="after")
    def _is_a_trial_if_it_says_so(self) -> Self:
        if not self.adopt and self.overwrite is not False:
            raise ValueError("adopt is false and overwrite is set: a trial makes a new disk, and never writes over one")
        if self.adopt and self.expires is not None:
            raise ValueError('expires is set but adopt is not false: only the disk of a trial, "adopt": false, expires')
        return self

    @model_validator(mode="after")
    def _asks_of_managed_disks_what_they_can_do(self) -> Self:
        is_managed = isinstance(self.target, ManagedDisk)
        if self.managed_disk is not None and not is_managed:
            raise ValueError("managedDisk is set but target is not the ID of a managed disk")
        if is_managed and self.replace_other:
            raise ValueError("replaceOther is set but target is a managed disk, which is never written over")
        if is_managed and self.expires is not None:
            raise ValueError("expires is set but target is a managed disk: delete a trial's managed disk yourself")
        return self

    @property
    def asked_as(self) -> str:
        """What a managed disk is to be made as, as JSON; empty if nothing is said."""
        return self.managed_disk.model_dump_json(by_alias=True, exclude_none=True) if self.managed_disk else ""


def _last_segment(target: BlobAddress) -> str:
    return target.blob.rpartition("/")[2]


def _names(text: str, target: BlobAddress) -> bool:
    """Return whether a text is the last segment of a blob's path, as it is or percent-encoded, or the blob's URL."""
    return _last_segment(target) in {text, unquote(text)} or is_url_of(target, text)


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
    if "managedDisk" in fields:
        fields += [f"managedDisk.{field.alias or name}" for name, field in ManagedDiskRequest.model_fields.items()]
    problem = describe_findings(findings, fields)
    end = "" if problem.endswith("?") else "."
    return without_secrets(f"{problem}{end} Expected: {request.form}"[:_MAX_REFUSAL])
