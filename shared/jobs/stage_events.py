"""The log event of each stage of a job."""

from collections.abc import Mapping

from shared.events import Event
from shared.model.job import JobKind, Stage

STAGE_EVENTS: Mapping[tuple[JobKind, Stage], Event] = {
    (JobKind.RESTORE, Stage.REQUESTED): Event.RESTORE_REQUESTED,
    (JobKind.RESTORE, Stage.SAVING): Event.RESTORE_SAVING,
    (JobKind.RESTORE, Stage.PROMOTING): Event.RESTORE_PROMOTING,
    (JobKind.RESTORE, Stage.COPYING): Event.RESTORE_COPYING,
    (JobKind.RESTORE, Stage.PROVING): Event.RESTORE_PROVING,
    (JobKind.RESTORE, Stage.ENDING): Event.RESTORE_ENDING,
    (JobKind.RESTORE, Stage.EXPIRING): Event.RESTORE_EXPIRING,
    (JobKind.RESTORE, Stage.DONE): Event.RESTORE_DONE,
    (JobKind.RESTORE, Stage.REFUSED): Event.RESTORE_REFUSED,
    (JobKind.RESTORE, Stage.FAILED): Event.RESTORE_FAILED,
    (JobKind.VERIFY, Stage.REQUESTED): Event.VERIFY_REQUESTED,
    (JobKind.VERIFY, Stage.COMPARING): Event.VERIFY_COMPARING,
    (JobKind.VERIFY, Stage.ENDING): Event.VERIFY_ENDING,
    (JobKind.VERIFY, Stage.DONE): Event.VERIFY_DONE,
    (JobKind.VERIFY, Stage.REFUSED): Event.VERIFY_REFUSED,
    (JobKind.VERIFY, Stage.FAILED): Event.VERIFY_FAILED,
    (JobKind.DRILL, Stage.REQUESTED): Event.DRILL_REQUESTED,
    (JobKind.DRILL, Stage.PROMOTING): Event.DRILL_PROMOTING,
    (JobKind.DRILL, Stage.COMPARING): Event.DRILL_COMPARING,
    (JobKind.DRILL, Stage.ENDING): Event.DRILL_ENDING,
    (JobKind.DRILL, Stage.DONE): Event.DRILL_DONE,
    (JobKind.DRILL, Stage.REFUSED): Event.DRILL_REFUSED,
    (JobKind.DRILL, Stage.FAILED): Event.DRILL_FAILED,
}
"""Not every kind has every stage: a verify promotes nothing."""

REQUEST_FAILED: Mapping[JobKind, Event] = {
    JobKind.RESTORE: Event.RESTORE_DISK_FAILED,
    JobKind.VERIFY: Event.VERIFY_FAILED,
    JobKind.DRILL: Event.DRILL_FAILED,
}
"""The log event of a request that could not be recorded."""
