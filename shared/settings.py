"""The app settings, validated at start: each mistake is reported with its setting and the value expected."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticKnownError
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.errors import Remedy, TidemarkError
from shared.limits import NEWEST_SIGNED, OLDEST_SIGNED, RESOURCE_MANAGER_URL, STORAGE_API_VERSION, can_sign
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.model.blob_names import SPECIAL_CONTAINERS
from shared.model.disk import Disk, PageBlobDisk
from shared.model.disk_ids import DiskId, GroupId
from shared.model.owner import App
from shared.model.retention_rules import Rules
from shared.model.run import Mode
from shared.model.validation_errors import plain, unknown_field
from shared.page_settings import PageSettings
from shared.retention_settings import RetentionSettings
from shared.source_disks import EXCLUDES, SourceDisk, without_exclusions
from shared.storage_access import (
    HostStorage,
    StorageConnection,
    require_connection_string,
    require_lower_case,
    supported_version,
)

_DISK_FIELDS = [field.alias or name for name, field in SourceDisk.model_fields.items() if not field.exclude]


def _urls(places: tuple[ContainerAddress | GroupId, ...]) -> str:
    return " ".join(place.url for place in places)


def _places[Place: (ContainerAddress, GroupId)](value: object, parse: Callable[[str], Place]) -> tuple[Place, ...]:
    """Read places that are separated by spaces or commas."""
    if value == ():
        return ()
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return tuple(parse(text) for text in value.replace(",", " ").split())


class SettingsError(TidemarkError):
    """Invalid app settings; the message has a line for each mistake."""

    remedy = Remedy.WAIT_FOR_OWNER


class Settings(PageSettings, RetentionSettings):
    """The app settings, read by their public names, case-insensitively."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, frozen=True, hide_input_in_errors=True)

    backup_schedule: str = Field(min_length=1)
    backup_container: Annotated[ContainerAddress, NoDecode, PlainSerializer(str)]
    backup_container_moved_from: Annotated[ContainerAddress | None, NoDecode, PlainSerializer(str)] = None
    source_disks: Annotated[tuple[SourceDisk, ...], NoDecode]
    restore_containers: Annotated[tuple[ContainerAddress, ...], NoDecode, PlainSerializer(_urls)] = ()
    restore_groups: Annotated[tuple[GroupId, ...], NoDecode, PlainSerializer(_urls)] = ()
    storage_connections: Annotated[tuple[StorageConnection, ...], NoDecode] = ()
    storage_api_version: str = STORAGE_API_VERSION
    resource_manager_url: str = RESOURCE_MANAGER_URL
    verify_schedule: str = ""
    drill_schedule: str = ""
    heartbeat_url: SecretStr | None = None
    run_stalled_after_seconds: int = Field(default=1800, ge=1)
    coalesce_gap_kib: int = Field(default=8, ge=0, le=120)
    site_name: str = Field(default="", validation_alias="WEBSITE_SITE_NAME")
    host_account_name: str | None = Field(default=None, validation_alias="AzureWebJobsStorage__accountName")
    host_queue_url: str | None = Field(default=None, validation_alias="AzureWebJobsStorage__queueServiceUri")
    host_table_url: str | None = Field(default=None, validation_alias="AzureWebJobsStorage__tableServiceUri")
    host_client_id: str | None = Field(default=None, validation_alias="AzureWebJobsStorage__clientId")
    host_connection_string: SecretStr | None = Field(
        default=None, validation_alias="AzureWebJobsStorage", validate_default=True
    )

    @field_validator("backup_schedule", "verify_schedule", "drill_schedule")
    @classmethod
    def _require_ncrontab(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip()
        is_disabled = not value and info.field_name != "backup_schedule"
        if not is_disabled and len(value.split()) not in {5, 6}:
            raise ValueError("must be an NCRONTAB expression with six fields, such as 0 0 */12 * * *")
        return value

    @field_validator("storage_api_version")
    @classmethod
    def _require_supported_version(cls, value: str) -> str:
        version = supported_version(value)
        if not can_sign(version):
            raise ValueError(
                f"must be a version from {OLDEST_SIGNED} to {NEWEST_SIGNED}, such as {STORAGE_API_VERSION}"
            )
        return version

    @field_validator("resource_manager_url")
    @classmethod
    def _require_https(cls, value: str) -> str:
        url = value.strip().rstrip("/") or RESOURCE_MANAGER_URL
        if not (_is_url(url) and url.startswith("https://")):
            raise ValueError(f"must be the URL of the cloud's Azure Resource Manager, such as {RESOURCE_MANAGER_URL}")
        return url

    @field_validator("heartbeat_url", mode="before")
    @classmethod
    def _empty_to_none(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("source_disks", mode="before")
    @classmethod
    def _parse_disks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        disks = _json_array(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
        if not disks:
            raise ValueError("must name at least one disk: URLs separated by spaces or commas, or a JSON array")
        return [_entry(disk) if isinstance(disk, str) else disk for disk in disks]

    @field_validator("backup_container", mode="plain")
    @classmethod
    def _parse_container(cls, value: object) -> ContainerAddress:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        container = ContainerAddress.parse(value.strip())
        if container.container in SPECIAL_CONTAINERS:
            raise ValueError(f"can't be {container.container}; use a dedicated container for the backups")
        return container

    @field_validator("restore_containers", mode="plain")
    @classmethod
    def _parse_containers(cls, value: object) -> tuple[ContainerAddress, ...]:
        return _places(value, ContainerAddress.parse)

    @field_validator("restore_groups", mode="plain")
    @classmethod
    def _parse_groups(cls, value: object) -> tuple[GroupId, ...]:
        return _places(value, GroupId.parse)

    @field_validator("backup_container_moved_from", mode="plain")
    @classmethod
    def _parse_old_container(cls, value: object, info: ValidationInfo) -> ContainerAddress | None:
        if value is None or value == "":
            return None
        old, new = cls._parse_container(value), info.data.get("backup_container")
        if isinstance(new, ContainerAddress) and old.is_same_as(new):
            raise ValueError("must be another container than BACKUP_CONTAINER: the one that the backups were in before")
        return old

    @field_validator("storage_connections", mode="before")
    @classmethod
    def _parse_connections(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        texts = _json_array(value) if value.strip() else []
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("must be a JSON array of connection strings")
        return [StorageConnection.parse(text) for text in texts]

    @field_validator("source_disks")
    @classmethod
    def _check_disks(cls, disks: tuple[SourceDisk, ...], info: ValidationInfo) -> tuple[SourceDisk, ...]:
        container: ContainerAddress | None = info.data.get("backup_container")
        services = {container.account: container.service_url} if container else {}
        for disk in disks:
            address = disk.address
            if not isinstance(address, BlobAddress):
                continue
            is_backup = address.parent in (container, info.data.get("backup_container_moved_from"))
            if is_backup and not (disk.is_pattern or disk.excluded):
                raise ValueError(f"{disk.url} is in a container of backups, and a backup can't be backed up")
            service = services.setdefault(address.account, address.service_url)
            if service != address.service_url:
                raise ValueError(
                    f"{disk.url}: another URL has the account {address.account} at {service}. Two accounts with the"
                    " same name would share records and backup blobs; back up one of them with a separate app"
                )
        return without_exclusions(disks)

    @field_validator("host_account_name")
    @classmethod
    def _require_account_name(cls, value: str | None) -> str | None:
        require_lower_case(value or "")
        return value

    @field_validator("host_queue_url", "host_table_url")
    @classmethod
    def _require_service_url(cls, value: str | None) -> str | None:
        if value and not _is_url(value):
            raise ValueError("must be the URL of the service, such as https://ACCOUNT.queue.core.windows.net")
        return value

    @field_validator("host_connection_string")
    @classmethod
    def _require_host_storage(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        by_identity = info.data.get("host_account_name") or (
            info.data.get("host_queue_url") and info.data.get("host_table_url")
        )
        if not (value and value.get_secret_value()) and not by_identity:
            raise ValueError(
                "must be the connection string of the host storage; to use the app's identity instead, set"
                " AzureWebJobsStorage__accountName, or both AzureWebJobsStorage__queueServiceUri and"
                " AzureWebJobsStorage__tableServiceUri"
            )
        if value and value.get_secret_value():
            require_connection_string(value.get_secret_value())
        return value

    @property
    def container(self) -> ContainerAddress:
        """The container that holds the backup blobs."""
        return self.backup_container

    @property
    def moved_from(self) -> ContainerAddress | None:
        """The container that held the backup blobs before, if somebody says that it was changed on purpose."""
        return self.backup_container_moved_from

    @property
    def backup_containers(self) -> list[ContainerAddress]:
        """The containers that hold backups: the backup container, and the one before."""
        return [self.container, *([self.moved_from] if self.moved_from else [])]

    @property
    def app(self) -> App:
        """Which app this is."""
        return App.of(self.host_storage.table_url, self.site_name)

    def covers(self, disk: Disk) -> bool:
        """Return whether SOURCE_DISKS names a disk and does not exclude it."""
        return any(setting.covers(disk) for setting in self.source_disks)

    def lists(self, disk: Disk, tags: Mapping[str, str]) -> bool:
        """Return whether SOURCE_DISKS names a disk that has these tags and does not exclude it."""
        return any(setting.covers(disk) and setting.has_tags(tags) for setting in self.source_disks)

    def excludes(self, disk: Disk) -> bool:
        """Return whether SOURCE_DISKS excludes a disk."""
        return any(setting.excludes(disk) for setting in self.source_disks)

    def names(self, disk: Disk) -> bool:
        """Return whether SOURCE_DISKS names a disk by its own URL."""
        return any(setting.covers(disk) and not setting.is_pattern for setting in self.source_disks)

    def excludes_by_url(self, disk: Disk) -> bool:
        """Return whether SOURCE_DISKS excludes a disk by its own URL."""
        return any(setting.excludes_by_url(disk) for setting in self.source_disks)

    def backs_up(self, disk: Disk, *, adopted: bool, retired: bool) -> bool:
        """Return whether a disk is backed up: it is covered, or was restored (adopted), and is not excluded.

        A retired disk is backed up again only if SOURCE_DISKS names its own URL.
        """
        if retired:
            return self.names(disk)
        return self.covers(disk) or (adopted and not self.excludes(disk))

    def how_to_exclude(self, disk: Disk) -> str:
        """Return the advice on how to stop backing up a disk; its backups stay."""
        if any(setting.covers(disk) and not setting.has_wildcard for setting in self.source_disks):
            return "remove it from SOURCE_DISKS"
        return "exclude it: add its URL to SOURCE_DISKS with ! before it"

    @property
    def source_services(self) -> list[str]:
        """The URLs of the disks' blob services."""
        return sorted({address.service_url for address in self._source_blobs})

    @property
    def _source_blobs(self) -> list[BlobAddress]:
        return [disk.address for disk in self.source_disks if isinstance(disk.address, BlobAddress)]

    @property
    def managed_groups(self) -> list[GroupId]:
        """The resource groups that managed disks may be restored to: those of the disks, and those in RESTORE_GROUPS.

        In order, without duplicates.
        """
        of_disks = {disk.address.parent for disk in self.source_disks if isinstance(disk.address, DiskId)}
        return sorted(of_disks | set(self.restore_groups))

    def mode_of(self, disk: Disk) -> Mode:
        """Return a disk's mode: that of the entry with its own URL, or else of the first pattern that matches."""
        covering = self._covering(disk)
        return covering[0].mode if covering else Mode.INCREMENTAL

    def retention_of(self, disk: Disk) -> Rules | None:
        """Return the rules for a disk's recovery points, found like its mode; None if nothing says what to keep."""
        return next((setting.retention for setting in self._covering(disk)[:1] if setting.retention), self.retention)

    def _covering(self, disk: Disk) -> list[SourceDisk]:
        """Return the entries that cover a disk: the one with its own URL or ID first, then patterns as they are set."""
        covering = [setting for setting in self.source_disks if setting.covers(disk)]
        return sorted(covering, key=lambda setting: setting.has_wildcard)

    @property
    def heartbeat_problem(self) -> str:
        """Why the heartbeat can't be called, without its URL; empty if it can be, or is not set.

        This must not stop backups: a Key Vault reference that does not resolve is passed on as the URL.
        """
        if self.heartbeat_url is None or _is_url(self.heartbeat_url.get_secret_value()):
            return ""
        return "HEARTBEAT_URL is not a URL. What to do: set it to one such as https://HOST/PATH, or remove it"

    def other_service(self, disk: Disk) -> str:
        """Return the blob service URL that the settings have for a disk's account; empty if it is the disk's own."""
        if not isinstance(disk, PageBlobDisk):
            return ""
        named = [self.container, *(address.parent for address in self._source_blobs)]
        address = disk.address
        service = next((found.service_url for found in named if found.account == address.account), address.service_url)
        return "" if service == address.service_url else service

    @property
    def inspects(self) -> bool:
        """Whether there is a schedule of verifies or drills."""
        return bool(self.verify_schedule or self.drill_schedule)

    @property
    def stalled_after(self) -> timedelta:
        """How long a run may make no progress before its plan message is enqueued again."""
        return timedelta(seconds=self.run_stalled_after_seconds)

    @property
    def coalesce_gap(self) -> int:
        """The longest gap between two written ranges that a run in a hurry writes as well, in bytes."""
        return 1024 * self.coalesce_gap_kib

    @property
    def host_storage(self) -> HostStorage:
        """The storage of the queues and the table."""
        account = self.host_account_name
        return HostStorage(
            connection_string=self.host_connection_string,
            queue_service_url=self.host_queue_url or (f"https://{account}.queue.core.windows.net" if account else None),
            table_service_url=self.host_table_url or (f"https://{account}.table.core.windows.net" if account else None),
            client_id=self.host_client_id,
        )


def load_settings() -> Settings:
    """Read the app settings from the environment.

    Raises:
        SettingsError: with a line for each mistake: the setting and the value expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            _describe(mistake["loc"], mistake["type"], mistake["msg"]) for mistake in error.errors(include_input=False)
        ]
        raise SettingsError("the app settings are invalid:\n" + "\n".join(lines)) from None


def _describe(location: tuple[int | str, ...], kind: str, message: str) -> str:
    field, *inner = (str(part) for part in location)
    alias = Settings.model_fields[field].validation_alias if field in Settings.model_fields else field
    name = str(alias) if alias else field.upper()
    expected = plain(kind, message)
    if kind == "extra_forbidden":
        expected = unknown_field(inner.pop(), _DISK_FIELDS)
    where = f" [{'.'.join(inner)}]" if inner else ""
    return f"- {name}{where}: {expected}"


def _entry(text: str) -> dict[str, Any]:
    return {"url": text.removeprefix(EXCLUDES), "exclude": True} if text.startswith(EXCLUDES) else {"url": text}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _json_array(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be a JSON array, but is not valid JSON: {error.args[0].split(':')[0]}") from None
    if not isinstance(value, list):
        raise ValueError("must be a JSON array")  # noqa: TRY004 - pydantic reports ValueErrors
    return value
