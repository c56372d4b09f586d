"""Names: no two disks share one, the Table service accepts them, and they are the same on every retry."""

import unicodedata
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob_names import blob_name_problem
from shared.model.disk import PageBlobDisk
from shared.model.names import SCRATCH_PREFIX, lease_id, restore_lease_id

SNAPSHOT = "2026-11-22T12:34:56.1234567Z"
NEXT_SNAPSHOT = "2026-11-22T12:34:56.1234568Z"
ALIKE = st.text(alphabet="aA/|_~#?% .ü\x7f", min_size=1, max_size=5)
ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=1024)

NAMES = ANY.filter(lambda name: not blob_name_problem("vhds", name))
"""Names that a disk can have."""


def disk(blob: str, container: str = "vhds", account: str = "disks") -> BlobAddress:
    return BlobAddress(f"https://{account}.blob.core.windows.net", account, container, blob)


@given(ALIKE, ALIKE)
def test_disks_with_similar_names_have_different_keys(one: str, other: str) -> None:
    assert (PageBlobDisk(disk(one)).key == PageBlobDisk(disk(other)).key) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(disk("a/b"), disk("a|b"), id="a slash or a bar"),
        pytest.param(disk("a|b/c"), disk("a/b|c"), id="a slash and a bar"),
        pytest.param(disk("a.vhd"), disk("A.vhd"), id="case"),
        pytest.param(disk("é"), disk(unicodedata.normalize("NFD", "é")), id="two forms of one letter"),
        pytest.param(disk("a#"), disk("a?"), id="characters that a key may not hold"),
        pytest.param(disk("x" * 1023 + "a"), disk("x" * 1023 + "b"), id="the last character of a very long name"),
        pytest.param(disk("x" * 380), disk("x" * 1024), id="a very long name and its beginning"),
        pytest.param(disk("b/c", container="a"), disk("c", container="a-b"), id="container"),
        pytest.param(disk("a"), disk("a", account="disks2"), id="account"),
    ],
)
def test_different_disks_have_different_keys_and_runs_and_leases(one: BlobAddress, other: BlobAddress) -> None:
    runs = PageBlobDisk(one).run_id(SNAPSHOT), PageBlobDisk(other).run_id(SNAPSHOT)
    assert PageBlobDisk(one).key != PageBlobDisk(other).key
    assert runs[0] != runs[1]
    assert lease_id(runs[0], 0) != lease_id(runs[1], 0)


def test_a_shortened_key_is_not_that_of_a_disk_so_named() -> None:
    shortened = PageBlobDisk(disk("a#b")).key.removeprefix("disks|vhds|")
    assert shortened.startswith("a_b")
    assert PageBlobDisk(disk(shortened)).key != PageBlobDisk(disk("a#b")).key


@given(st.one_of(ANY, ALIKE.map(lambda part: part * 200)))
def test_the_table_service_accepts_every_key(blob: str) -> None:
    key = f"{PageBlobDisk(disk(blob)).run_id(SNAPSHOT)}|9999"
    assert not any(character in "/\\#?" or unicodedata.category(character) == "Cc" for character in key)
    assert len(key.encode("utf-16-le")) <= 1024


@given(ANY)
def test_a_run_can_be_put_in_the_metadata_of_a_blob(blob: str) -> None:
    run = PageBlobDisk(disk(blob)).run_id(SNAPSHOT)
    assert run.isascii()
    assert run.isprintable()


def test_a_key_can_be_read() -> None:
    assert PageBlobDisk(disk("vm 1/os-Disk_0.vhd")).key == "disks|vhds|vm 1|os-Disk_0.vhd"
    assert PageBlobDisk(disk("os.vhd", container="$root")).key == "disks|$root|os.vhd"


def test_a_disk_is_the_same_by_whatever_address_its_account_is_reached() -> None:
    local = BlobAddress.parse("http://127.0.0.1:10000/disks/vhds/os.vhd")
    assert PageBlobDisk(local).key == PageBlobDisk(disk("os.vhd")).key


# A new release must find the records, the leases and the backup blobs of the one before it.


@pytest.mark.parametrize(
    ("blob", "key", "lease"),
    [
        ("vm 1/os.vhd", "disks|vhds|vm 1|os.vhd", "b650b118-266d-5c14-80a9-8714cd2665f0"),
        ("vm#1/ös.vhd", "disks|vhds|vm_1|_s.vhd~5a17639134f73deb", "3d4c20d9-6804-5070-b526-eab01f383376"),
    ],
)
def test_keys_runs_and_leases_never_change(blob: str, key: str, lease: str) -> None:
    assert PageBlobDisk(disk(blob)).key == key
    assert PageBlobDisk(disk(blob)).run_id(SNAPSHOT) == f"{key}!2026-11-22T12:34:56.1234567Z"
    assert lease_id(PageBlobDisk(disk(blob)).run_id(SNAPSHOT), 0) == lease


def test_each_plan_of_a_run_has_a_lease_of_its_own() -> None:
    run = PageBlobDisk(disk("os.vhd")).run_id(SNAPSHOT)
    assert len({lease_id(run, plan) for plan in range(10)}) == 10


def test_a_backup_blob_is_named_after_account_container_and_blob() -> None:
    assert PageBlobDisk(disk("vm#1/ös.vhd")).backup_name == "disks/vhds/vm#1/ös.vhd"


def test_two_runs_of_a_disk_differ_by_the_last_digit_of_their_snapshots() -> None:
    one, other = PageBlobDisk(disk("os.vhd")).run_id(SNAPSHOT), PageBlobDisk(disk("os.vhd")).run_id(NEXT_SNAPSHOT)
    assert one != other
    assert lease_id(one, 0) != lease_id(other, 0)


@given(ANY, ANY)
def test_a_lease_id_is_a_uuid_of_its_run_alone(one: str, other: str) -> None:
    assume(one != other)
    assert str(uuid.UUID(lease_id(one, 0))) == lease_id(one, 0)
    assert lease_id(one, 0) == lease_id(one, 0)
    assert lease_id(one, 0) != lease_id(other, 0)


# --- full copies


def test_a_full_copy_is_named_after_its_disk_and_its_time() -> None:
    assert PageBlobDisk(disk("vm 1/os.vhd")).full_copy_name(SNAPSHOT) == f"disks/vhds/vm 1/os.vhd/{SNAPSHOT}"


@given(ALIKE, ALIKE)
def test_the_full_copies_of_a_disk_are_apart_from_its_backup_blob_and_from_those_of_others(
    one: str, other: str
) -> None:
    copies = {PageBlobDisk(disk(one)).full_copy_name(SNAPSHOT), PageBlobDisk(disk(one)).full_copy_name(NEXT_SNAPSHOT)}
    assert len(copies) == 2
    assert PageBlobDisk(disk(one)).backup_name not in copies
    assert (PageBlobDisk(disk(other)).full_copy_name(SNAPSHOT) in copies) == (one == other)


@given(NAMES.filter(lambda name: len(name) < 900))
def test_a_full_copy_is_found_by_the_url_that_is_on_record(blob: str) -> None:
    copy = ContainerAddress.parse("https://backups.blob.core.windows.net/tidemark").blob(
        PageBlobDisk(disk(blob)).full_copy_name(SNAPSHOT)
    )
    assert BlobAddress.parse(copy.url) == copy


# --- restores


@given(ANY, ANY)
def test_the_lease_of_a_restore_is_its_own_and_the_same_on_every_retry(one: str, other: str) -> None:
    assert str(uuid.UUID(restore_lease_id(one))) == restore_lease_id(one)
    assert (restore_lease_id(one) == restore_lease_id(other)) == (one == other)


def test_the_lease_of_a_restore_never_changes_and_is_not_that_of_a_run() -> None:
    assert restore_lease_id("6f3c1d2e") == "8f9c95fb-ca02-5aed-949b-a869a06bc336"
    run = PageBlobDisk(disk("os.vhd")).run_id(SNAPSHOT)
    assert restore_lease_id(f"{run}!0") != lease_id(run, 0)


@pytest.mark.parametrize(
    ("blob", "restored"),
    [
        ("os.vhd", "os-restored-20261122T123456Z.vhd"),
        ("vm 1/os.VHD", "vm 1/os-restored-20261122T123456Z.VHD"),
        ("a.b.vhd", "a.b-restored-20261122T123456Z.vhd"),
        ("os", "os-restored-20261122T123456Z"),
        ("os.vhdx", "os.vhdx-restored-20261122T123456Z"),
        ("vm.vhd/os", "vm.vhd/os-restored-20261122T123456Z"),
        (".vhd", ".vhd-restored-20261122T123456Z"),
    ],
)
def test_a_restored_disk_is_named_after_the_disk_and_the_points_time(blob: str, restored: str) -> None:
    assert PageBlobDisk(disk(blob)).restored(SNAPSHOT).address == disk(restored)


@given(NAMES.filter(lambda name: len(name) < 900))
def test_a_restored_disk_is_a_vhd_where_the_disk_is_and_never_the_disk_itself(blob: str) -> None:
    for name in (blob, f"{blob}.vhd"):
        restored = PageBlobDisk(disk(name)).restored(SNAPSHOT).address.blob
        assert restored != name
        assert restored.endswith(".vhd") or not name.endswith("x.vhd")
        assert BlobAddress.parse(disk(restored).url) == disk(restored)


# --- drills

ACCOUNTS = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
"""Valid account names (Naming rules and restrictions for Azure resources)."""

LIKE_A_SCRATCH_BLOB = st.sampled_from(["tidemark-drill", "tidemark", "drill", "6f3c1d2e"])
IDS = st.from_regex(r"[A-Za-z0-9-]{1,36}", fullmatch=True)
"""What names a drill: the id of a queue message, or the time of a timer."""


@given(ACCOUNTS, st.sampled_from(["vhds", "$root", "tidemark-drill"]), ANY | ALIKE | LIKE_A_SCRATCH_BLOB)
def test_no_backup_of_any_account_is_where_the_scratch_blobs_of_drills_are(
    account: str, container: str, blob: str
) -> None:
    disk_ = disk(blob, container, account)
    for name in (PageBlobDisk(disk_).backup_name, PageBlobDisk(disk_).full_copy_name(SNAPSHOT)):
        assert not name.startswith(SCRATCH_PREFIX)


@given(IDS, IDS | LIKE_A_SCRATCH_BLOB, ANY | IDS | LIKE_A_SCRATCH_BLOB)
def test_a_scratch_blob_is_not_a_backup_even_if_a_local_account_has_such_a_name(
    drill: str, container: str, blob: str
) -> None:
    disk_ = disk(blob, container, "tidemark-drill")
    assert PageBlobDisk(disk_).scratch_name(drill) not in {
        PageBlobDisk(disk_).backup_name,
        PageBlobDisk(disk_).full_copy_name(SNAPSHOT),
    }


@given(IDS, IDS, IDS)
def test_each_drill_has_a_scratch_blob_of_its_own_the_same_on_every_retry(one: str, other: str, blob: str) -> None:
    disk_, another = disk(f"{blob}.vhd"), disk(f"{blob}.vhd", "other")
    assert (PageBlobDisk(disk_).scratch_name(one) == PageBlobDisk(disk_).scratch_name(other)) == (one == other)
    assert PageBlobDisk(disk_).scratch_name(one) != PageBlobDisk(another).scratch_name(one), (
        "the timer gives the drills of all disks one id"
    )
