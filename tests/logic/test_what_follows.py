"""What a run, a restore, a verify or a drill does about each error that one of its steps may raise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from shared.azure.tables.records import RecordConflictError
from shared.backup.finish_backup import finish_backup
from shared.changes.ranges import DisorderedRangesError
from shared.errors import (
    BlobChangedError,
    CopyRefusedError,
    DiskError,
    LeaseLostError,
    ListingTimedOutError,
    OtherDiskError,
    SourceGoneError,
    TargetLeasedError,
)
from shared.inspection.steps import continue_inspection
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk, PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.messages import FinishMessage, InspectionMessage, RestoreMessage
from shared.model.names import restore_lease_id
from shared.model.owner import App, mark_metadata
from shared.model.restore import RefusedError, Restore, RestoreFailedError
from shared.restore.steps import continue_restore
from tests.logic.records import BACKED_UP, BACKUP, BASE, DISK, NEW, NOON, SNAPSHOT

LATER = timedelta(minutes=1)
APP = App("host.table.core.windows.net")

NEVER = "no step of such a job raises it"


def answer(status: int, code: str) -> HttpResponseError:
    """Make the SDK's error for a response of the service."""
    error = HttpResponseError(code)
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]  # as the storage SDKs do
    return error


class Follows(NamedTuple):
    """What follows from an error.

    Attributes:
        run: for a run that `finish_backup` checks.
        tidying: for an ended run that is being cleaned up.
        asked: for a restore that has written nothing yet.
        restore: for one whose copies have begun.
        inspected: for a verify or a drill that has read nothing yet.
        verify, drill: for one that is under way.
    """

    run: str
    tidying: str
    asked: str
    restore: str
    inspected: str
    verify: str
    drill: str


# fmt: off
TABLE: dict[str, tuple[Exception, Follows]] = {
    "the source is gone": (SourceGoneError("gone"), Follows(
        "given up", "done", "refused", "failed", "refused", "failed", "failed")),
    "the target is in use": (TargetLeasedError(DISK), Follows(
        NEVER, NEVER, "refused", "failed", "refused", "failed", "failed")),
    "the request can't be done": (RefusedError("no"), Follows(
        NEVER, NEVER, "refused", "failed", NEVER, NEVER, NEVER)),
    "the restore can't be finished": (RestoreFailedError("no"), Follows(
        NEVER, NEVER, "refused", "failed", NEVER, NEVER, NEVER)),
    "a list in disorder": (DisorderedRangesError("512 after 1024"), Follows(
        "comes back", NEVER, "refused", "failed", "refused", "failed", "failed")),
    "a blob is not as it was left": (BlobChangedError("written to"), Follows(
        "raised", NEVER, "troubled soon", "attempt 2", "troubled soon", "troubled", "attempt 2")),
    "the lease is lost": (LeaseLostError("broken"), Follows(
        "raised", NEVER, "troubled soon", "attempt 2", "troubled soon", "troubled", "attempt 2")),
    "a copy is refused": (CopyRefusedError("no"), Follows(
        NEVER, NEVER, NEVER, "attempt 2", "refused", "failed", "attempt 2")),
    "an answer that lasts": (answer(400, "InvalidInput"), Follows(
        "comes back", "done", "refused", "attempt 2", "refused", "failed", "attempt 2")),
    "an answer that a role mends": (answer(403, "AuthorizationFailure"), Follows(
        "comes back", "comes back", "troubled", "troubled", "troubled", "troubled", "troubled")),
    "an answer that passes": (answer(503, "ServerBusy"), Follows(
        "comes back", "comes back", "troubled", "troubled", "troubled", "troubled", "troubled")),
    "no answer": (ServiceRequestError("no route to host"), Follows(
        "comes back", "comes back", "troubled", "troubled", "troubled", "troubled", "troubled")),
    "a list takes too long": (ListingTimedOutError("OperationTimedOut"), Follows(
        "comes back", "comes back", "troubled", "troubled", "troubled", "troubled", "troubled")),
    "somebody else was faster": (RecordConflictError(DISK), Follows(
        "comes back", "comes back", "as it was", "as it was", "as it was", "as it was", "as it was")),
    "the disk can't be backed up": (DiskError("no disk"), Follows(
        "raised", "done", "troubled", "troubled", "troubled", "troubled", "troubled")),
    "the record is another disk's": (OtherDiskError("another's"), Follows(
        "raised", "done", "refused", "troubled", "refused", "troubled", "troubled")),
    "a fault of the app's": (ZeroDivisionError("division by zero"), Follows(
        "raised", "raised", "troubled", "troubled", "troubled", "troubled", "troubled")),
}
# fmt: on


def each(job: str) -> pytest.MarkDecorator:
    """List each error that a step of a job may raise, with what follows."""
    cases = {name: (error, getattr(follows, job)) for name, (error, follows) in TABLE.items()}
    raised = {name: case for name, case in cases.items() if case[1] != NEVER}
    return pytest.mark.parametrize(("error", "follows"), raised.values(), ids=raised)


class Kept:
    """The rows and the queue that the job under test has: one row, and what was sent."""

    def __init__(self, row: Any) -> None:
        self.row = row
        self.sent: list[timedelta] = []

    async def get(self, *_: object) -> tuple[Any, str]:
        return self.row, "etag"

    find = get

    async def put(self, row: Any, *_: object) -> None:
        self.row = row

    async def update(self, _disk: object, change: Callable[[Any], Any]) -> Any:
        self.row = change(self.row)
        return self.row

    async def send(self, _message: object, delay: timedelta = timedelta()) -> None:
        self.sent.append(delay)

    async def point(self, *_: object) -> None:
        """Nothing was sealed."""


def failing(error: Exception, *, times: int = 1) -> Callable[..., Any]:
    """Make a call that fails with these errors first, and returns nothing after that."""
    left = [error] * times

    async def call(*_: object) -> None:
        if left:
            raise left.pop()

    return call


async def nothing(*_: object) -> None:
    """Do nothing, successfully."""


async def no_snapshots(*_: object) -> list[str]:
    """List none."""
    return []


async def own_mark(_: object) -> BlobState:
    """Give the mark in a backup container that is the app's."""
    return BlobState(size=0, etag="", leased=True, metadata=mark_metadata(APP))


def services(kept: Kept, **others: object) -> Any:
    """Bundle what the steps under test use."""
    given = {
        "now": lambda: NOON + LATER,
        "settings": SimpleNamespace(
            other_service=lambda _: "",
            stalled_after=timedelta(minutes=30),
            container=BlobAddress.parse(BACKUP).parent,
            moved_from=None,
            app=APP,
        ),
        "pages": SimpleNamespace(find=own_mark),
        "queues": kept,
        "records": kept,
        "backups": SimpleNamespace(address=lambda _: BlobAddress.parse(BACKUP)),
        "leases": SimpleNamespace(release=nothing),
        "snapshots": SimpleNamespace(of_run=no_snapshots, times=no_snapshots),
        "disks": SimpleNamespace(delete_snapshot=nothing),
        "status": SimpleNamespace(tell_ended=nothing),
    }
    return SimpleNamespace(**{**given, **others})


@each("run")
async def test_the_remedies_of_a_run(error: Exception, follows: str) -> None:
    kept = Kept(NEW)
    records = SimpleNamespace(get=kept.get, update=kept.update, update_found=failing(error), point=kept.point)
    assert await came_of_run(kept, services(kept, records=records)) == follows


@each("tidying")
async def test_the_remedies_of_cleaning_up_after_a_run(error: Exception, follows: str) -> None:
    kept = Kept(replace(BACKED_UP, run=None, base_snapshot=SNAPSHOT))
    tidying = services(kept)
    tidying.leases.release = failing(error)
    came_of = await came_of_run(kept, tidying)
    assert {"given up": "done"}.get(came_of, came_of) == follows


async def came_of_run(kept: Kept, of_run: Any) -> str:
    """Finish a backup, and say how it went."""
    try:
        await finish_backup(of_run, FinishMessage(disk=Disk.parse(DISK), run=SNAPSHOT))
    except Exception:  # noqa: BLE001 - whatever is raised, the queue delivers the message again
        assert (kept.sent, kept.row.last_error != "") == ([], True)
        return "raised"
    assert kept.row.last_error
    if kept.row.run is None:
        return "comes back" if kept.sent == [timedelta(minutes=5)] else "given up"
    assert kept.sent == [LATER]
    return "comes back"


@each("asked")
async def test_the_remedies_of_a_restore_that_has_written_nothing(error: Exception, follows: str) -> None:
    kept = Kept(a_restore())
    records = SimpleNamespace(get=failing(error))
    assert await came_of_restore(kept, services(kept, restores=kept, records=records)) == follows


@each("restore")
async def test_the_remedies_of_a_restore_whose_copies_have_begun(error: Exception, follows: str) -> None:
    kept = Kept(a_restore().at_stage(Stage.PROMOTING, NOON))
    pages = SimpleNamespace(find=failing(error))
    assert await came_of_restore(kept, services(kept, restores=kept, pages=pages)) == follows


def a_restore() -> Restore:
    """Make the row of a restore that was just requested."""
    return Restore(
        restore="6f3c1d2e",
        disk=Disk.parse(DISK),
        point=BASE,
        target=PageBlobDisk(BlobAddress.parse(DISK)),
        lease=restore_lease_id("6f3c1d2e"),
        requested=NOON,
        checked=NOON,
        phase_began=NOON,
        progressed=NOON,
    )


async def came_of_restore(kept: Kept, of_restore: Any) -> str:
    """Continue a restore, and say how it went."""
    before: Restore = kept.row
    await continue_restore(of_restore, RestoreMessage(disk=Disk.parse(DISK), restore="6f3c1d2e"))
    then: Restore = kept.row
    if then == before:
        assert kept.sent == [timedelta(seconds=5)]
        return "as it was"
    if then.has_ended:
        assert (kept.sent, then.reason != "") == ([], True)
        return str(then.state)
    assert then.last_error
    if then.attempt > before.attempt:
        assert (kept.sent, then.state) == ([timedelta(seconds=5)], Stage.PROMOTING)
        return f"attempt {then.attempt}"
    return "troubled" if kept.sent == [LATER] else "troubled soon"


@each("inspected")
async def test_the_remedies_of_an_inspection_that_has_read_nothing(error: Exception, follows: str) -> None:
    kept = Kept(Inspection.of("6f3c1d2e", JobKind.VERIFY, Disk.parse(DISK), BASE, NOON))
    records = SimpleNamespace(get=failing(error), point=kept.point)
    assert await came_of_inspection(kept, services(kept, inspections=kept, records=records)) == follows


@each("verify")
async def test_the_remedies_of_a_verify_that_compares(error: Exception, follows: str) -> None:
    asked = Inspection.of("6f3c1d2e", JobKind.VERIFY, Disk.parse(DISK), BASE, NOON)
    kept = Kept(asked.at_stage(Stage.COMPARING, NOON))
    parts = SimpleNamespace(compared=failing(error))
    assert await came_of_inspection(kept, services(kept, inspections=kept, parts=parts)) == follows


@each("drill")
async def test_the_remedies_of_a_drill_that_copies(error: Exception, follows: str) -> None:
    asked = Inspection.of("6f3c1d2e", JobKind.DRILL, Disk.parse(DISK), BASE, NOON)
    kept = Kept(asked.at_stage(Stage.PROMOTING, NOON))
    pages = SimpleNamespace(find=failing(error))
    of_drill = services(kept, inspections=kept, pages=pages)
    of_drill.settings.container = SimpleNamespace(blob=lambda _: DISK)
    assert await came_of_inspection(kept, of_drill) == follows


async def came_of_inspection(kept: Kept, of_inspection: Any) -> str:
    """Continue an inspection, and say how it went."""
    before: Inspection = kept.row
    await continue_inspection(
        of_inspection, InspectionMessage(disk=Disk.parse(DISK), task=before.task, inspection="6f3c1d2e")
    )
    then: Inspection = kept.row
    if then == before:
        assert kept.sent == [timedelta(seconds=5)]
        return "as it was"
    if then.state is Stage.ENDING:
        assert then.reason
        return then.outcome
    assert then.last_error
    if then.attempt > before.attempt:
        assert (kept.sent, then.state) == ([timedelta(seconds=5)], Stage.PROMOTING)
        return f"attempt {then.attempt}"
    return "troubled" if kept.sent == [LATER] else "troubled soon"
