"""Which app the command line talks to, the account of its own storage, and what space costs. No secret is kept."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import typer

from shared.model.prices import Prices, read_prices
from tidemark.outcome import Exit, Problem

FILE_VARIABLE = "TIDEMARK_CONFIG"
"""Where the file is, if not in the folder that the platform has for such files."""

STORAGE_VARIABLE = "TIDEMARK_STORAGE"
"""The name of an account, or a connection string; it wins over the file. Without a key, it says where an account is."""

PUBLIC_CLOUD = "core.windows.net"

_ACCOUNT = re.compile("[a-z0-9]{3,24}")
_SUFFIX = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")

_PRICES = 'correct them: {"prices": {"backup_gib_month": 0.05, "disk_gib_month": 0.05, "currency": "EUR"}}'


@dataclass(frozen=True, slots=True)
class Storage:
    """The app's own storage.

    Attributes:
        account: the account's name.
        connection: its connection string, of a local Azure; empty to sign in as whoever is signed in.
        tables, queues: the URLs of its services, for who is signed in; empty where the connection string says it.
    """

    account: str
    connection: str = field(default="", repr=False)
    tables: str = ""
    queues: str = ""

    @classmethod
    def signed_in(cls, account: str, suffix: str = PUBLIC_CLOUD) -> Self:
        """Return an account in a cloud, for who is signed in there."""
        tables, queues = (f"https://{account}.{service}.{suffix}" for service in ("table", "queue"))
        return cls(account, tables=tables, queues=queues)


def file() -> Path:
    """Return where the configuration is kept."""
    chosen = os.environ.get(FILE_VARIABLE, "")
    return Path(chosen) if chosen else Path(typer.get_app_dir("tidemark")) / "cli.json"


def account_named(text: str) -> str:
    """Return the name of a storage account.

    Raises:
        Problem: it is none; the text is not shown, as it may be a secret.
    """
    name = text.strip()
    if not _ACCOUNT.fullmatch(name):
        raise Problem(
            "that is not the name of a storage account, which has 3 to 24 lower-case letters and digits. What to do:"
            f" give the name only; the connection string of a local Azure goes into {STORAGE_VARIABLE}"
        )
    return name


def remember(account: str) -> Path:
    """Write which account it is, and leave what else the file says; return the file."""
    path = file()
    try:
        kept = _kept()
    except (OSError, ValueError):
        kept = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**kept, "version": 1, "storage": account}) + "\n", encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} can't be written: {error.strerror}", Exit.ATTENTION) from None
    return path


def storage() -> Storage:
    """Return the app's storage, by the environment or else the file.

    Raises:
        Problem: nobody has said which it is.
    """
    if said := os.environ.get(STORAGE_VARIABLE, "").strip():
        return _said(said)
    try:
        kept = _kept()
        if "storage" in kept:
            return Storage.signed_in(account_named(kept["storage"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, AttributeError):
        raise Problem(f"{file()} can't be read. What to do: delete it, and run `tidemark use` again") from None
    raise Problem(
        "it is not known which app this is about. What to do: `tidemark use --azd`, `tidemark use --app NAME"
        f" --group GROUP` or `tidemark use --storage ACCOUNT`; for a local Azure, set {STORAGE_VARIABLE}"
    )


def _said(text: str) -> Storage:
    """Read what the environment says: an account, where it is, or its connection string.

    Raises:
        Problem: it is none of these; the text is not shown, as it may be a secret.
    """
    if "=" not in text:
        return Storage.signed_in(account_named(text))
    fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    account, suffix = account_named(fields.get("AccountName", "")), fields.get("EndpointSuffix", "")
    if fields.get("AccountKey"):
        return Storage(account, text)
    tables, queues = fields.get("TableEndpoint", ""), fields.get("QueueEndpoint", "")
    if tables.startswith("https://") and queues.startswith("https://"):
        return Storage(account, tables=tables.rstrip("/"), queues=queues.rstrip("/"))
    if _SUFFIX.fullmatch(suffix):
        return Storage.signed_in(account, suffix)
    raise Problem(
        f"{STORAGE_VARIABLE} does not say where the account {account} is. What to do: set it to AccountName=NAME and"
        " EndpointSuffix=SUFFIX, or TableEndpoint and QueueEndpoint (https), with ; between them; for a local Azure, to"
        " its connection string with AccountKey"
    )


def prices() -> Prices:
    """Return what space costs, as the file says.

    Raises:
        Problem: its prices can't be read.
    """
    try:
        return read_prices(_kept().get("prices", {}))
    except FileNotFoundError:
        return Prices()
    except (OSError, ValueError) as error:
        raise Problem(f"the prices in {file()} can't be read: {error}. What to do: {_PRICES}") from None


def _kept() -> dict[str, Any]:
    """Read the file.

    Raises:
        OSError, ValueError: it is not there, or not what was written.
    """
    kept = json.loads(file().read_text(encoding="utf-8"))
    if not isinstance(kept, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the file, not of a type
    return kept
