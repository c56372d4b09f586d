"""The deployment package: what is in it, and that the worker library runs the app from it alone."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.local_azure import ROOT
from infra.release.package import files_of_func
from tests.package.packing import files_by_git, files_of_azd
from tests.package.site import RefusedError, Site

# In one process: the package is installed once.
pytestmark = pytest.mark.xdist_group("package")

MIB = 2**20
BY_IDENTITY = {
    "AzureWebJobsStorage__accountName": "apps",
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "11111111-2222-3333-4444-555555555555",
    "BACKUP_SCHEDULE": "0 0 */12 * * *",
    "SOURCE_DISKS": "https://disks.blob.core.windows.net/vhds/*.vhd",
    "BACKUP_CONTAINER": "https://backups.blob.core.windows.net/disks",
}
QUEUES = {
    "plan_changes": "plan-changes",
    "copy_ranges": "copy-ranges",
    "finish_backup": "finish-backup",
    "report_tick": "report-tick",
    "restore_disk": "restore-requests",
    "continue_restore": "continue-restore",
    "rebuild_catalogue": "rebuild-catalogue",
    "verify_point": "verify",
    "drill_restore": "drill",
    "manage": "manage",
    "retain_points": "retention",
    "continue_inspection": "continue-inspection",
    "compare_part": "compare-parts",
}
POISON_QUEUES = {f"watch_poison_{queue.replace('-', '_')}": f"{queue}-poison" for queue in QUEUES.values()}
SCHEDULES = {"take_snapshots": "%BACKUP_SCHEDULE%"}
SCHEDULES_WHERE_ON = {"verify_disks": "%VERIFY_SCHEDULE%", "drill_disks": "%DRILL_SCHEDULE%"}


def on_queues(queues: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    binding = {"direction": "IN", "type": "queueTrigger", "name": "message", "connection": "AzureWebJobsStorage"}
    return {function: [{**binding, "queueName": queue}] for function, queue in queues.items()}


def on_timers(schedules: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    binding = {"direction": "IN", "type": "timerTrigger", "name": "timer", "useMonitor": True}
    return {function: [{**binding, "schedule": schedule}] for function, schedule in schedules.items()}


@pytest.mark.parametrize("packed_by", [files_of_func, files_of_azd])
def test_the_app_goes_into_the_package_and_nothing_else_of_a_checkout(
    checkout: Path, packed_by: Callable[[Path], set[str]]
) -> None:
    files = files_by_git(checkout / ".git", ROOT, "--exclude-standard")
    code = {name for name in files if name.startswith(("functions/", "shared/"))}
    assert packed_by(checkout) == {
        *("LICENSE", "function_app.py", "host.json", "requirements.lock", "requirements.txt"),
        *code,
    }


def test_the_package_weighs_less_than_two_mib(package: Path) -> None:
    assert package.stat().st_size < 2 * MIB


def test_queue_messages_are_plain_text_to_the_deployed_app(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        host = json.loads(archive.read("host.json"))
    assert host["extensions"]["queues"]["messageEncoding"] == "none"


def test_the_worker_finds_each_function_and_its_trigger_in_the_package_alone(site: Site) -> None:
    expected = on_queues(QUEUES | POISON_QUEUES) | on_timers(SCHEDULES)
    assert site.index(BY_IDENTITY) == expected


def test_functions_that_are_off_by_default_are_found_where_a_schedule_is_set(site: Site) -> None:
    found = site.index({**BY_IDENTITY, "VERIFY_SCHEDULE": "0 0 3 * * 0", "DRILL_SCHEDULE": "0 0 4 1 * *"})
    on = on_timers(SCHEDULES_WHERE_ON)
    assert {function: found[function] for function in on} == on


def test_a_mistake_in_the_settings_is_named_when_the_deployed_app_starts(site: Site) -> None:
    with pytest.raises(RefusedError) as error:
        site.index({**BY_IDENTITY, "SOURCE_DISKS": "disk.vhd"})
    assert "SettingsError: the app settings are invalid:\n- SOURCE_DISKS [0.url]: " in str(error.value)
