"""A job: work under way that messages step forward. One policy for all kinds of it. Pure functions of values."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self

from shared.model.disk import Disk
from shared.model.fields import DiskNameOrNone
from shared.model.patience import FEWEST_FAILURES, check_delay, is_over, next_try
from shared.model.texts import Text


class JobKind(StrEnum):
    """What people ask for: a restore, a comparison with the source snapshot, or a restore for a trial."""

    RESTORE = "restore"
    VERIFY = "verify"
    DRILL = "drill"


class Stage(StrEnum):
    """How far a job is; each kind has some of these, in this order."""

    REQUESTED = "requested"
    PROMOTING = "promoting"
    COPYING = "copying"
    PROVING = "proving"
    COMPARING = "comparing"
    SEALING = "sealing"
    ENDING = "ending"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


WHAT_TO_DO = "What to do"

ENDS = frozenset({Stage.DONE, Stage.REFUSED, Stage.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """What a run has in common with the jobs that people ask for.

    Attributes:
        state: how far it is.
        reason: why it is as it is: refused, failed, begun anew; or what it waits for.
        trouble_since: since when every step goes wrong, UTC; None while steps go well.
        progressed, checked: when it last came further, and was last looked at, UTC.
    """

    state: Stage = Stage.REQUESTED
    reason: Text = ""
    trouble_since: datetime | None = None
    progressed: datetime
    checked: datetime

    def is_unwatched(self, now: datetime, after: timedelta) -> bool:
        """Tell whether it was not looked at for so long that the message that looks at it must be taken for lost."""
        return now - self.checked >= after


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Underway):
    """A job that somebody has asked for, and the row that is kept of it.

    Attributes:
        disk: the disk whose recovery point it is about; None where the request can't be read.
        point: the point that was asked for: `latest` or a time.
        recovery_point: the time of the recovery point that was found.
        size: its bytes.
        bytes_done, bytes_total: how far it is in its state.
        outcome: where it is ending, its state then.
        attempt: which attempt this is, from 1.
        last_error, last_error_at: what went wrong last, and when, UTC; it stays when the job goes on.
        failures: how many steps in a row have gone wrong.
        requested, phase_began, ended: when it was asked for, came to its state, and ended, UTC.
        duration_seconds: the time from the request to the end.
    """

    most_attempts: ClassVar[int]

    disk: DiskNameOrNone = None
    point: str = ""
    recovery_point: str = ""
    size: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    outcome: str = ""
    attempt: int = 1
    last_error: Text = ""
    last_error_at: datetime | None = None
    failures: int = 0
    requested: datetime
    phase_began: datetime
    ended: datetime | None = None
    duration_seconds: float = 0.0

    @property
    @abstractmethod
    def kind(self) -> JobKind:
        """What is done."""

    @property
    @abstractmethod
    def job(self) -> str:
        """Its id: that of the queue message that asked for it, or the time of the timer."""

    @property
    @abstractmethod
    def asks_for(self) -> dict[str, object]:
        """What its request says: two requests that say the same can't be told apart but by their ids."""

    @property
    @abstractmethod
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, if it is known, and the job."""

    @property
    @abstractmethod
    def told(self) -> dict[str, object]:
        """What the log says of it when it comes to another state."""

    @abstractmethod
    def forgotten(self) -> Self:
        """Forget what an attempt has made: another begins."""

    @property
    def row_key(self) -> str:
        """Its row."""
        return job_row(self.kind, self.job)

    @property
    def known_disk(self) -> Disk:
        """The disk of a job whose request could be read.

        Raises:
            ValueError: it could not.
        """
        if self.disk is None:
            raise ValueError(f"{self.row_key} names no disk")
        return self.disk

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.state in ENDS

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has looked at it since it was asked for."""
        return self.ended is None and self.checked == self.requested

    @property
    def can_begin_anew(self) -> bool:
        """Whether it makes something that can be made anew."""
        return self.state is not Stage.REQUESTED and self.most_attempts > 1

    def begun(self, stage: Stage, now: datetime) -> Self:
        """Bring it to another stage, which begins from nothing."""
        return replace(
            self,
            state=stage,
            reason="",
            bytes_done=0,
            bytes_total=self.size,
            phase_began=now,
            progressed=now,
            checked=now,
        )

    def moved(self, done: int, total: int, now: datetime) -> Self:
        """Note how far it is, in bytes."""
        progressed = self.progressed if done == self.bytes_done else now
        return replace(self, bytes_done=done, bytes_total=total, checked=now, progressed=progressed)

    def end(self, stage: Stage, reason: str, now: datetime) -> Self:
        """End it."""
        took = (now - self.requested).total_seconds()
        return replace(self, state=stage, reason=reason, checked=now, ended=now, duration_seconds=took)

    def refuse(self, reason: str, now: datetime) -> Self:
        """End what was asked for and can't be done as it is; nothing was done. The reason always says what to do."""
        advised = (
            reason if WHAT_TO_DO in reason else f"{reason}. {WHAT_TO_DO}: correct that, and send the request again"
        )
        return self.end(Stage.REFUSED, advised, now)

    def fail(self, why: str, now: datetime) -> Self:
        """End it since it can't be finished."""
        return self.end(Stage.FAILED, self.failure(why), now)

    def failure(self, why: str) -> str:
        """Say what a failure leaves behind, and what to do, beside why."""
        return why

    def stop(self, why: str, now: datetime) -> Self:
        """End it early: before anything is done it is refused, else it has failed."""
        return self.refuse(why, now) if self.state is Stage.REQUESTED else self.fail(why, now)

    def try_again(self, reason: str, now: datetime) -> "Next[Self]":
        """Begin it anew, after a while; or end it, where that was done often enough."""
        if self.attempt >= self.most_attempts:
            return Next(self.fail(f"{reason}. It was tried {self.attempt} times", now))
        again = replace(self.forgotten().begun(Stage.PROMOTING, now), attempt=self.attempt + 1)
        return Next(again.in_trouble(reason, now), next_try(again.attempt))

    def to_its_end(self) -> Self:
        """Bring a job whose end is known to the stage in which it is cleaned up after."""
        return replace(self, state=Stage.ENDING, outcome=str(self.state))

    def at_its_end(self) -> Self:
        """Give a job that is cleaned up after, or about to be, as it is in the end."""
        return replace(self, state=Stage(self.outcome), outcome="")

    def in_trouble(self, reason: str, now: datetime) -> Self:
        """Note that a step has gone wrong, and why."""
        return replace(
            self,
            trouble_since=self.trouble_since or now,
            failures=self.failures + 1,
            last_error=reason,
            last_error_at=now,
            checked=now,
        )

    def out_of_trouble(self) -> Self:
        """Note that a step has gone well."""
        return replace(self, trouble_since=None, failures=0)

    def is_out_of_patience(self, now: datetime) -> bool:
        """Tell whether every step has gone wrong for so long that the job is to end."""
        is_long = self.trouble_since is not None and is_over(self.trouble_since, now)
        return is_long and self.failures >= FEWEST_FAILURES

    def is_to_be_left(self, now: datetime) -> bool:
        """Tell whether what has ended could not be cleaned up after for so long that it is left as it is."""
        since = self.trouble_since or self.ended
        return since is not None and is_over(since, now)

    def next_look(self, now: datetime) -> timedelta:
        """Say when to look again at a job that waits in its state."""
        return check_delay(self.phase_began, now)


class Next[J: Job](NamedTuple):
    """What comes of a step.

    Attributes:
        job: the job as it is then.
        delay: when to go on.
    """

    job: J
    delay: timedelta = timedelta()


def job_row(kind: JobKind, job: str) -> str:
    """Name the row of a job, in the partition of its disk."""
    return f"{kind}-{job}"


def out_of_patience(job: Job) -> str:
    """Say why a job ends that is out of patience."""
    return f"every step has gone wrong since {job.trouble_since:%Y-%m-%dT%H:%M:%SZ}: {job.last_error}"
