"""What the page shows of runs and jobs: those under way, and those that have ended last. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.model.progress import Progress, of_job
from shared.model.words import NONE, amount, length
from shared.page.reading import Seen
from shared.page.shown import Badge, Moment, moment, outcome_badge


@dataclass(frozen=True, slots=True, kw_only=True)
class JobShown:
    """A run, restore, verify or drill under way.

    Attributes:
        kind, job, disk, short: what it is, its id, and its disk's names.
        stage: its stage.
        done: how much of the stage is done, from 0 to 1; None if that is not known.
        percent, rate, left: the same in words; how much is done a second, and how long it takes yet.
        since: since when.
        trouble: its last error while its steps fail.
    """

    kind: str
    job: str
    disk: str
    short: str
    stage: str
    done: float | None
    percent: str
    rate: str
    left: str
    since: Moment | None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedShown:
    """A job that has ended: as in `EndedJob`, with how long it took."""

    kind: str
    job: str
    disk: str
    short: str
    badge: Badge
    said: str
    ended: Moment | None
    took: str
    point: str
    target: str


def under_way(seen: Seen, short: Mapping[str, str]) -> list[JobShown]:
    """Say what is under way: runs, and then restores, verifies and drills."""
    now, found = seen.told.report.at, list[JobShown]()
    for disk in seen.told.report.disks:
        if (open_job := disk.job) and open_job.kind == "backup":
            known, began = seen.busy.get(disk.disk), open_job.began or now
            progress = known or Progress(stage=open_job.stage, since=began, seen=began)
            named = _Named("backup", open_job.job, disk.disk, short.get(disk.disk, NONE))
            found.append(_job(named, progress, moment(open_job.began, now), disk.trouble))
    for job in seen.jobs:
        name = job.disk.name if job.disk else ""
        named = _Named(str(job.kind), job.job, name, short.get(name, NONE))
        found.append(_job(named, of_job(job), moment(job.requested, now), job.last_error if job.trouble_since else ""))
    return found


class _Named(NamedTuple):
    kind: str
    job: str
    disk: str
    short: str


def _job(named: _Named, found: Progress, since: Moment | None, trouble: str) -> JobShown:
    done = min(1.0, found.done / found.total) if found.total else None
    return JobShown(
        **named._asdict(),
        stage=found.stage,
        done=done,
        percent=found.percent or NONE,
        rate=f"{amount(found.rate)}/s" if found.in_bytes and found.rate else NONE,
        left=f"no progress for {length(found.stalled_for)}" if found.stalled_for else length(found.left),
        since=since,
        trouble=trouble,
    )


def ended(seen: Seen, short: Mapping[str, str]) -> Sequence[EndedShown]:
    """Say what has ended last, the newest first."""
    now = seen.told.report.at
    return [
        EndedShown(
            kind=job.kind,
            job=job.job,
            disk=job.disk,
            short=short.get(job.disk, NONE),
            badge=outcome_badge(job.state),
            said=job.said,
            ended=moment(job.ended, now),
            took=length(job.ended - job.requested),
            point=job.point,
            target=job.target,
        )
        for job in seen.told.ended
    ]
