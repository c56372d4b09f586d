"""App settings in the environment, for the tests that read them."""

import os
from collections.abc import Callable

import pytest

from shared.settings import Settings, SettingsError, load_settings

KEY = "S3CRETKEY=="
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=disks;AccountKey={KEY};EndpointSuffix=core.windows.net"
VHDS = "https://disks.blob.core.windows.net/vhds"
DISK = f"{VHDS}/os.vhd"
BACKUPS = "https://backups.blob.core.windows.net/tidemark"
HOST_CONNECTION = CONNECTION.replace("disks", "host")
SOUND: dict[str, str | None] = {
    "BACKUP_SCHEDULE": "0 0 */12 * * *",
    "SOURCE_DISKS": DISK,
    "BACKUP_CONTAINER": BACKUPS,
    "AzureWebJobsStorage": HOST_CONNECTION,
}
_OPTIONAL = {
    "STORAGE_CONNECTIONS",
    "RESTORE_CONTAINERS",
    "RESTORE_GROUPS",
    "STORAGE_API_VERSION",
    "RUN_STALLED_AFTER_SECONDS",
    "VERIFY_SCHEDULE",
    "DRILL_SCHEDULE",
    "RETENTION",
    "RETENTION_MODE",
    "RETENTION_ZONE",
    "STATUS_PAGE",
    "STATUS_PAGE_GROUP",
    "WEBSITE_AUTH_ENABLED",
}
_NAMES = {name.upper() for name in SOUND} | _OPTIONAL

type Load = Callable[..., Settings]
type Mistakes = Callable[..., list[str]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Read valid settings with these changes; None removes a setting."""

    def loaded(changes: dict[str, str | None] | None = None, /, **more: str | None) -> Settings:
        for name in list(os.environ):
            if name.upper().partition("__")[0] in _NAMES:
                monkeypatch.delenv(name)
        for name, value in (SOUND | (changes or {}) | more).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return load_settings()

    return loaded


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """Give the lines that refuse settings with these changes; none of them repeats a secret."""

    def found(changes: dict[str, str | None] | None = None, /, **more: str | None) -> list[str]:
        with pytest.raises(SettingsError) as refusal:
            load(changes, **more)
        assert "S3CRET" not in str(refusal.value)
        return str(refusal.value).splitlines()[1:]

    return found
