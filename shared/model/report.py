"""The report: what is said of each disk and of the app as a whole. Pure functions.

It is computed here and nowhere else: the app puts it on record, and alerts, the command line and the page render it.
What goes with time is judged by who reads it (`seen_at`): an app that no longer runs can't say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, Field

from shared.model.failed_runs import STUCK_AFTER
from shared.model.index import Summary
from shared.model.job import WHAT_TO_DO, advised
from shared.model.late_snapshots import waits_since
from shared.model.record import DiskRecord
from shared.model.restore_target import is_blank
from shared.model.run import OpenRun
from shared.model.texts import Text, truncated_to
from shared.model.tick import Due, Outcome
from shared.model.unusual import nobody_looked

LATE_AFTER = timedelta(hours=18)
"""How old a disk's newest recovery point may become where nobody has said when the next tick is: 1.5 times 12 hours."""

_LATE_AFTER_SECONDS = LATE_AFTER.total_seconds()

INTERVALS = 1.5
"""How many intervals between two ticks it may become: the alert of a late backup fires then too."""

TICK_GRACE = timedelta(minutes=15)
"""How late a tick may be: the platform starts an idle app first."""


def _moment(text: str) -> str:
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


# Whoever edits a row must not make the report fail: what is no time or no length is refused as it is read.
Moment = Annotated[str, AfterValidator(_moment)]
"""The time of a recovery point; empty if there is none."""

Seconds = Annotated[float, Field(ge=0, le=timedelta(days=100_000).total_seconds())]
"""A length of time."""


class State(StrEnum):
    """The state of a disk's backups, the best first."""

    RETIRED = "retired"
    SAFE = "safe"
    RUNNING = "running"
    NEW = "new"
    RESTORING = "restoring"
    LATE = "late"
    UNLISTED = "unlisted"
    MISSING = "missing"
    FAILING = "failing"


NOT_SAFE = frozenset({State.LATE, State.UNLISTED, State.MISSING, State.FAILING})
"""The states of a disk that needs somebody's attention."""


_ABSENT = frozenset({State.UNLISTED, State.MISSING})
_UNDISTURBED = frozenset({State.SAFE, State.RUNNING, State.NEW})


class Flag(StrEnum):
    """What needs attention whatever the state is."""

    DAMAGED = "damaged"
    NOT_INSPECTED = "not-inspected"
    RESYNC_AGAIN = "resync-again"
    UNUSUAL = "unusual"
    ORPHANS = "orphans"
    TRIALS = "trials"
    NOTICE = "notice"


FOR_INFORMATION = frozenset({Flag.ORPHANS, Flag.TRIALS, Flag.NOTICE})
"""The flags that cost money, and put nothing at risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """The run or restore that a disk is busy with.

    Attributes:
        kind: `backup` or `restore`.
        job: the id: the source snapshot of a run, the id of a restore.
        stage: its stage, when the report was written.
        began: when it began, UTC; None for a restore, whose row says so.
    """

    kind: str
    job: str
    stage: str = ""
    began: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReport:
    """What is said of a disk.

    Attributes:
        disk: its name.
        state: its state.
        since: since when, UTC.
        reason: why it is in this state, and what to do; empty where nothing is to be said.
        trouble, trouble_since: the last error of its open run, and since when the run has made no progress for errors,
            UTC; or of a snapshot that is tried again, and since when it is. None while there is none. Most pass within
            minutes, and need nobody.
        flags: what else needs attention, each with why and what to do.
        good_point: the newest good recovery point, the moment that it holds; empty if there is none.
        last_point: the newest recovery point, good or not.
        last_success: when the last recovery point was sealed, UTC.
        size: bytes of the disk.
        damaged_points: how many of its recovery points are damaged.
        job: what it is busy with.
        last_verify, last_verify_result, last_drill, last_drill_result: the last verify and drill: when, UTC, and what
            came of it.
        late_after_seconds: how old the newest good recovery point may become.
        first_tick: since when it is to be backed up, UTC.
        retired: when an operator ended its backups, UTC.
    """

    disk: str
    state: State
    since: AwareDatetime
    reason: Text = ""
    trouble: Text = ""
    trouble_since: AwareDatetime | None = None
    flags: Mapping[Flag, Text] = field(default_factory=dict)
    good_point: Moment = ""
    last_point: str = ""
    last_success: AwareDatetime | None = None
    size: int = 0
    damaged_points: int = 0
    job: OpenJob | None = None
    last_verify: AwareDatetime | None = None
    last_verify_result: Text = ""
    last_drill: AwareDatetime | None = None
    last_drill_result: Text = ""
    late_after_seconds: Seconds = _LATE_AFTER_SECONDS
    first_tick: AwareDatetime | None = None
    retired: AwareDatetime | None = None

    def age(self, now: datetime) -> timedelta | None:
        """Return the age of the newest good recovery point; None if there is none."""
        return now - datetime.fromisoformat(self.good_point) if self.good_point else None

    @property
    def late_at(self) -> datetime | None:
        """When its newest good recovery point becomes too old, UTC; None where no backups are due."""
        held = datetime.fromisoformat(self.good_point) if self.good_point else self.first_tick
        if held is None or self.state is State.RETIRED or self.state in _ABSENT:
            return None
        return held + timedelta(seconds=self.late_after_seconds)

    def seen_at(self, now: datetime) -> Self:
        """Return the report as it is to be read at a time, UTC: a disk becomes late without anybody writing so.

        So does one fail whose run makes no progress for long, or whose snapshot is refused for as long.
        """
        if self.state in _UNDISTURBED and self.trouble_since and now - self.trouble_since >= STUCK_AFTER:
            return replace(self, state=State.FAILING, since=self.trouble_since, reason=_corrected(self.trouble))
        late_at, late_after = self.late_at, timedelta(seconds=self.late_after_seconds)
        if self.state not in _UNDISTURBED or late_at is None or now <= late_at:
            return self
        busy = f", and {self.reason}" if self.job else ""
        what = "its newest good recovery point is older than" if self.good_point else "it has had no recovery point for"
        return replace(
            self,
            state=State.LATE,
            since=late_at,
            reason=f"{what} {hours(late_after)}{busy}. {WHAT_TO_DO}: {_SEE_TICKS}",
        )

    def with_texts_of(self, most: int) -> Self:
        """Return the report with each of its texts truncated to so many characters."""
        return replace(
            self,
            reason=truncated_to(self.reason, most),
            trouble=truncated_to(self.trouble, most),
            flags={flag: truncated_to(reason, most) for flag, reason in self.flags.items()},
            last_verify_result=truncated_to(self.last_verify_result, most),
            last_drill_result=truncated_to(self.last_drill_result, most),
        )

    def with_what_ticks_know(self, before: Self) -> Self:
        """Return the report with what only ticks find out, as it was said before."""
        kept = {Flag.TRIALS: before.flags[Flag.TRIALS]} if Flag.TRIALS in before.flags else {}
        return replace(self, flags={**self.flags, **kept}, late_after_seconds=before.late_after_seconds)

    def with_trials(self, trials: int) -> Self:
        """Return the report with how many disks of trial restores are still there."""
        if not trials:
            return self
        many = "1 disk of a trial restore waits" if trials == 1 else f"{trials} disks of trial restores wait"
        return replace(self, flags={**self.flags, Flag.TRIALS: f"{many} to be deleted"})

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields of the log event for its state."""
        return {
            "disk": self.disk,
            "state": str(self.state),
            "attention": self.needs_attention,
            "flags": " ".join(sorted(self.flags)),
            "since": self.since,
            "good_point": self.good_point,
            "late_at": self.late_at,
            "reason": self.reason or "; ".join(self.flags[flag] for flag in sorted(self.flags)),
        }

    @property
    def needs_attention(self) -> bool:
        """Whether somebody must do something about it."""
        return self.state in NOT_SAFE or bool(self.flags.keys() - FOR_INFORMATION)


_SEE_INCOMPLETE = "see the event tick-incomplete, and those of the tick before it"

_UNKNOWN = "an error that is not on record"

_SEE_TICKS = "see the app's last tick, and whether the app runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppReport:
    """What is said of the app, beside its disks.

    Attributes:
        last_tick: its last tick, UTC; None before the first.
        tick_result: `pending`, `succeeded`, `incomplete` or `failed`.
        tick_reason: why that tick failed, and what to do.
        disks, absent: how many disks the tick was to back up, and how many of those could not be found or read.
        next_tick: when the next tick is due, UTC; None where that can't be told.
        late_after_seconds: how old a disk's newest recovery point may become. On a schedule of weekdays only, the
            last one before a weekend may become older than the others.
        last_success: the last tick that has succeeded, UTC.
        heartbeat: when the heartbeat was last called, UTC.
        heartbeat_problem: why it could not be called; empty if it could be, or is not set.
        page_problem: why the status page is not served though it is turned on; empty if it is, or is off.
    """

    last_tick: AwareDatetime | None = None
    tick_result: str = ""
    tick_reason: Text = ""
    disks: int = 0
    absent: int = 0
    next_tick: AwareDatetime | None = None
    late_after_seconds: Seconds = _LATE_AFTER_SECONDS
    last_success: AwareDatetime | None = None
    heartbeat: AwareDatetime | None = None
    heartbeat_problem: Text = ""
    page_problem: Text = ""

    def at_tick(self, tick: datetime, due: Due | None, *, disks: int, absent: int) -> Self:
        """Record a tick, and what is due after it, if the schedule says so."""
        return replace(
            self,
            last_tick=tick,
            tick_result=str(Outcome.PENDING),
            tick_reason="",
            disks=disks,
            absent=absent,
            next_tick=due.next if due else None,
            late_after_seconds=INTERVALS * due.longest_gap.total_seconds() if due else _LATE_AFTER_SECONDS,
        )

    def with_heartbeat_set(self, *, is_set: bool, problem: str) -> Self:
        """Record whether the settings have a heartbeat, and why it can't be called, if they show that."""
        if problem or not is_set:
            return replace(self, heartbeat=None if not is_set else self.heartbeat, heartbeat_problem=problem)
        return self

    def as_failed(self, reason: str) -> Self:
        """Record that the last tick has failed, and why."""
        return replace(self, tick_result="failed", tick_reason=reason)

    def with_outcome(self, tick: datetime, outcome: Outcome) -> Self:
        """Record how a tick has ended; an older one than the last says only whether it has succeeded."""
        success = max(self.last_success or tick, tick) if outcome is Outcome.SUCCEEDED else self.last_success
        if self.last_tick is not None and tick < self.last_tick:
            return replace(self, last_success=success)
        return replace(self, last_tick=tick, tick_result=str(outcome), tick_reason="", last_success=success)

    def problems(self, now: datetime) -> list[str]:
        """Say what is wrong with the app at a time, UTC, each with what to do."""
        found = [self.tick_reason, self.page_problem]
        if self.heartbeat_problem:
            found.append(
                advised(self.heartbeat_problem, "see whether the service that it names is up, and its URL right")
            )
        if self.last_tick is None:
            found.append(f"there has been no tick yet. {WHAT_TO_DO}: wait for it, or start take_snapshots by hand")
        elif self.next_tick and now > self.next_tick + TICK_GRACE:
            found.append(
                f"nothing is backed up: no tick since {self.last_tick:%Y-%m-%d %H:%M}Z, though one was due at"
                f" {self.next_tick:%Y-%m-%d %H:%M}Z. {WHAT_TO_DO}: see whether the function app runs, and its log"
            )
        return [problem for problem in found if problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is said of the app and all its disks, as it is to be read at a time.

    Attributes:
        at: that time, UTC.
        app: the app.
        problems: what is wrong with the app, each with what to do.
        disks: the disks, those that need attention first.
    """

    at: datetime
    app: AppReport
    problems: Sequence[str]
    disks: Sequence[DiskReport]

    @property
    def state(self) -> State:
        """The worst state of a disk."""
        return max((disk.state for disk in self.disks), key=list(State).index, default=State.SAFE)

    @property
    def needs_attention(self) -> bool:
        """Whether somebody must do something."""
        return bool(self.problems) or any(disk.needs_attention for disk in self.disks)


def report_at(now: datetime, app: AppReport, disks: Sequence[DiskReport]) -> Report:
    """Put a report together as it is to be read at a time, UTC."""
    seen = [disk.seen_at(now) for disk in disks]
    worst = list(State)
    seen.sort(key=lambda disk: (not disk.needs_attention, -worst.index(disk.state), disk.disk))
    problems = app.problems(now)
    if app.tick_result == Outcome.INCOMPLETE and not problems and not any(disk.needs_attention for disk in seen):
        problems.append(f"the last tick has not backed up all its disks. {WHAT_TO_DO}: {_SEE_INCOMPLETE}")
    return Report(at=now, app=app, problems=problems, disks=seen)


def hours(length: timedelta) -> str:
    """Write a time of hours: `18 h`, `36 h`, `20 min`."""
    minutes = round(length.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f}".removesuffix(".0") + " h"  # noqa: PLR2004


def disk_report(record: DiskRecord, now: datetime, *, inspects: bool, is_excluded: bool = False) -> DiskReport:
    """Say what there is to say of a disk.

    Args:
        record: its record.
        now: the time, UTC.
        inspects: whether there is a schedule of verifies or drills.
        is_excluded: whether SOURCE_DISKS excludes it by its own URL, which ends its backups by intent too.
    """
    state, reason = _state(record)
    if is_excluded and state not in {State.RESTORING, State.RETIRED}:
        state, reason = State.RETIRED, "SOURCE_DISKS excludes it by its own URL"
    trouble, since = _trouble(record)
    return DiskReport(
        disk=record.disk.name,
        state=state,
        since=now,
        reason=reason,
        trouble=trouble if state in _UNDISTURBED else "",
        trouble_since=since if state in _UNDISTURBED else None,
        flags=_flags_of_kept(record) if state is State.RETIRED else _flags(record, now, inspects=inspects),
        good_point=record.newest_good_point,
        last_point=record.last_point,
        last_success=record.last_success,
        size=record.base_size,
        damaged_points=record.damaged_points,
        job=_job(record),
        last_verify=record.last_verify,
        last_verify_result=record.last_verify_result,
        last_drill=record.last_drill,
        last_drill_result=record.last_drill_result,
        first_tick=record.first_tick,
        retired=record.retired,
    )


def is_to_be_told(record: DiskRecord, last_tick: datetime | None) -> bool:
    """Return whether there is anything to say of a disk: it has backups, or the last tick has asked for some.

    Else only an error of long ago is left on record: of a URL that was corrected, of a pattern that finds disks again,
    of a blob that was excluded because it is no disk, of a restore to a disk that is not backed up.
    """
    last = max((at for at in (record.last_tick, record.last_error_at) if at), default=None)
    return not is_blank(record) or last_tick is None or (last is not None and last >= last_tick)


def is_outdated(report: DiskReport, summary: Summary) -> bool:
    """Return whether a disk's record has changed since its report, as far as the index shows: a worker has died."""
    is_retired = summary.retired is not None and not summary.restore
    return (
        report.last_point != summary.last_point
        or (report.job.job if report.job else "") != (summary.restore or summary.run_snapshot)
        or report.retired != summary.retired
        or (str(report.state) if report.state in _ABSENT else "") != ("" if is_retired else summary.absence)
    )


def unreadable(disk: str, why: str, now: datetime) -> DiskReport:
    """Say that nothing can be said of a disk, because its record can't be read, and why.

    Args:
        disk: its name, or the key of a record that names none.
        why: why.
        now: the time, UTC.
    """
    reason = advised(why.rstrip("."), "correct its row `disk`, or delete it and rebuild the catalogue")
    return DiskReport(disk=disk, state=State.FAILING, since=now, reason=reason)


def is_the_same(one: DiskReport, other: DiskReport) -> bool:
    """Return whether two reports of a disk say the same, whenever it began."""
    return replace(one, since=other.since) == other


def _state(record: DiskRecord) -> tuple[State, str]:
    """Return the state of a disk, whatever the time, and why."""
    if record.retired and not record.restore:
        return State.RETIRED, f"its backups were ended on {record.retired:%Y-%m-%d}"
    if record.absence:
        return State(record.absence), record.absence_reason
    if record.restore:
        return State.RESTORING, f"restore {record.restore} of {record.restore_of} to it is under way"
    trouble, _ = _trouble(record)
    if not trouble and (error := error_that_holds(record)):
        return State.FAILING, _corrected(error)
    return _undisturbed(record)


def _corrected(error: str) -> str:
    return advised(error.rstrip("."), "correct that; the next tick tries again")


def _trouble(record: DiskRecord) -> tuple[str, datetime | None]:
    """Return the last error of an open run or a snapshot that is still tried, and since when in vain; or nothing."""
    run = record.run
    since = (run.trouble_since or run.error_at) if run and not run.failed else waits_since(record)
    return (record.last_error or _UNKNOWN if since else ""), since


def _undisturbed(record: DiskRecord) -> tuple[State, str]:
    waits = f"its snapshot waits: {record.last_error}" if waits_since(record) else ""
    if not record.last_point:
        return State.NEW, waits or f"its first backup {'is under way' if record.run else 'begins at the next tick'}"
    if not record.newest_good_point:
        advice = f"see the damage of {record.damaged_point}, and whether its next backup succeeds"
        return State.FAILING, f"none of its recovery points is known to be good. {WHAT_TO_DO}: {advice}"
    if record.run:
        run = record.run
        return State.RUNNING, f"backup run {run.snapshot} is under way since {run.started:%Y-%m-%d %H:%M}Z"
    return State.SAFE, waits


def error_that_holds(record: DiskRecord) -> str:
    """Return the last error of a disk's backups, unless they have gone on since; empty if there is none."""
    run, error = record.run, record.last_error
    if run and is_failing_run(run):
        # Of a message that was given up, the run says so, and the record says what it failed with.
        is_cause = run.failed and error and error not in run.failed
        return f"{run.failed}. Last error: {error}" if is_cause else run.failed or error
    at, done = record.last_error_at, record.last_success
    holds = at is not None and (done is None or at > done) and not (run and run.progressed > at)
    return error if holds else ""


def is_failing_run(run: OpenRun) -> bool:
    """Return whether an open run has had errors since it last made progress."""
    return bool(run.failed or run.error_at or run.trouble_since)


def _flags(record: DiskRecord, now: datetime, *, inspects: bool) -> dict[Flag, str]:
    flags = {
        Flag.DAMAGED: _damaged(record),
        Flag.NOT_INSPECTED: nobody_looked(record, now) if inspects else "",
        Flag.RESYNC_AGAIN: record.resync_again,
        Flag.UNUSUAL: record.unusual,
        Flag.ORPHANS: _orphans(record.orphans),
        Flag.NOTICE: record.notice or record.backup_notice,
    }
    return {flag: reason for flag, reason in flags.items() if reason}


def _flags_of_kept(record: DiskRecord) -> dict[Flag, str]:
    """Return the flags of a disk whose backups were ended: somebody may still count on recovery points that stay."""
    stay = not record.retired or record.retired_keep_points
    return {Flag.DAMAGED: damaged} if stay and (damaged := _damaged(record)) else {}


def _damaged(record: DiskRecord) -> str:
    if not record.damaged_points:
        return ""
    how_many = "1 recovery point is" if record.damaged_points == 1 else f"{record.damaged_points} recovery points are"
    return f"{how_many} damaged, the newest of them {record.damaged_point}. {WHAT_TO_DO}: see the point's damage"


def _orphans(orphans: int) -> str:
    if not orphans:
        return ""
    how_many = "1 snapshot" if orphans == 1 else f"{orphans} snapshots"
    return (
        f"{how_many} of its backup blob {'is' if orphans == 1 else 'are'} not on record. {WHAT_TO_DO}: rebuild the"
        ' catalogue, or have them listed by {"do": "orphans"} on the queue manage'
    )


def _job(record: DiskRecord) -> OpenJob | None:
    if record.restore:
        return OpenJob(kind="restore", job=record.restore)
    if record.run:
        return OpenJob(kind="backup", job=record.run.snapshot, stage=str(record.run.state), began=record.run.started)
    return None
