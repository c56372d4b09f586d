"""What a release has left in its table and on its queues, as it was recorded: see README.md."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.data.tables import EdmType, EntityProperty

RELEASE_0 = Path(__file__).parent / "release_0"

type Row = dict[str, Any]

_TYPE = "@odata.type"


def rows(release: Path, table: str) -> list[Row]:
    """Give all rows of a table, with the types that the SDK reads and writes them with."""
    stored: list[Row] = json.loads((release / "tables.json").read_bytes())[table]
    return [
        {name: _typed(value, row.get(f"{name}{_TYPE}")) for name, value in row.items() if not name.endswith(_TYPE)}
        for row in stored
    ]


def messages(release: Path) -> dict[str, list[bytes]]:
    """Give the messages of all queues, as they were put, oldest first."""
    stored: dict[str, list[str]] = json.loads((release / "queues.json").read_bytes())
    return {queue: [text.encode() for text in texts] for queue, texts in stored.items()}


def blobs(release: Path) -> dict[str, Any]:
    """Give the blobs as they were then, as `tests.simulation` has them, and what it knows of them."""
    stored: dict[str, Any] = json.loads((release / "blobs.json").read_bytes())
    return stored


def _typed(value: Any, kind: str | None) -> Any:
    """Read a property as the service writes it (REST: Query Entities, on `odata=fullmetadata`)."""
    if kind == EdmType.INT64.value:
        return EntityProperty(int(value), EdmType.INT64)
    if kind == EdmType.DATETIME.value:
        return datetime.fromisoformat(value)
    assert kind in (None, EdmType.DOUBLE.value)
    return value
