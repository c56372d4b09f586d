"""Whose a backup container is: the app that its mark names. Pure functions."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from shared.model.addresses import ContainerAddress
from shared.model.names import OWNER_BEFORE_METADATA, OWNER_METADATA, OWNER_NAME_METADATA

_PRINTABLE = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")
_ACCOUNT_PORTS = frozenset({None, 80, 443})
_TABLE, _PRIVATE = "table", "privatelink"


@dataclass(frozen=True, slots=True)
class App:
    """A Tidemark app.

    Attributes:
        storage: where its records are, in one spelling: what tells it from other apps, even if its table is lost.
        name: its name for people; empty if it is not known.
    """

    storage: str
    name: str = ""

    @classmethod
    def of(cls, table_url: str, name: str) -> Self:
        """Make an app from the URL of its table service, however it is spelled, and its name."""
        return cls(_storage(table_url), "".join(letter for letter in name.strip() if letter in _PRINTABLE))

    def __str__(self) -> str:
        """Return its description for people."""
        if not self.storage:
            return "an app that its mark does not name"
        return f"the app {self.name or 'without a name'} (its records are at {self.storage})"


def _storage(table_url: str) -> str:
    """Write the place of an app's records: without scheme, default port or the label of a private endpoint."""
    parts = urlsplit(table_url.strip().lower())
    host = (parts.hostname or "").removesuffix(".")
    account, *labels = host.split(".")
    if labels[:1] == [_PRIVATE]:
        labels = labels[1:]
    host = ".".join([account, *labels])
    is_account = _TABLE in labels[:2]
    port = "" if parts.port is None or (is_account and parts.port in _ACCOUNT_PORTS) else f":{parts.port}"
    path = "" if is_account else parts.path.rstrip("/")
    return quote(f"[{host}]" if ":" in host else host, safe="[]:-._") + port + quote(path, safe="/%-._")


def owner_of(metadata: Mapping[str, str]) -> App:
    """Return the app that a mark names."""
    return App(metadata.get(OWNER_METADATA, ""), metadata.get(OWNER_NAME_METADATA, ""))


def mark_metadata(owner: App, before: App | None = None) -> dict[str, str]:
    """Make the metadata of a mark.

    Args:
        owner: the app that it names.
        before: whose the container was before a takeover.
    """
    about = {OWNER_METADATA: owner.storage, OWNER_NAME_METADATA: owner.name}
    if before:
        about[OWNER_BEFORE_METADATA] = str(before)
    return {name: value for name, value in about.items() if value}


def belongs_to_another(container: ContainerAddress, owner: App, app: App) -> str:
    """Say that a container belongs to another app, and what to do.

    Args:
        container: the container.
        owner: the app that it belongs to.
        app: the app that asked.
    """
    return (
        f"the backup container {container.url} belongs to {owner}, so {app} takes no snapshot and writes nothing there."
        " What to do: set BACKUP_CONTAINER of this app to a container of its own; or, if this app replaces the other,"
        ' stop the other and put {"do": "takeover"} on this app\'s queue manage'
    )
