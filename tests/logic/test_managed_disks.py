"""Managed disks by their names: resource IDs in any case, with the unique ID that tells one from its successors."""

import json
from typing import Any

import pytest

from shared.backup.absent_disks import find_absent
from shared.model.absence import Absence
from shared.model.addresses import AddressError
from shared.model.disk import Disk, ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.fitness import backup_problem, metadata_problem
from shared.model.index import Summary
from shared.model.intents import read_intent
from shared.model.names import DISK_METADATA, RUN_METADATA
from shared.model.requests import RequestError, RestoreRequest
from shared.model.run import Mode
from shared.model.version import SnapshotVersion, blob_version, snapshot_version
from tests.logic.conftest import Load, Mistakes

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/machines"
DISKS = f"{GROUP}/providers/Microsoft.Compute/disks"
BLOB = "https://disks.blob.core.windows.net/vhds/a.vhd"
ONE, OTHER = "11111111-7c1b-4f5e-9d53-1c2a7b8e9f00", "22222222-7c1b-4f5e-9d53-1c2a7b8e9f00"
OS, DATA = Disk.parse(f"{DISKS}/os#{ONE}"), Disk.parse(f"{DISKS}/data#{ONE}")


def test_a_disk_has_one_name_however_its_id_is_spelled() -> None:
    spelled = f"/Subscriptions/{SUBSCRIPTION.upper()}/RESOURCEGROUPS/Machines/providers/microsoft.compute/Disks/OS"
    with pytest.raises(AddressError):
        Disk.parse(spelled)  # a URL, or what begins as Azure writes it
    spelled = spelled.replace("/Subscriptions", "/subscriptions")
    assert Disk.parse(f" {spelled}#{ONE.upper()} ") == OS
    assert OS.name == f"{DISKS}/os#{ONE}"


def test_a_disk_that_is_made_anew_under_its_name_has_another_record_and_another_backup_blob() -> None:
    anew = Disk.parse(f"{DISKS}/os#{OTHER}")
    assert (anew == OS, anew.key == OS.key, anew.backup_name == OS.backup_name) == (False, False, False)


def test_a_backup_blob_says_whose_it_is_and_is_that_of_no_page_blob() -> None:
    assert OS.backup_name == f"managed-disks/{SUBSCRIPTION}/machines/os/{ONE}.vhd"
    with pytest.raises(AddressError):
        Disk.parse(f"https://managed-disks.blob.core.windows.net/{OS.backup_name}")


@pytest.mark.parametrize(
    "name",
    [
        f"{GROUP}/providers/Microsoft.Compute/snapshots/os",
        f"{GROUP}/providers/Microsoft.Compute/virtualMachines/os",
        "/subscriptions/mine/resourceGroups/machines/providers/Microsoft.Compute/disks/os",
        f"{DISKS}/os/more",
        f"{DISKS}/",
        f"{DISKS}/o s",
        f"{DISKS}/{'o' * 81}",
        f"{DISKS}/os#1",
        f"{DISKS}/*#{ONE}",
    ],
)
def test_what_is_no_managed_disk_is_refused(name: str) -> None:
    with pytest.raises(AddressError):
        Disk.parse(name)


def test_settings_name_a_disk_or_a_pattern_with_tags_beside_page_blobs(load: Load) -> None:
    entries = [{"url": f"{DISKS}/*", "tags": {"backup": "daily"}}, f"!{DISKS}/scratch*", BLOB]
    settings = load(SOURCE_DISKS=json.dumps(entries))
    managed, blob = settings.source_disks
    assert (managed.is_pattern, blob.is_pattern) == (True, False)
    assert (managed.has_tags({"backup": "daily", "of": "me"}), managed.has_tags({"backup": "no"})) == (True, False)
    assert (managed.has_tags({"Backup": "daily"}), managed.has_tags({"backup": "Daily"})) == (True, False)
    scratch = Disk.parse(f"{DISKS}/scratch1#{ONE}")
    assert [settings.covers(disk) for disk in (OS, DATA, scratch)] == [True, True, False]
    assert settings.source_services == ["https://disks.blob.core.windows.net"]
    assert settings.other_service(OS) == ""
    assert load(SOURCE_DISKS=f"{DISKS}/os").covers(OS)
    assert not load(SOURCE_DISKS=f"{DISKS}/os").covers(DATA)
    assert load(SOURCE_DISKS=f"{DISKS}/* !{DISKS}/os").excludes_by_url(OS)


def test_the_entry_with_the_own_id_of_a_disk_tells_its_mode_and_retention_wherever_it_stands(load: Load) -> None:
    entries = [
        {"url": f"{DISKS}/*", "retention": "last=7"},
        {"url": f"{DISKS}/os", "retention": "last=365", "mode": "full"},
    ]
    settings = load(SOURCE_DISKS=json.dumps(entries))
    assert [rules.last for disk in (OS, DATA) if (rules := settings.retention_of(disk))] == [365, 7]
    assert [settings.mode_of(disk) for disk in (OS, DATA)] == [Mode.FULL, Mode.INCREMENTAL]
    assert settings.how_to_exclude(OS) == "remove it from SOURCE_DISKS"
    assert settings.how_to_exclude(DATA).startswith("exclude it")


GOLD = {"url": f"{DISKS}/*", "tags": {"tier": "gold"}, "retention": "last=365"}
BRONZE = {"url": f"{DISKS}/*", "tags": {"tier": "bronze"}, "retention": "last=7"}


@pytest.mark.parametrize(
    "entries",
    [
        [BRONZE, GOLD],
        [GOLD, BRONZE],
        [GOLD, GOLD | {"url": f"{DISKS}/o*s", "mode": "full"}],
        [{"url": f"{DISKS}/*", "retention": "last=7"}, GOLD | {"url": f"{DISKS}/os"}],
    ],
)
def test_tags_do_not_tell_the_mode_or_retention_of_a_disk(mistakes: Mistakes, entries: list[dict[str, Any]]) -> None:
    [line] = mistakes(SOURCE_DISKS=json.dumps(entries))
    assert "A disk's name must tell these, not its tags" in line


@pytest.mark.parametrize(
    "entries",
    [
        [GOLD, BRONZE | {"retention": GOLD["retention"]}],
        [GOLD | {"url": f"{DISKS}/gold-*"}, BRONZE | {"url": f"{DISKS}/bronze-*"}],
        [{"url": f"{DISKS}/*", "retention": "last=7"}, GOLD],
        [GOLD, {"url": f"{DISKS}/os", "retention": "last=7"}],
        [GOLD, {"url": f"{DISKS.replace('machines', 'others')}/*", "retention": "last=7"}],
    ],
)
def test_entries_with_tags_may_stand_together_where_names_tell_the_rest(
    load: Load, entries: list[dict[str, Any]]
) -> None:
    assert len(load(SOURCE_DISKS=json.dumps(entries)).source_disks) == 2


@pytest.mark.parametrize(
    ("source_disks", "says"),
    [
        (f"{DISKS}/os !{DISKS}/os", "is both named and excluded"),
        (f"{GROUP}/providers/Microsoft.Compute/snapshots/os", "is not the ID of a managed disk"),
        (json.dumps([{"url": BLOB, "tags": {"a": "b"}}]), "only managed disks have some"),
        (json.dumps([{"url": f"{DISKS}/*", "tags": ["a"]}]), "must be an object of texts"),
        (f"{DISKS}/os !{GROUP.replace('machines', 'others')}/providers/Microsoft.Compute/disks/*", "resource group"),
    ],
)
def test_a_mistake_in_the_settings_is_told(mistakes: Mistakes, source_disks: str, says: str) -> None:
    [line] = mistakes(SOURCE_DISKS=source_disks)
    assert says in line


@pytest.mark.parametrize("url", ["http://management.azure.com", "management.azure.com", "https://"])
def test_the_resource_manager_is_reached_by_https(mistakes: Mistakes, url: str) -> None:
    [line] = mistakes(RESOURCE_MANAGER_URL=url)
    assert "must be the URL of the cloud's Azure Resource Manager" in line


@pytest.mark.parametrize("url", ["https://management.usgovcloudapi.net/", ""])
def test_another_cloud_has_another_resource_manager(load: Load, url: str) -> None:
    expected = url.rstrip("/") or "https://management.azure.com"
    assert load(RESOURCE_MANAGER_URL=url).resource_manager_url == expected


def test_a_request_names_one_disk_and_no_other() -> None:
    whichever, known = {"disk": f"{DISKS}/os"}, {"disk": OS.name}
    with pytest.raises(RequestError, match="What to do: name the disk in full"):
        RestoreRequest.read(json.dumps(whichever | {"point": "latest"}).encode())
    with pytest.raises(RequestError, match="What to do: name the disk in full"):
        read_intent(json.dumps(whichever | {"do": "backup"}).encode())
    assert RestoreRequest.read(json.dumps(known | {"point": "latest"}).encode()).disk == OS
    assert read_intent(json.dumps(known | {"do": "backup"}).encode()).about == OS


def test_no_page_blob_is_the_default_target_of_a_managed_disk() -> None:
    assert OS.restored("2026-11-22T12:00:00.1234567Z") is None


def test_a_version_of_one_kind_is_none_of_the_other() -> None:
    assert isinstance(OS, ManagedDisk)
    version: Any = SnapshotVersion(OS, f"{GROUP}/providers/Microsoft.Compute/snapshots/tidemark")
    assert snapshot_version(version) is version
    assert (version.of, version.service_url) == (OS.name, "")
    with pytest.raises(TypeError):
        blob_version(version)


def test_a_disk_of_a_group_with_any_letters_has_a_name_that_metadata_can_hold(load: Load) -> None:
    disk = Disk.parse(f"{DISKS.replace('machines', 'Données')}/os#{ONE}")
    assert "/resourceGroups/donn%C3%A9es/" in disk.name
    assert Disk.parse(disk.name) == disk
    settings = load(SOURCE_DISKS=f"{DISKS.replace('machines', 'Données')}/*")
    assert settings.covers(disk)
    assert backup_problem(disk, settings.container, Mode.FULL) == ""
    assert metadata_problem({DISK_METADATA: disk.name, RUN_METADATA: disk.run_id("2026-11-22T12:00:00.1Z")}) == ""


def test_a_subscription_and_a_group_are_named_as_azure_allows() -> None:
    group = "a-b_c.(1)"
    named = DiskId.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute/disks/os")
    assert named.parent.group == group
    with pytest.raises(AddressError, match="resource group"):
        DiskId.parse(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a./providers/Microsoft.Compute/disks/os")


def test_a_disk_that_its_entry_finds_no_more_may_have_lost_its_tags(load: Load) -> None:
    settings = load(SOURCE_DISKS=json.dumps([{"url": f"{DISKS}/*", "tags": {"backup": "daily"}}]))
    known = {OS: Summary(disk=OS.name, last_point="2026-11-22T12:00:00.1234567Z")}
    absent = find_absent(settings, {settings.source_disks[0]: []}, known)
    assert absent[OS].absence is Absence.MISSING
    assert "no longer exists, or lost its tags; " in absent[OS].reason
    assert f"{DISKS}/* with the tags backup=daily matched it before" in absent[OS].reason
