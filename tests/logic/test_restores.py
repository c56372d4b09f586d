"""Restores: which point is meant, where it may go, its row, and how often it is tried."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from azure.data.tables import EdmType, EntityProperty
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.rows import from_properties, from_row, to_properties, to_row
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.job import ENDS, JobKind, Stage, job_row
from shared.model.names import restore_lease_id
from shared.model.point import POINT_ROW_PREFIX
from shared.model.record import DISK_ROW
from shared.model.requests import RestoreRequest
from shared.model.restore import (
    RefusedError,
    Restore,
)
from shared.model.restore_target import requested_point, require_allowed
from shared.model.retry_policy import MAX_CHECK_DELAY, retry_delay
from shared.settings import Settings
from tests.logic.conftest import VHDS, Load
from tests.logic.records import BASE, DISK, NOON, RESTORE, restores

LATER = NOON + timedelta(minutes=5)
SYSTEM_PROPERTIES = {"PartitionKey": "disks|vhds|os.vhd", "RowKey": "restore-1", "odata.etag": "W/x", "Timestamp": NOON}
LOCAL = "http://127.0.0.1:10000"


times = st.integers(0, 99).map(lambda digits: f"2026-11-22T12:00:00.12345{digits:02d}Z")
"""Times of recovery points that differ in the last two digits, of which a datetime drops the last."""


def require_restorable_to(target: BlobAddress, settings_: Settings) -> None:
    require_allowed(
        target, settings_.backup_containers, settings_.source_services, restore_containers=settings_.restore_containers
    )


def test_a_target_may_be_in_a_container_that_is_named_for_restores_though_no_disk_is_in_its_account(load: Load) -> None:
    named = load(
        RESTORE_CONTAINERS="https://lab.blob.core.windows.net/restored, https://lab.blob.core.windows.net/more"
    )
    require_restorable_to(BlobAddress.parse("https://lab.blob.core.windows.net/restored/os.vhd"), named)
    require_restorable_to(BlobAddress.parse("https://lab.blob.core.windows.net/more/os.vhd"), named)
    with pytest.raises(RefusedError, match="nor in a container that RESTORE_CONTAINERS names"):
        require_restorable_to(BlobAddress.parse("https://lab.blob.core.windows.net/other/os.vhd"), named)
    backups = load(RESTORE_CONTAINERS=load().container.url)
    with pytest.raises(RefusedError, match="is in the backup container"):
        require_restorable_to(backups.container.blob("os.vhd"), backups)


# --- the requested point


@given(st.lists(times), times | st.just("latest"))
def test_a_time_means_the_last_point_at_or_before_it(points: list[str], asked: str) -> None:
    found = requested_point(points, asked)
    fitting = sorted(time for time in points if asked == "latest" or time <= asked)
    assert found == (fitting[-1] if fitting else None)


@given(st.lists(times, min_size=1), st.data())
def test_a_point_requested_by_its_own_time_is_that_point(points: list[str], data: st.DataObject) -> None:
    asked = data.draw(st.sampled_from(points))
    assert requested_point(points, asked) == asked


def test_of_two_points_in_one_microsecond_the_seventh_digit_tells_which() -> None:
    points = ["2026-11-22T12:00:00.1234569Z", "2026-11-22T12:00:00.1234561Z"]
    assert requested_point(points, "2026-11-22T12:00:00.1234561Z") == points[1]
    assert requested_point(points, "2026-11-22T12:00:00.1234568Z") == points[1]
    assert requested_point(points, "latest") == points[0]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("2026-11-22T14:04:18Z", "2026-11-22T14:04:18.4450000Z"),
        ("2026-11-22T14:04:18.4Z", "2026-11-22T14:04:18.4450000Z"),
        ("2026-11-22T14:04:18.44Z", "2026-11-22T14:04:18.4450000Z"),
        ("2026-11-22T14:04:18.4449Z", "2026-11-22T02:04:18.4450000Z"),
        ("2026-11-22T14:04:18.0Z", "2026-11-22T02:04:18.4450000Z"),
        ("2026-11-22T14:04:18.0000000Z", "2026-11-22T02:04:18.4450000Z"),
        ("2026-11-22T14:04:17Z", "2026-11-22T02:04:18.4450000Z"),
        ("2026-11-22T02:04:18Z", "2026-11-22T02:04:18.4450000Z"),
        ("2026-11-22T02:04:17Z", None),
    ],
)
def test_a_time_means_all_that_it_covers_as_exactly_as_it_is_written(asked: str, found: str | None) -> None:
    points = ["2026-11-22T14:04:18.4450000Z", "2026-11-22T02:04:18.4450000Z"]
    assert requested_point(points, asked) == found


def test_before_the_first_point_there_is_none() -> None:
    assert requested_point([BASE], BASE.replace("4567Z", "4566Z")) is None
    assert requested_point([], "latest") is None


# --- where a restore goes


@pytest.mark.parametrize(
    ("disk", "target"),
    [
        (f"{VHDS}/os.vhd", f"{VHDS}/os-restored-20261122T000000Z.vhd"),
        (f"{VHDS}/vm%201/os.VHD", f"{VHDS}/vm%201/os-restored-20261122T000000Z.VHD"),
        (f"{VHDS}/vm.vhd/os", f"{VHDS}/vm.vhd/os-restored-20261122T000000Z"),
        (f"{VHDS}/os.2026.vhd", f"{VHDS}/os.2026-restored-20261122T000000Z.vhd"),
        (f"{VHDS}/os.vhdx", f"{VHDS}/os.vhdx-restored-20261122T000000Z"),
        (f"{LOCAL}/disks/vhds/os.vhd", f"{LOCAL}/disks/vhds/os-restored-20261122T000000Z.vhd"),
    ],
)
def test_by_default_a_disk_is_restored_beside_itself_under_a_name_with_the_points_time(disk: str, target: str) -> None:
    assert str(Disk.parse(disk).restored(BASE)) == target


@pytest.mark.parametrize("target", [f"{VHDS}/restored.vhd", "https://disks.blob.core.windows.net/others/a/b.vhd"])
def test_a_target_in_an_account_of_a_disk_is_allowed(load: Load, target: str) -> None:
    require_restorable_to(BlobAddress.parse(target), load())


def test_the_account_of_a_pattern_is_one_of_a_disk(load: Load) -> None:
    others = "https://others.blob.core.windows.net"
    require_restorable_to(
        BlobAddress.parse(f"{others}/xyz/y.vhd"), load(SOURCE_DISKS=f"{VHDS}/os.vhd, {others}/vhds/*.vhd")
    )


@pytest.mark.parametrize(
    "target",
    [
        "https://others.blob.core.windows.net/vhds/os.vhd",
        "https://disks2.blob.core.windows.net/vhds/os.vhd",
        "https://disks.blob.core.chinacloudapi.cn/vhds/os.vhd",
        "https://disks.blob.core.windows.net:8443/vhds/os.vhd",
        f"{LOCAL}/disks/vhds/os.vhd",
    ],
)
def test_a_target_in_any_other_account_is_refused_with_those_that_are_allowed(load: Load, target: str) -> None:
    with pytest.raises(RefusedError, match=r"\(https://disks\.blob\.core\.windows\.net\)") as refusal:
        require_restorable_to(BlobAddress.parse(target), load())
    assert target in str(refusal.value)


@pytest.mark.parametrize(
    "account", ["https://disks.blob.core.windows.net", f"{LOCAL}/devstoreaccount1", "http://localhost/disks"]
)
def test_no_target_is_allowed_in_the_backup_container_even_in_an_account_of_a_disk(load: Load, account: str) -> None:
    settings_ = load(SOURCE_DISKS=f"{account}/vhds/os.vhd", BACKUP_CONTAINER=f"{account}/tidemark")
    require_restorable_to(BlobAddress.parse(f"{account}/tidemark2/os.vhd"), settings_)
    for name in ("os.vhd", "disks/vhds/os.vhd", "a/b/c/d"):
        with pytest.raises(RefusedError, match="is in the backup container"):
            require_restorable_to(BlobAddress.parse(f"{account}/tidemark/{name}"), settings_)


def test_no_target_is_allowed_in_the_container_that_held_the_backups_before(load: Load) -> None:
    account = "https://disks.blob.core.windows.net"
    settings_ = load(
        SOURCE_DISKS=f"{account}/vhds/os.vhd",
        BACKUP_CONTAINER=f"{account}/tidemark",
        BACKUP_CONTAINER_MOVED_FROM=f"{account}/before",
    )
    for container in ("tidemark", "before"):
        with pytest.raises(RefusedError, match="is in the backup container"):
            require_restorable_to(BlobAddress.parse(f"{account}/{container}/disks/vhds/os.vhd"), settings_)


@pytest.mark.parametrize(
    "target",
    [
        "http://disks.blob.core.windows.net/tidemark/disks/vhds/os.vhd",
        "https://DISKS.blob.core.windows.net:443/tidemark/disks/vhds/os.vhd",
        "https://disks.blob.core.windows.net//tidemark/disks%2Fvhds/os.vhd",
        "https://disks.privatelink.blob.core.windows.net/tidemark/disks/vhds/os.vhd",
        f"{LOCAL}/disks/tidemark/os.vhd",
    ],
)
def test_no_spelling_of_the_backup_container_is_allowed(load: Load, target: str) -> None:
    settings_ = load(SOURCE_DISKS=f"{VHDS}/os.vhd", BACKUP_CONTAINER="https://disks.blob.core.windows.net/tidemark")
    with pytest.raises(RefusedError, match="is in the backup container"):
        require_restorable_to(BlobAddress.parse(target), settings_)


def test_two_accounts_at_one_local_address_are_two_accounts(load: Load) -> None:
    settings_ = load(SOURCE_DISKS=f"{LOCAL}/disks/vhds/os.vhd", BACKUP_CONTAINER=f"{LOCAL}/backups/tidemark")
    require_restorable_to(BlobAddress.parse(f"{LOCAL}/disks/other/os.vhd"), settings_)
    with pytest.raises(RefusedError, match="not in an account that SOURCE_DISKS names"):
        require_restorable_to(BlobAddress.parse(f"{LOCAL}/backups/vhds/os.vhd"), settings_)


# --- the row of a restore


def through_the_table(restore: Restore) -> Restore:
    written = to_properties(to_row(restore))
    return from_row(Restore, from_properties(SYSTEM_PROPERTIES | written))


@given(restores())
def test_a_restore_is_read_from_the_table_as_it_was_written(restore: Restore) -> None:
    assert through_the_table(restore) == restore


@given(restores())
def test_the_table_accepts_every_property_of_a_restore(restore: Restore) -> None:
    written = to_properties(to_row(restore))
    assert all(name.isidentifier() for name in written)
    assert not written.keys() & SYSTEM_PROPERTIES.keys()
    assert all(isinstance(value, str | bool | float | datetime | EntityProperty) for value in written.values())
    numbers = [value for value in written.values() if isinstance(value, EntityProperty)]
    assert {value.edm_type for value in numbers} == {EdmType.INT64}


def test_what_never_happened_has_no_property() -> None:
    assert not to_row(RESTORE).keys() & {"ended", "last_error_at"}


def test_a_request_gives_the_row_of_a_restore_that_has_done_nothing_yet() -> None:
    request = RestoreRequest(disk=DISK, point=BASE, target=f"{VHDS}/new.vhd", overwrite="new.vhd")
    restore = Restore.of("6f3c1d2e", request, NOON)
    assert (str(restore.disk), str(restore.target)) == (DISK, f"{VHDS}/new.vhd")
    assert (restore.point, restore.overwrite) == (BASE, True)
    assert (restore.state, restore.attempt, restore.recovery_point) == (Stage.REQUESTED, 1, "")
    assert (restore.requested, restore.checked, restore.phase_began, restore.ended) == (NOON, NOON, NOON, None)
    assert restore.lease == restore_lease_id("6f3c1d2e")
    assert restore.row_key == "restore-6f3c1d2e"
    assert restore.row_key.startswith(job_row(JobKind.RESTORE, ""))
    assert restore.known_disk == Disk.parse(DISK)


def test_a_request_without_a_target_has_none_on_its_row() -> None:
    assert Restore.of("6f3c1d2e", RestoreRequest(disk=DISK, point="latest"), NOON).target is None


def test_the_rows_of_restores_are_separate_from_those_of_a_disk_and_its_points() -> None:
    assert not job_row(JobKind.RESTORE, "").startswith(POINT_ROW_PREFIX)
    assert not POINT_ROW_PREFIX.startswith(job_row(JobKind.RESTORE, ""))
    assert not DISK_ROW.startswith((job_row(JobKind.RESTORE, ""), POINT_ROW_PREFIX))


# --- states


@pytest.mark.parametrize("state", Stage)
def test_a_restore_has_ended_when_it_is_done_refused_or_failed(state: Stage) -> None:
    restore = replace(RESTORE, state=state)
    assert restore.has_ended is (state in ENDS) is (state.value in {"done", "refused", "failed"})


@pytest.mark.parametrize("state", [Stage.PROMOTING, Stage.COPYING])
def test_each_copying_state_starts_its_copy_from_zero(state: Stage) -> None:
    waiting = replace(RESTORE, bytes_done=5, bytes_total=9, reason="waits for the open run")
    copying = replace(
        RESTORE, state=state, bytes_total=RESTORE.size, phase_began=LATER, progressed=LATER, checked=LATER
    )
    assert waiting.at_stage(state, LATER) == copying


def test_a_verification_starts_without_the_reason_to_wait() -> None:
    restore = replace(RESTORE, reason="waits for the open run").at_stage(Stage.PROVING, LATER)
    assert (restore.state, restore.reason) == (Stage.PROVING, "")
    assert (restore.phase_began, restore.checked) == (LATER, LATER)


@pytest.mark.parametrize("state", sorted(ENDS))
def test_the_end_of_a_restore_is_on_its_row(state: Stage) -> None:
    restore = RESTORE.end(state, "the disk is gone", LATER)
    assert (restore.state, restore.reason, restore.ended, restore.checked) == (state, "the disk is gone", LATER, LATER)
    assert restore.has_ended


def test_the_last_error_is_on_the_row_of_a_restore_that_goes_on() -> None:
    restore = RESTORE.with_failed_step("the service is busy", LATER)
    troubled = replace(
        RESTORE,
        last_error="the service is busy",
        last_error_at=LATER,
        checked=LATER,
        trouble_since=LATER,
        failures=1,
    )
    assert restore == troubled
    assert not restore.has_ended


# --- attempts


def test_a_retried_restore_copies_and_verifies_everything_again() -> None:
    proven = replace(
        RESTORE,
        parts_proved=3,
        parts_total=4,
        ranges_compared=5,
        samples_compared=6,
        bytes_compared=7,
        seen="no VHD footer; XFS",
        doubts="no VHD footer",
        bytes_done=8,
        bytes_total=9,
    )
    assert proven.retry("the copy was lost", LATER).job == replace(
        RESTORE,
        state=Stage.PROMOTING,
        attempt=2,
        bytes_total=RESTORE.size,
        parts_total=4,
        backup_etag="",
        target_etag="",
        target_snapshot="",
        last_error="the copy was lost",
        last_error_at=LATER,
        trouble_since=LATER,
        failures=1,
        phase_began=LATER,
        progressed=LATER,
        checked=LATER,
    )


def test_the_copies_of_each_attempt_have_their_own_mark() -> None:
    assert RESTORE.mark == "6f3c1d2e/1"
    assert RESTORE.retry("lost", LATER).job.mark == "6f3c1d2e/2"
    assert replace(RESTORE, restore="6f3c1d2f").mark != RESTORE.mark


def test_a_restore_fails_with_the_reason_after_its_last_attempt() -> None:
    restore, delays = RESTORE, [retry_delay(RESTORE.attempt)]
    for _ in range(Restore.max_attempts - 1):
        restore = restore.retry("the copy was lost", LATER).job
        delays.append(retry_delay(restore.attempt))
    assert [delay.total_seconds() for delay in delays] == [5, 5, 25, 125, 625]
    failed, _ = restore.retry("the copy was lost", LATER)
    assert failed.state is Stage.FAILED
    assert failed.reason.startswith("the copy was lost. Gave up after 5 attempts. ")


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=30)))
def test_a_copy_is_checked_again_after_a_second_to_a_minute(age: timedelta) -> None:
    assert timedelta(seconds=1) <= RESTORE.next_check(NOON + age) <= timedelta(seconds=60)


def test_a_copy_is_checked_less_often_as_it_takes_longer() -> None:
    young = replace(RESTORE, phase_began=LATER)
    looks = [young.next_check(LATER + timedelta(seconds=age)).total_seconds() for age in (0, 10, 100, 600, 86400)]
    assert looks == [1, 1, 10, 60, MAX_CHECK_DELAY.total_seconds()]


@pytest.mark.parametrize(("seconds", "over"), [(-5, False), (0, False), (1799, False), (1800, True), (9999, True)])
def test_a_restore_not_checked_for_long_is_overdue(seconds: int, over: bool) -> None:
    old = replace(RESTORE, requested=NOON - timedelta(days=3), phase_began=NOON - timedelta(days=2))
    assert old.is_check_overdue(NOON + timedelta(seconds=seconds), timedelta(seconds=1800)) is over
