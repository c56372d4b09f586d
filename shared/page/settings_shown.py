"""The app settings as the page shows them: those that are named here, and no secret. Pure functions."""

from collections.abc import Sequence

from shared.settings import Settings

SET, NOT_SET = "set; it is a secret and not shown", "not set"

type Shown = Sequence[tuple[str, Sequence[str]]]


def settings_shown(settings: Settings) -> Shown:
    """Give the names of settings, each with its values in lines of their own."""
    accounts = [connection.account for connection in settings.storage_connections]
    found: list[tuple[str, Sequence[str]]] = [
        ("BACKUP_SCHEDULE", [settings.backup_schedule]),
        ("BACKUP_CONTAINER", [settings.container.url]),
        ("BACKUP_CONTAINER_MOVED_FROM", [settings.moved_from.url] if settings.moved_from else []),
        ("SOURCE_DISKS", [_disk(disk.url, is_excluded=disk.excluded) for disk in settings.source_disks]),
        ("RESTORE_CONTAINERS", [container.url for container in settings.restore_containers]),
        ("RESTORE_GROUPS", [group.url for group in settings.restore_groups]),
        ("VERIFY_SCHEDULE", [settings.verify_schedule] if settings.verify_schedule else []),
        ("DRILL_SCHEDULE", [settings.drill_schedule] if settings.drill_schedule else []),
        ("RETENTION", [str(settings.retention)] if settings.retention else []),
        ("RETENTION_MODE", [str(settings.retention_mode)]),
        ("RETENTION_ZONE", [str(settings.retention_zone)]),
        ("RUN_STALLED_AFTER_SECONDS", [str(settings.run_stalled_after_seconds)]),
        ("COALESCE_GAP_KIB", [str(settings.coalesce_gap_kib)]),
        ("STATUS_PAGE", [str(settings.page)]),
        ("STATUS_PAGE_GROUP", [settings.status_page_group] if settings.status_page_group else []),
        ("HEARTBEAT_URL", [SET] if settings.heartbeat_url else []),
        ("STORAGE_CONNECTIONS", [f"{account}: {SET}" for account in accounts]),
    ]
    return [(name, values or [NOT_SET]) for name, values in found]


def _disk(url: str, *, is_excluded: bool) -> str:
    return f"!{url}" if is_excluded else url
