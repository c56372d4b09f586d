"""A managed disk as the target of a restore: what a request may say, where it may be, what it is made as and of."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.disks.vhd import make_footer
from shared.azure.sources.disk_shapes import profile_of
from shared.content.fixed_vhd import fixed_vhd_problem
from shared.limits import FOOTER, MAX_METADATA, MAX_PROFILE
from shared.model.catalogue import point_metadata
from shared.model.disk import Disk, ManagedDisk
from shared.model.disk_ids import DiskId, GroupId
from shared.model.disk_profile import DiskProfile
from shared.model.job import Stage
from shared.model.managed_target import place_problem, profile_problem, profile_to_make, size_problem
from shared.model.messages import RunMessage
from shared.model.requests import RequestError, RestoreRequest
from shared.model.restore import Restore
from shared.model.run import Kind
from shared.model.upload import FoundDisk
from tests.logic.conftest import Load, Mistakes
from tests.logic.records import DISK, NOON, SNAPSHOT

MIB, GIB = 1024**2, 1024**3
GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/restored"
TARGET = f"{GROUP}/providers/Microsoft.Compute/disks/back"
UNIQUE, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2))
BLOB = "https://disks.blob.core.windows.net/vhds/back.vhd"
HOUR = timedelta(hours=1)
WAS = DiskProfile(
    location="westeurope",
    sku="Premium_LRS",
    tier="P40",
    zones=("2",),
    os_type="Linux",
    generation="V2",
    security_type="TrustedLaunch",
    capabilities={"architecture": "Arm64", "acceleratedNetwork": True},
    purchase_plan={"name": "plan"},
    encryption_type="EncryptionAtRestWithPlatformAndCustomerKeys",
    encryption_set=f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets/set",
    tags={"team": "data"},
)
MADE = ManagedDisk(DiskId.parse(TARGET), UNIQUE)


def request_of(**fields: object) -> RestoreRequest:
    return RestoreRequest.read(json.dumps({"disk": DISK, "point": "latest", "target": TARGET, **fields}).encode())


def refusal(**fields: object) -> str:
    with pytest.raises(RequestError) as refused:
        request_of(**fields)
    return str(refused.value)


def begun(**changes: object) -> Restore:
    """Make a restore as a managed disk that uploads."""
    row = replace(Restore.of("r", request_of(), NOON), recovery_point=SNAPSHOT, size=20 * MIB + FOOTER)
    return replace(row.at_stage(Stage.COPYING, NOON + HOUR), target=MADE, **changes)  # type: ignore[arg-type]


# --- the request


def test_a_target_may_be_the_id_of_a_managed_disk_in_any_case() -> None:
    asked = request_of(target=TARGET.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    assert asked.target == ManagedDisk(DiskId.parse(TARGET))
    assert Restore.of("r", asked, NOON).makes_managed_disk


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target": f"{TARGET}#{UNIQUE}"}, "without #UNIQUEID"),
        ({"target": TARGET.replace("back", "b*")}, r"without \*"),
        ({"overwrite": "back"}, "overwrite is set but target is a managed disk"),
        ({"replaceOther": True}, "replaceOther is set but target is a managed disk"),
        ({"adopt": False, "expires": "7d"}, "expires is set but target is a managed disk"),
        ({"target": BLOB, "managedDisk": {"sku": "x"}}, "managedDisk is set but target is not"),
        ({"managedDisk": {"sizeGB": 1}}, 'unknown field "managedDisk.sizeGB"'),
        ({"managedDisk": {"zones": ["1"]}}, 'unknown field "managedDisk.zones"; did you mean "managedDisk.zone"'),
        ({"managedDisk": {"osType": "Amiga"}}, "managedDisk.osType: must be 'Linux' or 'Windows'"),
        ({"managedDisk": {"location": " "}}, "managedDisk.location: must not be empty"),
        ({"managedDisk": {"tags": {"a": 1}}}, "managedDisk.tags.a: must be a string"),
        ({"managedDisk": {"tags": {"a": "sig=S3CRET"}}}, "managedDisk: must not contain a secret"),
        ({"managedDisk": {"tags": {str(number): "v" * 256 for number in range(8)}}}, "managedDisk: must not have more"),
        ({"managedDisk": {"tags": {str(number): "v" for number in range(50)}}}, "managedDisk.tags: must not have more"),
        ({"managedDisk": "Premium_LRS"}, "managedDisk: must be a"),
    ],
)
def test_what_a_managed_disk_can_not_be_asked_for_is_refused_by_name(fields: dict[str, object], said: str) -> None:
    answer = refusal(**fields)
    assert said.replace("\\", "") in answer
    assert "S3CRET" not in answer


def test_a_request_that_is_carried_over_an_outage_says_the_same_afterwards() -> None:
    asked = request_of(managedDisk={"sku": "StandardSSD_LRS", "osType": "Linux", "tags": {"a": "b"}})
    again = RestoreRequest.read(asked.model_dump_json(by_alias=True).encode())
    assert Restore.of("r", again, NOON) == Restore.of("r", asked, NOON)
    assert Restore.of("r", asked, NOON).request_fields != Restore.of("r", request_of(), NOON).request_fields


# --- what it is made as


def test_a_disk_is_made_as_it_was() -> None:
    assert profile_to_make(WAS.text, "") == WAS


def test_what_the_request_says_counts_and_the_rest_is_as_it_was() -> None:
    asked = {"sku": "StandardSSD_LRS", "zone": "3", "osType": "Windows", "hyperVGeneration": "V1", "tags": {"a": "b"}}
    made = profile_to_make(WAS.text, json.dumps(asked))
    assert made == replace(
        WAS, sku="StandardSSD_LRS", tier="", zones=("3",), os_type="Windows", generation="V1", tags={"a": "b"}
    )


def test_in_another_region_there_are_other_zones_and_encryption_sets() -> None:
    moved = profile_to_make(WAS.text, '{"location": "northeurope"}')
    assert moved == replace(WAS, location="northeurope", zones=(), encryption_set="", encryption_type="")
    assert profile_to_make(WAS.text, '{"location": "West Europe"}').zones == WAS.zones
    asked = '{"location": "northeurope", "zone": "1", "diskEncryptionSet": "/subscriptions/s/set"}'
    made = profile_to_make(WAS.text, asked)
    assert (made.zones, made.encryption_set) == (("1",), "/subscriptions/s/set")
    assert made.encryption_type == "EncryptionAtRestWithCustomerKey"


@pytest.mark.parametrize(("zone", "zones"), [({}, ()), ({"zone": "1"}, ("1",))])
def test_a_zone_redundant_disk_is_in_no_zone_unless_the_request_says_so(
    zone: dict[str, str], zones: tuple[str, ...]
) -> None:
    assert WAS.zones
    assert profile_to_make(WAS.text, json.dumps({"sku": "Premium_ZRS", **zone})).zones == zones


def test_tags_of_tidemark_are_not_taken_over() -> None:
    assert profile_to_make("", '{"location": "x", "tags": {"Tidemark-Restore": "a", "b": "c"}}').tags == {"b": "c"}


def test_a_tag_that_holds_a_secret_does_not_go_on_record() -> None:
    tags = {"team": "data", "Tidemark-Restore": "r/1", "logs": "https://a.blob.core.windows.net/c?sv=1&sig=s3cret"}
    assert profile_of({"tags": tags, "properties": {}}).tags == {"team": "data"}


def test_of_a_page_blob_nothing_is_on_record_so_the_region_must_be_said() -> None:
    assert '"managedDisk": {"location": "REGION"}' in profile_problem(profile_to_make("", ""))
    assert profile_problem(profile_to_make("", '{"location": "westeurope"}')) == ""


@given(
    st.builds(
        DiskProfile,
        location=st.text(max_size=20),
        zones=st.lists(st.text(max_size=3), max_size=3).map(tuple),
        capabilities=st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.booleans(), max_size=3),
        tags=st.dictionaries(st.text(max_size=40), st.text(max_size=256), max_size=50),
    )
)
def test_what_is_on_record_of_a_disk_is_ascii_of_a_bounded_length_and_loses_tags_only(profile: DiskProfile) -> None:
    text = profile.text
    assert text.isascii()
    assert len(text) <= MAX_PROFILE
    read = DiskProfile.read(text)
    assert read
    assert replace(read, tags={}) == replace(profile, tags={})
    assert read.tags.items() <= profile.tags.items()
    assert read.tags == profile.tags or len(profile.tags) > 1
    about = point_metadata(RunMessage(disk=Disk.parse(DISK), run=SNAPSHOT), Kind.FULL, "e", text)
    assert sum(len(name) + len(value) for name, value in about.items()) < MAX_METADATA


@pytest.mark.parametrize("text", ["", "{", "[]", '{"location": 1}'])
def test_what_somebody_has_edited_is_as_if_nothing_was_on_record(text: str) -> None:
    assert DiskProfile.read(text) is None


# --- what it is made of


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (20 * MIB + FOOTER, ""),
        (8191 * GIB + FOOTER, ""),
        (20 * MIB, "whole MiB and a footer of 512 bytes"),
        (20 * MIB + FOOTER + 512, "whole MiB and a footer of 512 bytes"),
        (19 * MIB + FOOTER, "the smallest managed disk"),
        (8191 * GIB + MIB + FOOTER, "the largest managed disk"),
    ],
)
def test_a_managed_disk_is_made_of_whole_mebibytes_and_a_footer(size: int, said: str) -> None:
    problem = size_problem(size)
    assert said in problem
    assert bool(problem) == bool(said) == ("What to do: restore it as a page blob" in problem)


def test_a_managed_disk_is_made_of_a_fixed_vhd() -> None:
    footer = make_footer(20 * MIB, uuid.UUID(int=1), 1_800_000_000)
    assert fixed_vhd_problem(footer, 20 * MIB + FOOTER) == ""
    assert "says 20971520 bytes" in fixed_vhd_problem(footer, 21 * MIB + FOOTER)
    assert "no valid footer" in fixed_vhd_problem(bytes(512), 20 * MIB + FOOTER)
    dynamic = bytearray(footer)
    dynamic[63] = 3
    dynamic[64:68] = (int.from_bytes(footer[64:68], "big") - 1).to_bytes(4, "big")
    assert "dynamic" in fixed_vhd_problem(bytes(dynamic), 20 * MIB + FOOTER)


# --- where


def test_a_managed_disk_is_restored_to_the_groups_of_disks_and_to_those_named_for_it(load: Load) -> None:
    of_disks = GROUP.replace("restored", "machines")
    settings = load(
        SOURCE_DISKS=f"{of_disks}/providers/Microsoft.Compute/disks/*", RESTORE_GROUPS=f" {GROUP.upper()}/, {of_disks}"
    )
    assert settings.managed_groups == [GroupId.parse(of_disks), GroupId.parse(GROUP)]
    assert place_problem(ManagedDisk(DiskId.parse(TARGET)), settings.managed_groups) == ""
    elsewhere = ManagedDisk(DiskId.parse(TARGET.replace("restored", "elsewhere")))
    assert "add its resource group to RESTORE_GROUPS" in place_problem(elsewhere, settings.managed_groups)
    assert "they name none" in place_problem(elsewhere, [])


@pytest.mark.parametrize("named", ["machines", f"{GROUP}/providers/x", "/subscriptions/s/resourceGroups/machines"])
def test_a_group_is_named_by_its_id(mistakes: Mistakes, named: str) -> None:
    [line] = mistakes(RESTORE_GROUPS=named)
    assert line.startswith("- RESTORE_GROUPS: ")
    assert "is not the ID of a resource group" in line


# --- how it goes on


def test_a_restore_claims_the_id_before_the_disk_and_each_disk_that_it_makes() -> None:
    alone = ManagedDisk(MADE.id)
    assert replace(begun(), target=alone).claims == [alone]
    assert begun(left_over=OTHER).claims == [alone, MADE, ManagedDisk(MADE.id, OTHER)]
    assert not alone.is_certain
    assert MADE.is_certain


def test_an_attempt_whose_upload_fails_leaves_its_disk_to_the_next_to_delete() -> None:
    again = begun().retry("broken", NOON + HOUR).job
    assert (again.state, again.target, again.left_over) == (Stage.COPYING, ManagedDisk(MADE.id), UNIQUE)
    assert again.mark == "r/2"
    assert again.retry("broken", NOON + HOUR).job.left_over == UNIQUE


@pytest.mark.parametrize(("adopt", "stage"), [(True, Stage.PROMOTING), (False, Stage.PROVING)])
def test_a_disk_that_is_uploaded_is_not_uploaded_again(*, adopt: bool, stage: Stage) -> None:
    uploaded = begun(target_etag=UNIQUE, adopt=adopt, backup_etag="e", target_snapshot=SNAPSHOT)
    again = uploaded.retry("broken", NOON + HOUR).job
    assert (again.state, again.target, again.target_etag) == (stage, MADE, UNIQUE)
    assert (again.backup_etag, again.target_snapshot) == ("", "")


def test_only_its_own_marks_are_a_restores() -> None:
    assert FoundDisk("", "r/7").was_made_by("r")
    assert not FoundDisk("", "r2/1").was_made_by("r")
    assert not FoundDisk("").was_made_by("r")
