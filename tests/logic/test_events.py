"""The log events: each is documented, and the name of each state of a restore, a verify and a drill is one."""

import pytest

from infra.local.local_azure import ROOT
from shared.events import Event
from shared.model.inspection import Stage, Task
from shared.model.restore import State

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("event", Event)
def test_an_event_is_in_the_readme(event: Event) -> None:
    assert f"`{event}`" in README


def test_each_state_that_a_restore_comes_to_is_an_event() -> None:
    assert {f"restore-{state}" for state in State} <= set(Event)


def test_each_state_that_a_verify_and_a_drill_come_to_is_an_event() -> None:
    states = {f"{task}-{stage}" for task in Task for stage in Stage} - {"verify-promoting"}  # it copies nothing
    assert states <= set(Event)
