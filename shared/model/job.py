"""A job: work that messages step forward, with one policy for all kinds. Pure functions."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol, Self

from shared.model.disk import Disk
from shared.model.fields import DiskNameOrNone
from shared.model.retry_policy import MIN_FAILURES, check_delay, is_too_long, retry_delay
from shared.model.texts import Text


class JobKind(StrEnum):
    """What people request: a restore, a comparison with the source snapshot, or a trial restore."""

    RESTORE = "restore"
    VERIFY = "verify"
    DRILL = "drill"


class Stage(StrEnum):
    """The stages of a job; each kind has some of these, in this order."""

    REQUESTED = "requested"
    SAVING = "saving"
    PROMOTING = "promoting"
    COPYING = "copying"
    PROVING = "proving"
    COMPARING = "comparing"
    SEALING = "sealing"
    ENDING = "ending"
    EXPIRING = "expiring"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


WHAT_TO_DO = "What to do"

ENDS = frozenset({Stage.DONE, Stage.REFUSED, Stage.FAILED})

PREPARING = frozenset({Stage.REQUESTED, Stage.SAVING})
"""The stages at which nothing has been copied: a job that can't go on is refused."""

CLEANED_UP = frozenset({Stage.ENDING, Stage.EXPIRING})
"""The stages of a job whose outcome is known: it neither starts over nor fails."""


class Endable(Protocol):
    """Work that comes to an end."""

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkInProgress:
    """What runs and requested jobs have in common.

    Attributes:
        state: its stage.
        reason: why it was refused, failed or started over; or what it waits for.
        trouble_since: since when every step has failed, UTC; None while steps succeed.
        progressed, checked: when it last made progress, and was last checked, UTC.
    """

    state: Stage = Stage.REQUESTED
    reason: Text = ""
    trouble_since: datetime | None = None
    progressed: datetime
    checked: datetime

    def is_check_overdue(self, now: datetime, after: timedelta) -> bool:
        """Return whether it was not checked for so long that the message that checks it is considered lost."""
        return now - self.checked >= after


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(WorkInProgress):
    """A requested job, and its row.

    Attributes:
        disk: the disk whose recovery point it is for; None if the request can't be read.
        point: the requested point: `latest` or a time.
        recovery_point: the time of the recovery point found for it.
        size: that point's size in bytes.
        bytes_done, bytes_total: its progress within the stage.
        outcome: its final state, while it is ending.
        attempt: the number of this attempt, from 1.
        last_error, last_error_at: the last error, and when, UTC; kept when the job continues.
        failures: how many steps in a row have failed.
        cancelled: why an operator's intent ends it early; empty if none does.
        requested, phase_began, ended: when it was requested, reached its stage, and ended, UTC.
        duration_seconds: the time from the request to the end.
    """

    max_attempts: ClassVar[int]

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
    cancelled: Text = ""
    requested: datetime
    phase_began: datetime
    ended: datetime | None = None
    duration_seconds: float = 0.0

    @property
    @abstractmethod
    def kind(self) -> JobKind:
        """The kind of job."""

    @property
    @abstractmethod
    def job(self) -> str:
        """Its id: that of the queue message that requested it, or the time of the timer."""

    @property
    @abstractmethod
    def request_fields(self) -> dict[str, object]:
        """The fields of its request: two equal requests differ only in their ids."""

    @property
    @abstractmethod
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk, if it is known, and the job."""

    @property
    @abstractmethod
    def log_fields(self) -> dict[str, object]:
        """The fields of the log event for its new state."""

    @abstractmethod
    def reset(self) -> Self:
        """Drop what an attempt has made, for another attempt."""

    @property
    def row_key(self) -> str:
        """Its row key."""
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
        """Whether there is nothing left to do."""
        return self.state in ENDS

    @property
    def reads_point(self) -> bool:
        """Whether it may still read its recovery point."""
        return not (self.has_ended or self.state in CLEANED_UP)

    @property
    def is_untouched(self) -> bool:
        """Whether no step has run since it was requested."""
        return self.ended is None and self.checked == self.requested

    @property
    def can_restart(self) -> bool:
        """Whether it can start over: what it made can be made again."""
        return self.state not in PREPARING and self.max_attempts > 1

    @property
    def first_stage(self) -> Stage:
        """The stage at which an attempt starts."""
        return Stage.PROMOTING

    def at_stage(self, stage: Stage, now: datetime) -> Self:
        """Move it to another stage, with its progress reset."""
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

    def with_progress(self, done: int, total: int, now: datetime) -> Self:
        """Record its progress, in bytes."""
        progressed = self.progressed if done == self.bytes_done else now
        return replace(self, bytes_done=done, bytes_total=total, checked=now, progressed=progressed)

    def end(self, stage: Stage, reason: str, now: datetime) -> Self:
        """End it."""
        took = (now - self.requested).total_seconds()
        return replace(self, state=stage, reason=reason, checked=now, ended=now, duration_seconds=took)

    def refuse(self, reason: str, now: datetime) -> Self:
        """Refuse it: it can't be done as requested, and nothing was done. The reason always says what to do."""
        return self.end(Stage.REFUSED, advised(reason, "correct that, and send the request again"), now)

    def fail(self, why: str, now: datetime) -> Self:
        """End it as failed."""
        return self.end(Stage.FAILED, self.failure(why), now)

    def failure(self, why: str) -> str:
        """Say why it failed, what that leaves behind, and what to do."""
        return why

    def stop(self, why: str, now: datetime) -> Self:
        """End it early: refused if nothing was done yet, otherwise failed."""
        return self.refuse(why, now) if self.state in PREPARING else self.fail(why, now)

    def retry(self, reason: str, now: datetime) -> "Next[Self]":
        """Start over after a delay; or fail, after the last attempt."""
        if self.attempt >= self.max_attempts:
            return Next(self.fail(f"{reason}. Gave up after {self.attempt} attempts", now))
        again = replace(self.reset().at_stage(self.first_stage, now), attempt=self.attempt + 1)
        return Next(again.with_failed_step(reason, now), retry_delay(again.attempt))

    def cleaning_up(self) -> Self:
        """Move a job with a known outcome to the stage that cleans up."""
        return replace(self, state=Stage.ENDING, outcome=str(self.state))

    def cleaned_up(self) -> Self:
        """Move a job that has been cleaned up to its final state."""
        return replace(self, state=Stage(self.outcome), outcome="")

    def with_failed_step(self, reason: str, now: datetime) -> Self:
        """Record a failed step, and why it failed."""
        return replace(
            self,
            trouble_since=self.trouble_since or now,
            failures=self.failures + 1,
            last_error=reason,
            last_error_at=now,
            checked=now,
        )

    @property
    def can_be_cancelled(self) -> bool:
        """Whether it still has an outcome to come."""
        return not self.has_ended and self.state is not Stage.ENDING

    def recovered(self) -> Self:
        """Record a successful step."""
        return replace(self, trouble_since=None, failures=0)

    def should_give_up(self, now: datetime) -> bool:
        """Return whether every step has failed for so long that the job must end."""
        is_long = self.trouble_since is not None and is_too_long(self.trouble_since, now)
        return is_long and self.failures >= MIN_FAILURES

    def should_stop_cleanup(self, now: datetime) -> bool:
        """Return whether cleaning up has failed for so long that it is given up."""
        since = self.trouble_since or self.ended
        return since is not None and is_too_long(since, now)

    def next_check(self, now: datetime) -> timedelta:
        """Say when to check a waiting job again."""
        return check_delay(self.phase_began, now)


class Next[J: Job](NamedTuple):
    """The result of a step.

    Attributes:
        job: the job after the step.
        delay: how long to wait before the next one.
    """

    job: J
    delay: timedelta = timedelta()


def advised(reason: str, advice: str) -> str:
    """Return a reason with what to do about it; one that says that keeps its own advice."""
    return reason if WHAT_TO_DO in reason else f"{reason}. {WHAT_TO_DO}: {advice}"


def job_row(kind: JobKind, job: str) -> str:
    """Name the row of a job in the partition of its disk."""
    return f"{kind}-{job}"


def give_up_reason(job: Job) -> str:
    """Say why a job ends whose steps have failed for too long."""
    return f"every step has failed since {job.trouble_since:%Y-%m-%dT%H:%M:%SZ}. Last error: {job.last_error}"
