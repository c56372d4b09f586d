"""The app settings: all their forms are read. What is refused is in `test_settings_mistakes.py`."""

import json
from datetime import timedelta

import pytest

from shared.limits import STORAGE_API_VERSION
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.run import Mode
from shared.source_disks import SourceDisk
from tests.logic.conftest import BACKUPS, CONNECTION, DISK, HOST_CONNECTION, KEY, VHDS, Load, Mistakes

# --- what is read


def test_valid_settings_are_read(load: Load) -> None:
    settings = load()
    assert settings.backup_schedule == "0 0 */12 * * *"
    assert settings.source_disks == (SourceDisk(url=DISK, mode="incremental"),)
    assert settings.container == ContainerAddress.parse("https://backups.blob.core.windows.net/tidemark")
    assert settings.storage_connections == ()
    assert settings.storage_api_version == STORAGE_API_VERSION
    assert settings.stalled_after == timedelta(minutes=30)


def test_names_may_be_in_lower_case(load: Load) -> None:
    assert load(SOURCE_DISKS=None, source_disks=DISK).source_disks[0].url == DISK


def test_there_is_no_heartbeat_unless_a_url_is_set(load: Load) -> None:
    assert load().heartbeat_url is None
    assert load(HEARTBEAT_URL=" ").heartbeat_url is None
    set_to = load(HEARTBEAT_URL=" https://alive.example/4f5e ").heartbeat_url
    assert set_to is not None
    assert set_to.get_secret_value() == "https://alive.example/4f5e"


def test_optional_settings_replace_the_defaults(load: Load) -> None:
    settings = load(STORAGE_API_VERSION="2024-08-04", RUN_STALLED_AFTER_SECONDS="90")
    assert settings.storage_api_version == "2024-08-04"
    assert settings.stalled_after == timedelta(seconds=90)


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_storage_version_is_the_default(load: Load, nothing: str) -> None:
    assert load(STORAGE_API_VERSION=nothing).storage_api_version == STORAGE_API_VERSION


def test_one_account_in_all_its_spellings_is_on_one_service(load: Load) -> None:
    typed = (
        f"{VHDS}/a.vhd http://disks.blob.core.windows.net:80/vhds/b.vhd HTTPS://DISKS.blob.core.windows.net/vhds/c.vhd"
    )
    settings = load(SOURCE_DISKS=typed)
    assert settings.source_services == ["https://disks.blob.core.windows.net"]
    elsewhere = Disk.parse("https://disks.blob.core.chinacloudapi.cn/vhds/a.vhd")
    assert settings.other_service(elsewhere) == "https://disks.blob.core.windows.net"
    assert settings.other_service(Disk.parse(f"{VHDS}/a.vhd")) == ""
    assert settings.other_service(Disk.parse("https://others.blob.core.chinacloudapi.cn/vhds/a.vhd")) == ""


@pytest.mark.parametrize(
    "text",
    [
        f"{VHDS}/a.vhd {VHDS}/b%20c.vhd",
        f"{VHDS}/a.vhd,{VHDS}/b%20c.vhd",
        f"\n  {VHDS}/a.vhd ,\r\n\t{VHDS}/b%20c.vhd,\n",
        json.dumps([f"{VHDS}/a.vhd", f"{VHDS}/b c.vhd"]),
        json.dumps([{"url": f"{VHDS}/a.vhd"}, {"url": f"{VHDS}/b c.vhd", "mode": "incremental"}]),
        f' \n[{{"url": "{VHDS}/a.vhd"}}, "{VHDS}/b%20c.vhd"]\n',
    ],
)
def test_disks_are_a_list_of_urls_or_a_json_array(load: Load, text: str) -> None:
    disks = load(SOURCE_DISKS=text).source_disks
    assert [disk.url for disk in disks] == [f"{VHDS}/a.vhd", f"{VHDS}/b%20c.vhd"]
    assert {disk.mode for disk in disks} == {"incremental"}


def test_both_address_styles_are_read(load: Load) -> None:
    local = "http://127.0.0.1:10000/devstoreaccount1"
    settings = load(SOURCE_DISKS=f"{local}/vhds/a.vhd", BACKUP_CONTAINER=f"{local}/backups")
    assert settings.source_services == [local]
    assert settings.container.account == "devstoreaccount1"


def test_connections_are_read_with_keys_that_are_not_shown(load: Load) -> None:
    settings = load(STORAGE_CONNECTIONS=json.dumps([CONNECTION, f"accountkey={KEY}; AccountName=other"]))
    assert [connection.account for connection in settings.storage_connections] == ["disks", "other"]
    assert settings.storage_connections[0].key.get_secret_value() == KEY
    assert "S3CRET" not in f"{settings} {settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize("nothing", ["", "  ", "[]"])
def test_without_connections_every_account_is_reached_by_identity(load: Load, nothing: str) -> None:
    assert load(STORAGE_CONNECTIONS=nothing).storage_connections == ()


def test_white_space_around_a_container_is_not_part_of_its_name(load: Load) -> None:
    assert load(BACKUP_CONTAINER=f" {BACKUPS} \n").container.container == "tidemark"


# --- verifies and drills by a timer


def test_no_timer_verifies_or_drills_unless_there_is_a_schedule_for_it(load: Load) -> None:
    settings = load()
    assert (settings.verify_schedule, settings.drill_schedule) == ("", "")


@pytest.mark.parametrize(
    ("verify", "drill"), [("0 0 3 * * *", ""), ("", "0 0 4 * * 6"), ("0 0 3 * * *", "0 0 4 * * 6")]
)
def test_each_schedule_is_on_or_off_by_itself(load: Load, verify: str, drill: str) -> None:
    settings = load(VERIFY_SCHEDULE=verify, DRILL_SCHEDULE=drill)
    assert (settings.verify_schedule, settings.drill_schedule) == (verify, drill)


@pytest.mark.parametrize("name", ["VERIFY_SCHEDULE", "DRILL_SCHEDULE"])
@pytest.mark.parametrize(
    "nothing",
    ["", "  "],
)
def test_an_empty_schedule_is_off(load: Load, name: str, nothing: str) -> None:
    settings = load({name: nothing})
    assert not getattr(settings, name.lower())


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.vhd", ["a.vhd", "vm/os.vhd", ".vhd", "a\nb.vhd"], ["a.vhdx", "axvhd", "a.VHD"]),
        ("vm*/os*.vhd", ["vm/os.vhd", "vm1/x/os2.vhd"], ["1vm/os.vhd", "vm-os.vhd"]),
        ("*", ["a", "a/b"], []),
        ("a[1](x)+*", ["a[1](x)+", "a[1](x)+b"], ["a1x", "a1xx", "a[1](xx"]),
        ("a%3F*", ["a?", "a?b"], ["ab", "a"]),
        ("disk%20*", ["disk 1"], ["disk%201"]),
    ],
)
def test_a_star_stands_for_any_characters_and_nothing_else_is_special(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    disk = SourceDisk(url=f"{VHDS}/{pattern}")
    assert disk.is_pattern
    assert [blob for blob in matching + others if disk.matches(blob)] == matching


def test_a_disk_without_a_star_is_not_a_pattern() -> None:
    disk = SourceDisk(url=DISK)
    assert not disk.is_pattern
    assert disk.matches("os.vhd")
    assert not disk.matches("os.vhd2")


def test_a_pattern_may_be_in_the_backup_container(load: Load) -> None:
    assert load(SOURCE_DISKS=f"{BACKUPS}/*").source_disks[0].is_pattern


# --- which disks are covered, and how they are backed up


def in_vhds(blob: str) -> BlobAddress:
    return ContainerAddress.parse(VHDS).blob(blob)


@pytest.mark.parametrize(
    ("disk", "covered"),
    [
        (f"{VHDS}/os.vhd", True),
        (f"{VHDS}/vm/a.vhd", True),
        (f"{VHDS}/vm/a.vhdx", False),
        (f"{VHDS}/os.vhd2", False),
        (f"{VHDS}2/os.vhd", False),
        ("https://disks2.blob.core.windows.net/vhds/os.vhd", False),
        ("https://disks.blob.core.chinacloudapi.cn/vhds/os.vhd", False),
        ("http://127.0.0.1:10000/disks/vhds/os.vhd", False),
    ],
)
def test_a_disk_is_covered_by_its_url_or_by_a_pattern_of_its_own_container(
    load: Load, disk: str, covered: bool
) -> None:
    settings = load(SOURCE_DISKS=f"{VHDS}/os.vhd {VHDS}/vm/*.vhd")
    assert settings.covers(PageBlobDisk(BlobAddress.parse(disk))) is covered


@pytest.mark.parametrize("mode", Mode)
def test_a_disk_may_be_given_a_mode(load: Load, mode: Mode) -> None:
    settings = load(SOURCE_DISKS=json.dumps([{"url": DISK, "mode": mode.value}]))
    assert settings.mode_of(PageBlobDisk(in_vhds("os.vhd"))) is mode


def test_a_disk_without_a_mode_and_one_that_is_not_covered_are_incremental(load: Load) -> None:
    settings = load(SOURCE_DISKS=json.dumps([DISK, {"url": f"{VHDS}/a.vhd", "mode": "full"}]))
    assert settings.mode_of(PageBlobDisk(in_vhds("os.vhd"))) is Mode.INCREMENTAL
    assert settings.mode_of(PageBlobDisk(in_vhds("b.vhd"))) is Mode.INCREMENTAL
    assert (
        settings.mode_of(PageBlobDisk(BlobAddress.parse("https://others.blob.core.windows.net/vhds/a.vhd")))
        is Mode.INCREMENTAL
    )


@pytest.mark.parametrize("pattern_first", [True, False])
def test_a_disks_own_mode_wins_over_that_of_a_pattern_wherever_it_stands(load: Load, pattern_first: bool) -> None:
    disks = [{"url": f"{VHDS}/*", "mode": "full"}, {"url": DISK, "mode": "incremental"}]
    settings = load(SOURCE_DISKS=json.dumps(disks if pattern_first else disks[::-1]))
    assert settings.mode_of(PageBlobDisk(in_vhds("os.vhd"))) is Mode.INCREMENTAL
    assert settings.mode_of(PageBlobDisk(in_vhds("data.vhd"))) is Mode.FULL


def test_of_patterns_the_first_that_matches_says_the_mode(load: Load) -> None:
    disks = [{"url": f"{VHDS}/vm/*", "mode": "full"}, f"{VHDS}/*", {"url": f"{VHDS}/*.vhd", "mode": "full"}]
    settings = load(SOURCE_DISKS=json.dumps(disks))
    assert settings.mode_of(PageBlobDisk(in_vhds("vm/os.vhd"))) is Mode.FULL
    assert settings.mode_of(PageBlobDisk(in_vhds("os.vhd"))) is Mode.INCREMENTAL


# --- which disks are left out

LEFT_OUT = f"{VHDS}/scratch.vhd"


@pytest.mark.parametrize(
    "text",
    [
        f"{VHDS}/*.vhd !{LEFT_OUT}",
        f"!{LEFT_OUT},{VHDS}/*.vhd",
        f"{VHDS}/*.vhd !{VHDS}/scratch*",
        json.dumps([f"{VHDS}/*.vhd", f"!{LEFT_OUT}"]),
        json.dumps([{"url": f"{VHDS}/*.vhd"}, {"url": LEFT_OUT, "exclude": True}]),
        json.dumps([{"url": LEFT_OUT, "exclude": True}, {"url": f"{VHDS}/*.vhd", "exclude": False}]),
    ],
)
def test_a_disk_can_be_left_out_of_a_pattern(load: Load, text: str) -> None:
    settings = load(SOURCE_DISKS=text)
    scratch, other = PageBlobDisk(in_vhds("scratch.vhd")), PageBlobDisk(in_vhds("os.vhd"))
    assert [disk.url for disk in settings.source_disks] == [f"{VHDS}/*.vhd"]
    assert (settings.covers(scratch), settings.excludes(scratch)) == (False, True)
    assert (settings.covers(other), settings.excludes(other)) == (True, False)
    assert not settings.source_disks[0].covers(scratch)


def test_a_restored_disk_is_backed_up_unless_it_is_left_out(load: Load) -> None:
    settings = load(SOURCE_DISKS=f"{VHDS}/*.vhd !{LEFT_OUT}")
    scratch, restored = PageBlobDisk(in_vhds("scratch.vhd")), PageBlobDisk(in_vhds("restored"))
    assert settings.backs_up(restored, adopted=True, retired=False)
    assert not settings.backs_up(restored, adopted=False, retired=False)
    assert not settings.backs_up(scratch, adopted=True, retired=False)


def test_a_restored_disk_that_no_entry_names_can_be_excluded_as_the_advice_says(load: Load) -> None:
    restored = PageBlobDisk(in_vhds("restored"))
    settings = load(SOURCE_DISKS=f"{VHDS}/vm/*.vhd {DISK} !{restored.address.url}")
    assert not settings.backs_up(restored, adopted=True, retired=False)
    assert [disk.url for disk in settings.source_disks] == [f"{VHDS}/vm/*.vhd", DISK]
    assert settings.covers(PageBlobDisk(in_vhds("os.vhd")))


def test_how_to_leave_a_disk_out_depends_on_what_names_it(load: Load) -> None:
    settings = load(SOURCE_DISKS=f"{VHDS}/vm/*.vhd {DISK}")
    assert settings.how_to_exclude(PageBlobDisk(in_vhds("os.vhd"))) == "remove it from SOURCE_DISKS"
    told = "exclude it: add its URL to SOURCE_DISKS with ! before it"
    assert settings.how_to_exclude(PageBlobDisk(in_vhds("vm/a.vhd"))) == told
    assert settings.how_to_exclude(PageBlobDisk(in_vhds("restored"))) == told


# --- host storage


def test_the_host_storage_by_connection_string(load: Load) -> None:
    storage = load().host_storage
    assert storage.connection_string is not None
    assert storage.connection_string.get_secret_value() == HOST_CONNECTION
    assert (storage.queue_service_url, storage.table_service_url) == (None, None)


def test_the_host_storage_by_identity_and_account_name(load: Load) -> None:
    storage = load(
        AzureWebJobsStorage=None, AzureWebJobsStorage__accountName="host", AzureWebJobsStorage__clientId="c0ffee"
    ).host_storage
    assert storage.connection_string is None
    assert storage.queue_service_url == "https://host.queue.core.windows.net"
    assert storage.table_service_url == "https://host.table.core.windows.net"
    assert storage.client_id == "c0ffee"


@pytest.mark.parametrize("account", [None, "host"])
def test_the_host_storage_by_identity_and_service_urls(load: Load, account: str | None) -> None:
    storage = load(
        AzureWebJobsStorage=None,
        AzureWebJobsStorage__accountName=account,
        AzureWebJobsStorage__queueServiceUri="https://host.queue.core.chinacloudapi.cn",
        AzureWebJobsStorage__tableServiceUri="https://host.table.core.chinacloudapi.cn",
    ).host_storage
    assert storage.queue_service_url == "https://host.queue.core.chinacloudapi.cn"
    assert storage.table_service_url == "https://host.table.core.chinacloudapi.cn"


@pytest.mark.parametrize(
    "forms",
    [
        {},
        {"AzureWebJobsStorage": ""},
        {"AzureWebJobsStorage__queueServiceUri": "https://host.queue.core.windows.net"},
        {"AzureWebJobsStorage__tableServiceUri": "https://host.table.core.windows.net"},
        {"AzureWebJobsStorage__accountName": ""},
        {"AzureWebJobsStorage__clientId": "c0ffee"},
    ],
)
def test_a_missing_host_storage_is_a_mistake(mistakes: Mistakes, forms: dict[str, str]) -> None:
    (line,) = mistakes({"AzureWebJobsStorage": None, **forms})
    assert line.startswith("- AzureWebJobsStorage: ")
    assert "AzureWebJobsStorage__accountName" in line
