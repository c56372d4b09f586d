"""What the app is made of, and what it says to settings that can't be used."""

import json

import pytest

from infra.local.local_azure import ROOT
from shared.storage.queues import QUEUES
from tests.app.cloud import Cloud

FUNCTIONS = {
    "take_snapshots": "timerTrigger",
    "plan_changes": "queueTrigger",
    "copy_ranges": "queueTrigger",
    "finish_backup": "queueTrigger",
    "report_tick": "queueTrigger",
    "restore_disk": "queueTrigger",
    "continue_restore": "queueTrigger",
    "rebuild_catalogue": "queueTrigger",
    "verify_point": "queueTrigger",
    "drill_restore": "queueTrigger",
    "continue_inspection": "queueTrigger",
    "compare_part": "queueTrigger",
} | {f"watch_poison_{queue.replace('-', '_')}": "queueTrigger" for queue in QUEUES}


async def test_the_worker_finds_all_functions_and_no_others(cloud: Cloud) -> None:
    disk = await cloud.disk()
    async with cloud.app(disk) as app:
        assert await app.host.functions() == FUNCTIONS


async def test_settings_that_can_not_be_used_stop_the_app_at_its_start_and_are_all_named(cloud: Cloud) -> None:
    with pytest.raises(RuntimeError) as error:
        async with cloud.app(
            "https://disks.blob.core.windows.net/vhds/a.vhd?sig=c2VjcmV0",
            BACKUP_CONTAINER="backups",
            STORAGE_CONNECTIONS="AccountName=x;AccountKey=c2VjcmV0",
        ):
            pass
    said = str(error.value)
    assert "BACKUP_CONTAINER: a value that is no URL should start with https://" in said
    assert "STORAGE_CONNECTIONS: should be a JSON array" in said
    assert "should have nothing after the blob's name: no SAS" in said
    assert "c2VjcmV0" not in said


def test_host_json_has_plain_messages_and_the_template_backs_up_every_12_hours() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    example = json.loads((ROOT / "local.settings.example.json").read_text())
    assert host["extensions"]["queues"]["messageEncoding"] == "none"
    assert example["Values"]["BACKUP_SCHEDULE"] == "0 0 */12 * * *"
