"""A folder in which programs leave their temporary files, and a resource group in which managed disks are proved."""

from pathlib import Path

import pytest

from infra.local.local_azure import BACKUPS, DISKS, LocalAzure
from infra.local.managed_disks import ManagedDisks
from tests.conformance.real.accounts import Account
from tests.conformance.real.ground import Accounts
from tests.conformance.real.managed.place import DiskPlace
from tests.local.disk_probes import GROUP_ID, Prober


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def place(managed: ManagedDisks, monkeypatch: pytest.MonkeyPatch) -> DiskPlace:
    """Where managed disks may be made."""
    for name, value in managed.settings.items():
        monkeypatch.setenv(name, value)
    # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of the command.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", managed.trusted())
    return DiskPlace.parse(GROUP_ID, "westeurope", url=managed.url)


@pytest.fixture
def prober(azure: LocalAzure, place: DiskPlace) -> Prober:
    """Runs the probes of managed disks."""
    disks, backups = (Account.by_connection_string(azure.connection_string(each)) for each in (DISKS, BACKUPS))
    return Prober(Accounts(disks, backups), place)
