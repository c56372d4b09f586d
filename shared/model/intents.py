"""Operators' intents as they write them on the queue `manage`: one JSON object each, whose `do` is a verb."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, field_validator, model_validator
from pydantic_core import PydanticKnownError, from_json

from shared.errors import Remedy, TidemarkError, without_secrets
from shared.model.disk import Disk
from shared.model.fields import DiskName
from shared.model.requests import LATEST, Asked, Request, RequestError, decoded, not_json
from shared.model.times import normalized_time
from shared.model.validation_errors import suggestion

MAX_NOTE = 500
"""Characters of a note; the rest is cut off."""


_HASH, _JOB = re.compile("[0-9a-f]{8,64}"), re.compile("[A-Za-z0-9-]{1,200}")


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text.strip()):
        raise ValueError("must be a hash, as the row shows it")
    return text.strip()


def _short_note(note: str) -> str:
    return without_secrets(" ".join(note.split()))[:MAX_NOTE]


type _Note = Annotated[str, AfterValidator(_short_note)]
"""Why something is kept, for people: one line, without a secret."""


def _job_id(text: str) -> str:
    if not _JOB.fullmatch(text.strip()):
        raise ValueError("must be the ID of a restore, a verify or a drill, as in its row; a run can't be cancelled")
    return text.strip()


class IntentRefusedError(TidemarkError):
    """An intent that can't be carried out; nothing was done. The message says what to do."""

    remedy = Remedy.FAIL


class IntentFailedError(TidemarkError):
    """An intent that was begun and can't be carried out; the message says why."""

    remedy = Remedy.FAIL


class IntentWaitsError(TidemarkError):
    """An intent that can't be carried out yet; the message says what it waits for."""


class Intent(Asked):
    """What every intent has.

    Attributes:
        do: its verb.
    """

    do: str

    @property
    def about(self) -> Disk | None:
        """The disk that it names, if it names one."""
        return None

    @property
    def request(self) -> str:
        """It as JSON, without what is left at its default."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)


class _OfDisk(Intent):
    disk: DiskName

    @property
    def about(self) -> Disk | None:
        """The disk that it names."""
        return self.disk


class PointIntent(_OfDisk, Request):
    """What an intent about a recovery point has: its disk, and `latest` or its time."""


class KeepIntent(PointIntent):
    """Hold a recovery point, whatever the retention says.

    Attributes:
        until: when that ends, UTC; None if it does not.
        note: why, for people.
    """

    form: ClassVar[str] = (
        '{"do": "keep", "disk": URL, "point": "latest" or a time, "until": a time (optional), "note": text (optional)}'
    )

    do: Literal["keep"]
    until: datetime | None = None
    note: _Note = ""

    @field_validator("until", mode="before")
    @classmethod
    def _is_a_time(cls, until: object) -> object:
        if until is None or isinstance(until, datetime):
            return until
        if not isinstance(until, str):
            raise PydanticKnownError("string_type")
        return datetime.fromisoformat(normalized_time(until))


class UnkeepIntent(PointIntent):
    """Take back a `keep`."""

    form: ClassVar[str] = '{"do": "unkeep", "disk": URL, "point": "latest" or a time}'

    do: Literal["unkeep"]


class ForgetIntent(PointIntent):
    """Delete one recovery point, which must be named by its own time."""

    form: ClassVar[str] = '{"do": "forget", "disk": URL, "point": a time}'

    do: Literal["forget"]

    @field_validator("point")
    @classmethod
    def _is_not_latest(cls, point: str) -> str:
        if point == LATEST:
            raise ValueError("must be the time of the recovery point to delete")
        return point


class BackupIntent(_OfDisk):
    """Back a disk up now.

    Attributes:
        keep: whether to keep its recovery point.
        note: why that is kept, for people.
    """

    form: ClassVar[str] = '{"do": "backup", "disk": URL, "keep": true (optional), "note": text (optional)}'

    do: Literal["backup"]
    keep: StrictBool = False
    note: _Note = ""

    @model_validator(mode="after")
    def _notes_what_is_kept(self) -> Self:
        if self.note and not self.keep:
            raise ValueError("note is set but keep is not true: a note says why a recovery point is kept")
        return self


class RetireIntent(_OfDisk):
    """End the backups of a disk.

    Attributes:
        keep_points: whether its recovery points are kept, whatever the retention says.
    """

    form: ClassVar[str] = '{"do": "retire", "disk": URL, "keepPoints": true (optional)}'

    do: Literal["retire"]
    keep_points: StrictBool = Field(default=False, alias="keepPoints")


class OrphansIntent(Intent):
    """List the snapshots that no row knows; delete those that were listed.

    Attributes:
        approve: the hash of the list to delete; None to list.
    """

    form: ClassVar[str] = '{"do": "orphans", "approve": HASH (optional)}'

    do: Literal["orphans"]
    approve: Annotated[str, AfterValidator(_hash)] | None = None


class ApproveIntent(Intent):
    """Have a retention plan carried out.

    Attributes:
        plan: its hash.
    """

    form: ClassVar[str] = '{"do": "approve", "plan": HASH}'

    do: Literal["approve"]
    plan: Annotated[str, AfterValidator(_hash)]


class CancelIntent(Intent):
    """End a restore, a verify or a drill.

    Attributes:
        job: its id.
    """

    form: ClassVar[str] = '{"do": "cancel", "job": ID}'

    do: Literal["cancel"]
    job: Annotated[str, AfterValidator(_job_id)]


class TakeoverIntent(Intent):
    """Make this app the owner of the backup container."""

    form: ClassVar[str] = '{"do": "takeover"}'

    do: Literal["takeover"]


INTENTS: Mapping[str, type[Intent]] = {
    "keep": KeepIntent,
    "unkeep": UnkeepIntent,
    "forget": ForgetIntent,
    "backup": BackupIntent,
    "retire": RetireIntent,
    "orphans": OrphansIntent,
    "approve": ApproveIntent,
    "cancel": CancelIntent,
    "takeover": TakeoverIntent,
}
"""The intents, by their verbs."""

_FORM = '{"do": VERB, ...}, VERB being ' + ", ".join(INTENTS)


def read_intent(body: bytes) -> Intent:
    """Read an intent, plain JSON or base64 of it.

    Raises:
        RequestError: it is not a valid intent; the message says why.
    """
    text = decoded(body)
    try:
        values = from_json(text)
    except ValueError:
        raise RequestError(not_json(_FORM)) from None
    if not isinstance(values, dict):
        raise RequestError(f"the message must be a JSON object. Expected: {_FORM}")
    verb = values.get("do")
    if verb is None:
        raise RequestError(f"do is missing. Expected: {_FORM}")
    if not isinstance(verb, str) or verb not in INTENTS:
        close = suggestion(verb, INTENTS) if isinstance(verb, str) else ""
        hint = f'; did you mean "{close}"?' if close else "."
        raise RequestError(f"do: unknown verb{hint} Expected: {_FORM}")
    return INTENTS[verb].read(text)
