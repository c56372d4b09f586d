"""Mistakes in the app settings: each is named with its setting, all at once, and no secret is ever repeated."""

import json

import pytest

from tests.logic.conftest import BACKUPS, CONNECTION, DISK, KEY, VHDS, Load, Mistakes


@pytest.mark.parametrize("name", ["BACKUP_SCHEDULE", "SOURCE_DISKS", "BACKUP_CONTAINER"])
def test_a_missing_setting_is_named(mistakes: Mistakes, name: str) -> None:
    assert mistakes({name: None}) == [f"- {name}: is missing"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BACKUP_SCHEDULE", "", "must not be empty"),
        ("BACKUP_SCHEDULE", "  ", "six fields"),
        ("BACKUP_SCHEDULE", "*/12 * *", "six fields"),
        ("BACKUP_SCHEDULE", "0 0 */12 * * * *", "six fields"),
        ("VERIFY_SCHEDULE", "weekly", "six fields"),
        ("VERIFY_SCHEDULE", "7.00:00:00", "six fields"),
        ("VERIFY_SCHEDULE", "0 0 3 * * * *", "six fields"),
        ("DRILL_SCHEDULE", "off", "six fields"),
        ("DRILL_SCHEDULE", "0 0 4 *", "six fields"),
        ("SOURCE_DISKS", "", "at least one disk"),
        ("SOURCE_DISKS", " ,\n", "at least one disk"),
        ("SOURCE_DISKS", "[]", "at least one disk"),
        ("SOURCE_DISKS", f'["{DISK}"', "is not valid JSON"),
        ("SOURCE_DISKS", f"['{DISK}']", "is not valid JSON"),
        ("BACKUP_CONTAINER", "", "https://"),
        ("BACKUP_CONTAINER", "tidemark", "https://"),
        ("BACKUP_CONTAINER", DISK, "URL of a container"),
        ("BACKUP_CONTAINER", f"{VHDS}?sv=1&sig=S3CRET", "no SAS"),
        ("BACKUP_CONTAINER", "https://me:S3CRET@backups.blob.core.windows.net/tidemark", "password"),
        ("BACKUP_CONTAINER", CONNECTION, "https://"),
        ("STORAGE_CONNECTIONS", CONNECTION, "is not valid JSON"),
        ("STORAGE_CONNECTIONS", json.dumps(CONNECTION), "JSON array"),
        ("STORAGE_CONNECTIONS", json.dumps({"disks": KEY}), "JSON array"),
        ("STORAGE_CONNECTIONS", json.dumps([{"AccountName": "disks", "AccountKey": KEY}]), "connection strings"),
        ("STORAGE_CONNECTIONS", json.dumps([CONNECTION, "AccountName=disks"]), "AccountKey"),
        ("STORAGE_CONNECTIONS", json.dumps(["AccountName=disks;AccountKey="]), "AccountKey"),
        ("STORAGE_CONNECTIONS", json.dumps([f"AccountKey={KEY}"]), "AccountName"),
        ("STORAGE_CONNECTIONS", json.dumps(["AccountName=a;SharedAccessSignature=sig=S3CRET"]), "AccountKey"),
        ("STORAGE_API_VERSION", "latest", "that the installed SDK supports, such as 2025-11-05"),
        ("STORAGE_API_VERSION", "2025-11-06", "that the installed SDK supports, such as 2025-11-05"),
        ("STORAGE_API_VERSION", "2018-11-09", "that the installed SDK supports, such as 2025-11-05"),
        ("STORAGE_CONNECTIONS", json.dumps([CONNECTION.replace("disks", "Disks")]), "in lower case"),
        ("BACKUP_CONTAINER", BACKUPS.replace("tidemark", "My_Backups"), "has an invalid container name"),
        ("BACKUP_CONTAINER", BACKUPS.replace("tidemark", "$logs"), "has an invalid container name"),
        ("BACKUP_CONTAINER", BACKUPS.replace("tidemark", "$web"), "a dedicated container"),
        ("BACKUP_CONTAINER", BACKUPS.replace("blob", "dfs"), "names no storage account"),
        ("AzureWebJobsStorage", CONNECTION.replace("disks", "Host"), "in lower case"),
        ("AzureWebJobsStorage__accountName", "Host", "in lower case"),
        ("AzureWebJobsStorage", "DefaultEndpointsProtocol", "connection string with AccountName"),
        ("AzureWebJobsStorage", "AccountName=host;Key=S3CRET", "connection string with AccountName"),
        ("RUN_STALLED_AFTER_SECONDS", "0", "greater than or equal to 1"),
        ("COALESCE_GAP_KIB", "-1", "greater than or equal to 0"),
        ("COALESCE_GAP_KIB", "121", "less than or equal to 120"),
        ("RUN_STALLED_AFTER_SECONDS", "half an hour", "must be a whole number"),
    ],
)
def test_a_mistake_is_named_with_its_setting(mistakes: Mistakes, name: str, value: str, said: str) -> None:
    (line,) = mistakes({name: value})
    assert line.startswith(f"- {name}: ")
    assert said in line


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        (VHDS, "URL of a blob"),
        (f"{VHDS}/a.vhd?sv=1&sig=S3CRET", "no SAS"),
        (f"{VHDS}/a.vhd?sv=1&spr=https,http&sig=S3CRET%3D", "no SAS"),
        (f"{VHDS}/a.vhd?snapshot=2026-11-22T12:34:56.1234567Z", "no snapshot"),
        ("https://disks:S3CRET@disks.blob.core.windows.net/vhds/a.vhd", "password"),
        (CONNECTION, "https://"),
        ("https://disks.blob.core.windows.net/*/a.vhd", "only in the blob's name"),
        ("https://*.blob.core.windows.net/vhds/a.vhd", "only in the blob's name"),
        ("https://disks.blob.core.windows.net/%2A/a.vhd", "only in the blob's name"),
        (f"{VHDS}/a.vhd;{VHDS}/b.vhd", "must be a single URL"),
        (f"{VHDS}/./a.vhd", "which Azure drops or resolves to another path"),
        (f"{VHDS}/vm/../*.vhd", "which Azure drops or resolves to another path"),
        (f"{VHDS}/*.", "which Azure drops or resolves to another path"),
        (f"{VHDS}/a%FF.vhd", "as UTF-8"),
        ("https://disks.blob.core.windows.net/My_VHDs/a.vhd", "has an invalid container name"),
        ("https://disks.file.core.windows.net/vhds/a.vhd", "names no storage account"),
        ("https://vhds.example.com/disks/vhds/a.vhd", "names no storage account"),
    ],
)
def test_a_mistake_in_a_list_of_disks_is_named_with_its_place(mistakes: Mistakes, disk: str, said: str) -> None:
    line = mistakes(SOURCE_DISKS=f"{DISK} {disk}")[0]
    assert line.startswith("- SOURCE_DISKS [1.url]: ")
    assert said in line


@pytest.mark.parametrize(
    ("disk", "place"),
    [
        ({"url": DISK, "mode": "differential"}, "[1.mode]"),
        ({"url": DISK, "mode": ""}, "[1.mode]"),
        ({"url": DISK, "sas": "sig=S3CRET"}, "[1]"),
        ({"mode": "incremental"}, "[1.url]"),
        ({"url": 7}, "[1.url]"),
        ({"url": f"{DISK}?sig=S3CRET"}, "[1.url]"),
        ({"url": f"{VHDS}/*", "exclude": "yes"}, "[1.exclude]"),
        ({"url": f"{VHDS}/*", "exclusions": []}, "[1.exclusions]"),
        ({"url": DISK, "exclude": True, "mode": "full"}, "[1]"),
        (7, "[1]"),
        (None, "[1]"),
        ([DISK], "[1]"),
    ],
)
def test_a_mistake_in_the_json_of_disks_is_named_with_its_place(mistakes: Mistakes, disk: object, place: str) -> None:
    (line,) = mistakes(SOURCE_DISKS=json.dumps([DISK, disk]))
    assert line.startswith(f"- SOURCE_DISKS {place}: ")


@pytest.mark.parametrize(
    ("disks", "said"),
    [
        (f"!{DISK}", "must name at least one disk to back up, not only exclusions"),
        (f"{VHDS}/*.vhd {DISK} !{DISK}", f"{DISK} is both named and excluded, by !{DISK}"),
        (f"{DISK} !{VHDS}/o*", f"{DISK} is both named and excluded, by !{VHDS}/o*"),
        (f"{VHDS}/*.vhd !{VHDS}2/*.vhd", f"!{VHDS}2/*.vhd excludes nothing: no other entry is in that container"),
    ],
)
def test_what_is_left_out_must_be_part_of_what_is_named(mistakes: Mistakes, disks: str, said: str) -> None:
    (line,) = mistakes(SOURCE_DISKS=disks)
    assert line == f"- SOURCE_DISKS: {said}"


def test_a_mistake_in_what_is_left_out_is_named_with_its_place(mistakes: Mistakes) -> None:
    (line,) = mistakes(SOURCE_DISKS=f"{VHDS}/*.vhd !nonsense")
    assert line.startswith("- SOURCE_DISKS [1.url]: ")


def test_a_misspelled_field_of_a_disk_is_named_with_a_suggestion(mistakes: Mistakes) -> None:
    assert mistakes(SOURCE_DISKS=json.dumps([{"url": DISK, "Mode": "full"}])) == [
        '- SOURCE_DISKS [0]: unknown field "Mode"; did you mean "mode"?'
    ]


def test_a_disk_in_the_backup_container_is_a_mistake(mistakes: Mistakes) -> None:
    (line,) = mistakes(SOURCE_DISKS=f"{DISK} {BACKUPS}/a.vhd")
    assert line.startswith("- SOURCE_DISKS: ")
    assert "/tidemark/a.vhd is in a container of backups, and a backup can't be backed up" in line


def test_a_disk_in_the_backup_container_before_a_move_is_a_mistake(mistakes: Mistakes) -> None:
    old = BACKUPS.replace("tidemark", "before")
    (line,) = mistakes(BACKUP_CONTAINER_MOVED_FROM=old, SOURCE_DISKS=f"{DISK} {old}/a.vhd")
    assert "/before/a.vhd is in a container of backups" in line


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(BACKUPS, id="the same URL"),
        pytest.param("http://BACKUPS.privatelink.blob.core.windows.net/tidemark", id="another URL of it"),
    ],
)
def test_a_container_that_moved_from_itself_is_a_mistake(mistakes: Mistakes, old: str) -> None:
    (line,) = mistakes(BACKUP_CONTAINER_MOVED_FROM=old)
    assert line.startswith("- BACKUP_CONTAINER_MOVED_FROM: must be another container than BACKUP_CONTAINER")


def test_what_the_container_moved_from_must_be_a_container(mistakes: Mistakes) -> None:
    (line,) = mistakes(BACKUP_CONTAINER_MOVED_FROM=DISK)
    assert line.startswith("- BACKUP_CONTAINER_MOVED_FROM: ")
    assert "URL of a container" in line


@pytest.mark.parametrize(
    "other",
    ["https://disks.blob.core.chinacloudapi.cn/vhds/b.vhd", "https://disks.blob.core.windows.net:8443/vhds/b.vhd"],
)
def test_one_account_on_two_services_is_a_mistake(mistakes: Mistakes, other: str) -> None:
    (line,) = mistakes(SOURCE_DISKS=f"{DISK} {other}")
    assert line.startswith("- SOURCE_DISKS: ")
    assert "another URL has the account disks at https://disks.blob.core.windows.net." in line


def test_the_account_of_the_backups_on_another_service_is_a_mistake(mistakes: Mistakes) -> None:
    (line,) = mistakes(SOURCE_DISKS="https://backups.blob.core.chinacloudapi.cn/vhds/b.vhd")
    assert "another URL has the account backups at https://backups.blob.core.windows.net." in line


@pytest.mark.parametrize("name", ["AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri"])
def test_a_host_storage_service_that_is_not_a_url_is_a_mistake(mistakes: Mistakes, name: str) -> None:
    (line,) = mistakes({name: "host.queue.core.windows.net"})
    assert line.startswith(f"- {name}: must be the URL of the service")


def test_several_mistakes_give_a_line_each(mistakes: Mistakes) -> None:
    lines = mistakes(
        BACKUP_SCHEDULE="often",
        DRILL_SCHEDULE="seldom",
        SOURCE_DISKS=f"{VHDS} {DISK} nonsense",
        BACKUP_CONTAINER=None,
        STORAGE_CONNECTIONS=CONNECTION,
    )
    assert sorted(line.split(":")[0] for line in lines) == [
        "- BACKUP_CONTAINER",
        "- BACKUP_SCHEDULE",
        "- DRILL_SCHEDULE",
        "- SOURCE_DISKS [0.url]",
        "- SOURCE_DISKS [2.url]",
        "- STORAGE_CONNECTIONS",
    ]


def test_a_missing_host_storage_is_named_beside_a_mistake_in_another_setting(mistakes: Mistakes) -> None:
    lines = mistakes(BACKUP_SCHEDULE=None, AzureWebJobsStorage=None)
    assert {line.split(":")[0] for line in lines} == {"- BACKUP_SCHEDULE", "- AzureWebJobsStorage"}


def test_a_missing_host_storage_is_named_beside_a_disk_in_the_backup_container(mistakes: Mistakes) -> None:
    lines = mistakes(SOURCE_DISKS=f"{BACKUPS}/a.vhd", AzureWebJobsStorage=None)
    assert {line.split(":")[0] for line in lines} == {"- SOURCE_DISKS", "- AzureWebJobsStorage"}


@pytest.mark.parametrize(
    "url",
    [
        "alive.example/4f5e",
        "ftp://alive.example/4f5e",
        "https://",
        "http://[::1/4f5e",
        "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/4f5e)",
    ],
)
def test_an_invalid_heartbeat_url_stops_nothing_and_is_reported_without_being_shown(load: Load, url: str) -> None:
    said = load(HEARTBEAT_URL=url).heartbeat_problem
    assert "HEARTBEAT_URL is not a URL" in said
    assert "4f5e" not in said


@pytest.mark.parametrize("url", ["", " ", "https://alive.example/4f5e", "http://[::1]:8000/4f5e"])
def test_a_heartbeat_that_is_a_url_or_not_set_is_no_mistake(load: Load, url: str) -> None:
    assert load(HEARTBEAT_URL=url).heartbeat_problem == ""


@pytest.mark.parametrize(
    "containers", ["https://lab.blob.core.windows.net", "https://lab.blob.core.windows.net/a/b.vhd", "lab"]
)
def test_what_restores_may_write_to_are_containers(mistakes: Mistakes, containers: str) -> None:
    (line,) = mistakes(RESTORE_CONTAINERS=containers)
    assert line.startswith("- RESTORE_CONTAINERS")
