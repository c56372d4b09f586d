"""The row of an operator's intent: what was asked, and what came of it. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from shared.model.disk import Disk
from shared.model.fields import DiskNameOrNone
from shared.model.job import ENDS, Stage, WorkInProgress, advised
from shared.model.messages import IntentMessage
from shared.model.retry_policy import is_too_long
from shared.model.texts import Text

INTENT = "intent"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow(WorkInProgress):
    """The row of an intent: `requested`, then `done`, `refused` or `failed`.

    Attributes:
        intent: its id, that of the queue message.
        do: its verb; empty if the message can't be read.
        disk: the disk it is about; None if it names none.
        point: the time of the recovery point, or of the run, that it is about, fixed before anything is done.
        subject: what else it is about, fixed as well: the jobs to cancel, or the hash of a list.
        listed: the list, as digests of its entries.
        request: what the operator wrote, as JSON.
        outcome: what was done.
        last_error, last_error_at: the last error, and when, UTC.
        requested, ended: when it was first read, and when it ended, UTC.
    """

    intent: str
    do: str = ""
    disk: DiskNameOrNone = None
    point: str = ""
    subject: Text = ""
    listed: str = ""
    request: str = ""
    outcome: Text = ""
    last_error: Text = ""
    last_error_at: datetime | None = None
    requested: datetime
    ended: datetime | None = None

    @classmethod
    def of(cls, intent: str, now: datetime, *, do: str = "", disk: Disk | None = None, request: str = "") -> Self:
        """Make the row of a new intent; one that can't be read has only its id."""
        return cls(intent=intent, do=do, disk=disk, request=request, requested=now, progressed=now, checked=now)

    @property
    def row_key(self) -> str:
        """Its row key."""
        return f"{INTENT}-{self.intent}"

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in ENDS

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has come of it since it was first read."""
        return self.ended is None and self.checked == self.requested

    @property
    def message(self) -> IntentMessage:
        """The message that carries on with it."""
        return IntentMessage(intent=self.intent, request=self.request)

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk, if it names one, and the intent."""
        return {**({"disk": self.disk.name} if self.disk else {}), "intent": self.intent}

    @property
    def request_fields(self) -> dict[str, object]:
        """What was asked: two equal intents differ only in their ids."""
        return {"request": self.request}

    def waits(self, reason: str, now: datetime) -> Self:
        """Record what it waits for."""
        return replace(self, reason=reason, checked=now, progressed=now, trouble_since=None)

    def with_error(self, reason: str, now: datetime) -> Self:
        """Record an error; it is tried again."""
        return replace(self, last_error=reason, last_error_at=now, checked=now, trouble_since=self.trouble_since or now)

    def should_give_up(self, now: datetime) -> bool:
        """Return whether it has failed for so long that it must end."""
        return self.trouble_since is not None and is_too_long(self.trouble_since, now)

    def done(self, outcome: str, now: datetime) -> Self:
        """End it: it is carried out."""
        return replace(self, state=Stage.DONE, reason="", outcome=outcome, checked=now, ended=now)

    def refuse(self, reason: str, now: datetime) -> Self:
        """End it: it can't be carried out. The reason always says what to do."""
        why = advised(reason, "correct that, and send it again")
        return replace(self, state=Stage.REFUSED, reason=why, checked=now, ended=now)

    def fail(self, reason: str, now: datetime) -> Self:
        """End it: it may have been carried out in part; sent again, it does what is missing."""
        return replace(self, state=Stage.FAILED, reason=advised(reason, "send it again"), checked=now, ended=now)
