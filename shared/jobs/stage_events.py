"""What the log calls each stage that a restore, a verify or a drill comes to."""

from collections.abc import Mapping

from shared.events import Event
from shared.model.inspection import Stage, Task
from shared.model.restore import State

OF_RESTORE: Mapping[State, Event] = {
    State.REQUESTED: Event.RESTORE_REQUESTED,
    State.PROMOTING: Event.RESTORE_PROMOTING,
    State.COPYING: Event.RESTORE_COPYING,
    State.PROVING: Event.RESTORE_PROVING,
    State.DONE: Event.RESTORE_DONE,
    State.REFUSED: Event.RESTORE_REFUSED,
    State.FAILED: Event.RESTORE_FAILED,
}

OF_INSPECTION: Mapping[tuple[Task, Stage], Event] = {
    (Task.VERIFY, Stage.REQUESTED): Event.VERIFY_REQUESTED,
    (Task.VERIFY, Stage.COMPARING): Event.VERIFY_COMPARING,
    (Task.VERIFY, Stage.ENDING): Event.VERIFY_ENDING,
    (Task.VERIFY, Stage.DONE): Event.VERIFY_DONE,
    (Task.VERIFY, Stage.REFUSED): Event.VERIFY_REFUSED,
    (Task.VERIFY, Stage.FAILED): Event.VERIFY_FAILED,
    (Task.DRILL, Stage.REQUESTED): Event.DRILL_REQUESTED,
    (Task.DRILL, Stage.PROMOTING): Event.DRILL_PROMOTING,
    (Task.DRILL, Stage.COMPARING): Event.DRILL_COMPARING,
    (Task.DRILL, Stage.ENDING): Event.DRILL_ENDING,
    (Task.DRILL, Stage.DONE): Event.DRILL_DONE,
    (Task.DRILL, Stage.REFUSED): Event.DRILL_REFUSED,
    (Task.DRILL, Stage.FAILED): Event.DRILL_FAILED,
}
"""By task; a verify promotes nothing."""
