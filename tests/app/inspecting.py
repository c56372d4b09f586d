"""Verifies and drills as a person asks for them and watches them; and rot in the storage behind."""

import json
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from shared.azure.tables.rows import from_properties, from_row
from shared.model.inspection import Inspection
from shared.model.job import JobKind
from shared.model.names import BACKUPS_TABLE
from tests.app.cloud import Cloud, Disk, until


async def ask_for(cloud: Cloud, task: JobKind, text: str) -> str:
    """Enqueue a message as it is; give its id."""
    return await cloud.put(str(task), text)


async def inspections(cloud: Cloud, task: JobKind) -> list[Inspection]:
    """Read the rows of all inspections of a kind."""
    rows = cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
        "RowKey ge @first and RowKey lt @last", parameters={"first": f"{task}-", "last": f"{task}."}
    )
    try:
        return [from_row(Inspection, from_properties(row)) async for row in rows]
    except ResourceNotFoundError:
        return []


async def has_ended(cloud: Cloud, task: JobKind, name: str) -> Inspection:
    """Wait until an inspection has ended."""

    async def look() -> Inspection | None:
        found = [row for row in await inspections(cloud, task) if row.inspection == name and row.has_ended]
        return found[0] if found else None

    try:
        found = await until(look, f"the end of the {task}")
    except AssertionError as error:
        rows = await inspections(cloud, task)
        raise AssertionError(f"{error}\n{rows}\n{cloud.log.read_text()[-6000:]}") from None
    assert found
    return found


async def inspected(cloud: Cloud, task: JobKind, disk: Disk, **more: Any) -> Inspection:
    """Ask for an inspection, and wait for its end."""
    return await has_ended(cloud, task, await ask_for(cloud, task, json.dumps({"disk": disk.url, **more})))


class Rot:
    """Rot in the storage itself, as of a disk that fails: it holds something else than was written, and tells nobody.

    Azurite keeps what is written in files, one after the other, and a copy beside its source. What it has written
    before this is made stays as it is.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._folder = cloud.azure.folder / "__blobstorage__"
        self._sizes = {file.name: file.stat().st_size for file in self._folder.iterdir()}

    def strike(self, content: bytes) -> None:
        """Change this content where it was written since."""
        places = [
            (file, at)
            for file in self._folder.iterdir()
            if (at := file.read_bytes().rfind(content, self._sizes.get(file.name, 0))) >= 0
        ]
        [(file, at)] = places
        with file.open("r+b") as held:
            held.seek(at)
            held.write(bytes(byte ^ 0xFF for byte in content))
