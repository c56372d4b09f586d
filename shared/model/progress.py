"""How far a run or a job is, by its row: at which rate, and how much time is left. Pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.model import words
from shared.model.inspection import Inspection
from shared.model.job import Job, Stage
from shared.model.restore import Restore
from shared.model.run import OpenRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far something is within its stage.

    Attributes:
        stage: its stage.
        done, total: bytes; or, of what is not counted in bytes, parts.
        since: when the stage began, UTC.
        seen: when that many were done, UTC.
        in_bytes: whether these are bytes.
    """

    stage: str
    done: int = 0
    total: int = 0
    since: datetime
    seen: datetime
    in_bytes: bool = True

    @property
    def rate(self) -> float | None:
        """How much is done in a second; None while that is not known."""
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
    def shown(self) -> str:
        """It as a short text: `copying 34 %, 60 MiB/s, 3 min left`."""
        parts = [f"{self.stage} {100 * self.done // self.total} %" if self.total else self.stage]
        if self.in_bytes and self.rate:
            parts.append(f"{words.amount(self.rate)}/s")
        if self.left:
            parts.append(f"{words.length(self.left)} left")
        return ", ".join(parts)


def of_run(run: OpenRun) -> Progress:
    """Say how far a run is: bytes of the disk that its change list is applied to."""
    return Progress(
        stage=str(run.state),
        done=run.position,
        total=run.size,
        since=run.started,
        seen=max(run.progressed, run.checked),
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
        stage=str(job.state), done=done, total=total, since=job.phase_began, seen=job.progressed, in_bytes=not parts
    )
