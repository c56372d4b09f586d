"""What somebody has edited in the row of a plan breaks no page and gives no command that does something else."""

from typing import Any

import pytest

from shared.azure.tables.retention_rows import brief_plan, row_of
from shared.model.retention_plan import PlanOnRecord, PlanState
from shared.page.overview import _plan
from tests.logic.records import NOON, RESTORE


def row(**edited: Any) -> dict[str, Any]:
    assert RESTORE.disk
    plan = PlanOnRecord(disk=RESTORE.disk, state=PlanState.WAITING, plan="0123456789abcdef", planned=NOON)
    return {**row_of(plan), **edited}


@pytest.mark.parametrize("go", ["", "{", "[]", "1", '{"full": 1}', '{"full": [1]}', '{"full": [[]]}'])
def test_a_plan_whose_points_are_no_plan_is_left_out(go: str) -> None:
    assert brief_plan(row(go=go)) is None


def test_a_plan_as_it_was_written_is_read() -> None:
    found = brief_plan(row(go='{"expired": ["2026-01-01T00-00-00Z"]}'))
    assert found
    assert found.times == {"2026-01-01T00-00-00Z"}


@pytest.mark.parametrize(
    "plan", ["", "a; rm -rf ~", "$(id)", "0123456789abcdef\n", "0123456789ABCDEF", "0123456789abcde"]
)
def test_no_command_has_what_is_no_hash(plan: str) -> None:
    found = brief_plan(row(plan=plan))
    assert found
    assert not _plan(found, {found.disk.name: "os.vhd"}).command


def test_a_plan_that_waits_is_approved_by_its_hash() -> None:
    found = brief_plan(row())
    assert found
    assert _plan(found, {found.disk.name: "os.vhd"}).command == "tidemark prune --approve 0123456789abcdef"
