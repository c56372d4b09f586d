"""What keeps the retention from a disk: only of one that is safe, or retired by intent, are points deleted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.model.absence import Absence
from shared.model.retention_facts import why_frozen
from tests.logic.records import BACKED_UP, NOON

SAFE = replace(BACKED_UP, last_error="", last_error_at=None, last_success=NOON, last_tick=NOON, point_tick=NOON)
LATER = NOON + timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "is_listed", "why"),
    [
        ({}, True, ""),
        ({}, False, "SOURCE_DISKS does not name it"),
        ({"absence": Absence.MISSING}, True, "it is missing"),
        ({"absence": Absence.UNLISTED}, False, "it is unlisted"),
        ({"last_tick": LATER}, True, "its last backup is late"),
        ({"last_error_at": LATER}, True, "its last error is newer than its last backup"),
        ({"restore": "message-1"}, True, "restore message-1 to it is under way"),
        ({"retired": NOON, "last_tick": LATER, "last_error_at": LATER}, False, ""),
        ({"retired": NOON, "restore": "message-1"}, False, "restore message-1 to it is under way"),
        ({"retired": NOON, "retired_keep_points": True}, False, "its recovery points are kept since it was retired"),
    ],
)
def test_a_disk_is_frozen_unless_it_is_safe_or_retired(change: dict[str, Any], why: str, *, is_listed: bool) -> None:
    assert why_frozen(replace(SAFE, **change), LATER, is_listed=is_listed) == why


def test_a_disk_without_a_record_is_frozen() -> None:
    assert why_frozen(None, NOON, is_listed=True) == "it has no record"
