"""An app that can't start says so where the alert looks."""

import json
import re
from pathlib import Path

import pytest

from infra.local.host.forked import fork
from infra.local.host.process import run_host
from infra.local.local_azure import ROOT
from shared.events import Event
from tests.infra.queries import texts

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "BACKUP_SCHEDULE": "0 0 */12 * * *",
    "SOURCE_DISKS": "https://disks.blob.core.windows.net/vhds/*.vhd",
    "BACKUP_CONTAINER": "https://backups.blob.core.windows.net/backups",
}


async def said_by(app: Path, settings: dict[str, str], folder: Path) -> list[str]:
    """Start an app that can't, and give the lines of the log."""
    log = folder / "host.log"
    with pytest.raises(RuntimeError):
        async with run_host(app, settings, log=log, start=fork):
            pass
    return log.read_text().splitlines()


def signs() -> list[str]:
    """Give the host's words that the alert's query looks for."""
    (listed,) = re.findall(r"let signs = dynamic\((\[.*?\])\)", texts()["not-started"], re.DOTALL)
    found: list[str] = json.loads(listed)
    return found


async def test_an_unusable_setting_is_in_the_log_as_the_alert_looks_for_it_and_without_its_value(
    tmp_path: Path,
) -> None:
    key = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="
    wrong = {
        "BACKUP_CONTAINER": "backups",
        "RUN_STALLED_AFTER_SECONDS": "soon",
        "STORAGE_CONNECTIONS": f"AccountKey={key}",
    }
    lines = await said_by(ROOT, SETTINGS | wrong, tmp_path)
    (start,) = re.findall(r"Message startswith '(.+?)'", texts()["not-started"])
    (line,) = [line for line in lines if line.startswith(start)]
    said = json.loads(line)
    assert said["event"] == Event.START_FAILED
    assert all(f"- {setting}: " in said["reason"] for setting in wrong)
    # The Functions host logs a line of stderr as an error where it finds one of these in it.
    assert re.search("error|fail", line)
    assert key not in "".join(lines)


async def test_an_app_that_cannot_be_loaded_is_told_by_words_of_the_host_that_the_alert_looks_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "function_app.py").write_text("import missing_package")
    (tmp_path / "host.json").write_text((ROOT / "host.json").read_text())
    lines = await said_by(tmp_path, SETTINGS, tmp_path)
    assert [line for line in lines for sign in signs() if sign in line]
    assert "No module named 'missing_package'" in "".join(lines)
