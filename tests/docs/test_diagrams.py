"""The state diagrams show the stages that the code has, each reached and left, and which of them end a job."""

import re
from collections.abc import Iterable

import pytest

from shared.inspection.steps import INSPECTION_PROCEDURE
from shared.model.job import ENDS, Stage
from shared.restore.steps import RESTORE_PROCEDURE
from tests.docs.documents import DOCS, blocks

TRANSITION = re.compile(r"  (?P<before>\[\*\]|\w+) --> (?P<after>\[\*\]|\w+)(: [^:]+)?")
BOUNDARY = "[*]"
DIAGRAMS = {
    block.heading: block.text.splitlines()
    for block in blocks(DOCS / "architecture.md")
    if block.text.startswith("stateDiagram-v2\n")
}
STAGES = {
    "A run": {Stage.REQUESTED, Stage.COPYING, Stage.SEALING},
    "A restore": {*RESTORE_PROCEDURE.steps, *ENDS},
    "An inspection": {*INSPECTION_PROCEDURE.steps, *ENDS},
}
EACH = pytest.mark.parametrize("heading", STAGES)


def transitions(heading: str) -> list[tuple[str, str]]:
    """Read a diagram; a line that is not a transition is a mistake."""
    _, *lines = DIAGRAMS[heading]
    found = [TRANSITION.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, found, strict=True) if not match] == []
    return [(match["before"], match["after"]) for match in found if match]


def others(names: Iterable[str]) -> set[str]:
    return {*names} - {BOUNDARY}


def test_every_state_diagram_is_compared_with_the_code() -> None:
    assert DIAGRAMS.keys() == STAGES.keys()


@EACH
def test_a_diagram_shows_the_stages_that_there_are_each_reached_and_left(heading: str) -> None:
    found = transitions(heading)
    reached = {after for before, after in found if before != after}
    left = {before for before, after in found if before != after}
    assert others(reached) == others(left) == {stage.value for stage in STAGES[heading]}
    assert BOUNDARY in reached & left


@EACH
def test_a_job_is_over_in_its_ends_and_nowhere_else(heading: str) -> None:
    ends = {stage.value for stage in STAGES[heading] & ENDS}
    leads_on = {before for before, after in transitions(heading) if after != BOUNDARY}
    assert not leads_on & ends
