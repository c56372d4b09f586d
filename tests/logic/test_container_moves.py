"""Whether a disk's backups are in the backup container, in the one that it was moved from, or somewhere else."""

from dataclasses import replace

import pytest

from shared.model.addresses import ContainerAddress
from shared.model.container_moves import move_problem, move_reason, old_container
from shared.model.record import DiskRecord
from tests.logic.records import BACKED_UP, NEW

assert BACKED_UP.backup_blob
HERE = BACKED_UP.backup_blob.parent
THERE = ContainerAddress.parse("https://elsewhere.blob.core.windows.net/tidemark")
THIRD = ContainerAddress.parse("https://backups.blob.core.windows.net/third")


@pytest.mark.parametrize(
    "url",
    [
        "https://backups.blob.core.windows.net/tidemark",
        "http://BACKUPS.blob.core.windows.net:80/tidemark",
        "https://backups.privatelink.blob.core.windows.net/tidemark",
    ],
)
def test_another_url_of_the_container_is_no_move(url: str) -> None:
    container = ContainerAddress.parse(url)
    assert old_container(BACKED_UP, container) is None
    assert move_problem(BACKED_UP, container, None) == ""
    assert move_reason(BACKED_UP, container) == ""


@pytest.mark.parametrize("record", [NEW, replace(NEW, backup_blob=None)])
def test_a_disk_without_a_recovery_point_has_not_moved(record: DiskRecord) -> None:
    assert move_problem(record, THERE, None) == ""
    assert move_reason(record, THERE) == ""


@pytest.mark.parametrize("said", [None, THIRD, THERE])
def test_a_changed_container_is_refused_until_the_old_one_is_named(said: ContainerAddress | None) -> None:
    problem = move_problem(BACKED_UP, THERE, said)
    for part in (HERE.url, THERE.url, "What to do: ", "BACKUP_CONTAINER_MOVED_FROM"):
        assert part in problem
    assert move_problem(BACKED_UP, THERE, HERE) == ""
    assert HERE.url in move_reason(BACKED_UP, THERE)
