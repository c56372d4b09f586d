"""The jobs that have ended last, in short: the restores, verifies and drills of all disks. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shared.model.job import Job
from shared.model.restore import Restore
from shared.model.texts import fits_property, truncated_to

MOST_ENDED = 10
"""How many are kept."""

_TEXT = 400
"""Characters of what came of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """A job that has ended.

    Attributes:
        kind: `restore`, `verify` or `drill`.
        job: its id.
        disk: the disk; empty if the request names none.
        target: the disk that was restored to; empty for an inspection.
        point: the time of the recovery point, or what was asked for in its place.
        state: `done`, `refused` or `failed`.
        said: what came of it, and what to do.
        requested, ended: when it was requested, and when it ended, UTC.
    """

    kind: str
    job: str
    disk: str = ""
    target: str = ""
    point: str = ""
    state: str
    said: str = ""
    requested: AwareDatetime
    ended: AwareDatetime


_ENDED = TypeAdapter(tuple[EndedJob, ...])


def ended_job(job: Job) -> EndedJob:
    """Put a job in short that has ended."""
    target, proof = (str(job.target or ""), job.proof) if isinstance(job, Restore) else ("", "")
    return EndedJob(
        kind=str(job.kind),
        job=job.job,
        disk=job.disk.name if job.disk else "",
        target=target,
        point=job.recovery_point or job.point,
        state=str(job.state),
        said=truncated_to(job.reason or proof, _TEXT),
        requested=job.requested,
        ended=job.ended or job.checked,
    )


def with_ended(before: Iterable[EndedJob], more: Iterable[EndedJob]) -> tuple[EndedJob, ...]:
    """Add jobs to those that have ended last, the newest first; one that is there already is put in its place.

    The oldest give way if they do not fit in a property, as names of disks may be long; the newest always does.
    """
    found = {(job.kind, job.job, job.disk): job for job in (*before, *more)}
    last = sorted(found.values(), key=lambda job: (job.ended, job.job, job.disk), reverse=True)[:MOST_ENDED]
    while len(last) > 1 and not fits_property(to_text(last)):
        last.pop()
    return tuple(last)


def to_text(jobs: Sequence[EndedJob]) -> str:
    """Write them as JSON."""
    return _ENDED.dump_json(tuple(jobs), exclude_defaults=True).decode()


def from_text(text: object) -> tuple[EndedJob, ...]:
    """Read what `to_text` wrote; none if there is nothing, or somebody has edited it."""
    try:
        return _ENDED.validate_json(text) if isinstance(text, str) else ()
    except ValidationError:
        return ()
