"""How far a run or a job is, by its row: at which rate, and how much time is left. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.changes.ranges import windows
from shared.model import words
from shared.model.failed_runs import STUCK_AFTER
from shared.model.inspection import Inspection
from shared.model.job import Job, Stage
from shared.model.restore import Restore
from shared.model.run import SEAL_WINDOW, OpenRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far something is within its stage.

    Attributes:
        stage: its stage.
        done, total: bytes; or, of what is not counted in bytes, parts.
        since: when the stage began, UTC; None if that is not known, as of a run: its snapshot may have waited.
        seen: when it was last seen, UTC.
        progressed: when more was last done, UTC; None if it was when it was last seen.
        in_bytes: whether these are bytes.
        whole: what `total` is, where that is more than what the stage has to do.
    """

    stage: str
    done: int = 0
    total: int = 0
    since: datetime | None
    seen: datetime
    progressed: datetime | None = None
    in_bytes: bool = True
    whole: str = ""

    @property
    def stalled_for(self) -> timedelta | None:
        """How long nothing more was done; None while it goes on, and of what is not counted."""
        stood = self.seen - (self.progressed or self.seen)
        return stood if self.total and stood >= STUCK_AFTER else None

    @property
    def rate(self) -> float | None:
        """How much is done in a second; None while that is not known, and once it is stalled."""
        if self.since is None or self.stalled_for:
            return None
        took = (self.seen - self.since).total_seconds()
        return self.done / took if took > 0 and self.done else None

    @property
    def left(self) -> timedelta | None:
        """How long the stage takes yet, if it goes on like this; None while that is not known."""
        if not self.rate or self.done >= self.total:
            return None
        return timedelta(seconds=(self.total - self.done) / self.rate)

    @property
    def data(self) -> dict[str, Any]:
        """It as data."""
        rate = self.rate
        return {
            "stage": self.stage,
            "unit": "bytes" if self.in_bytes else "parts",
            "done": self.done,
            "total": self.total,
            "per_second": round(rate, 3) if rate else None,
            "seconds_left": round(self.left.total_seconds()) if self.left else None,
        }

    @property
    def percent(self) -> str:
        """How much is done: `34 %`, or `34 % of the disk`; empty of what is not counted."""
        return f"{100 * self.done // self.total} %{f' of {self.whole}' if self.whole else ''}" if self.total else ""

    @property
    def shown(self) -> str:
        """It as a short text: `copying 34 %, 60 MiB/s, 3 min left`, or `copying 34 %, no progress for 3 h`."""
        parts = [f"{self.stage} {self.percent}".rstrip()]
        if self.stalled_for:
            parts.append(f"no progress for {words.length(self.stalled_for)}")
        if self.in_bytes and self.rate:
            parts.append(f"{words.amount(self.rate)}/s")
        if self.left:
            parts.append(f"{words.length(self.left)} left")
        return ", ".join(parts)


def of_run(run: OpenRun) -> Progress:
    """Say how far a run is: how much of the disk its changes are applied to, and then how much of it was compared."""
    done, total, whole = run.position, run.size, "the disk"
    if run.is_applied:
        total, whole = len(windows(run.size, SEAL_WINDOW)), ""
        done = min(total, run.windows_compared)
    return Progress(
        stage=str(run.state),
        done=done if run.opened else 0,
        total=total if run.opened else 0,
        since=None,
        seen=max(run.progressed, run.checked),
        progressed=run.progressed,
        in_bytes=not run.is_applied,
        whole=whole,
    )


def of_job(job: Job) -> Progress:
    """Say how far a job is within its stage."""
    parts = None
    if job.state is Stage.PROVING and isinstance(job, Restore):
        parts = job.parts_proved, job.parts_total
    elif job.state is Stage.COMPARING and isinstance(job, Inspection):
        parts = job.parts_done, job.parts_total
    counted = {Stage.PROMOTING, Stage.COPYING}
    done, total = parts or ((job.bytes_done, job.bytes_total) if job.state in counted else (0, 0))
    return Progress(
        stage=str(job.state),
        done=done,
        total=total,
        since=job.phase_began,
        seen=max(job.progressed, job.checked),
        progressed=job.progressed,
        in_bytes=not parts,
    )
