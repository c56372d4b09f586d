"""Restores as a person asks for them and watches them."""

import base64
import json
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from shared.azure.tables.rows import from_properties, from_row
from shared.model.job import JobKind, Stage, job_row
from shared.model.names import BACKUPS_TABLE, RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from tests.app.cloud import Cloud, Disk, until


def request(disk: Disk | str, point: str = "latest", **more: Any) -> str:
    """Write a request for a restore."""
    return json.dumps({"disk": disk.url if isinstance(disk, Disk) else disk, "point": point, **more})


def over(target: Disk | str, **more: Any) -> dict[str, Any]:
    """Name a blob to be written over; unless the test says so, without an undo point, which takes a run."""
    url = target.url if isinstance(target, Disk) else target
    return {"target": url, "overwrite": url.rpartition("/")[2], "undo": False, **more}


def encoded(text: str) -> str:
    """Write a message as the portal does."""
    return base64.b64encode(text.encode()).decode()


async def ask(cloud: Cloud, text: str) -> str:
    """Enqueue a message as it is, on a queue made for it if there was no tick yet; give its id."""
    return await cloud.put(RESTORE_REQUESTS_QUEUE, text)


async def restores(cloud: Cloud) -> list[Restore]:
    """Read the rows of all restores, as `az storage entity query` does."""
    rows = cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
        "RowKey ge @first and RowKey lt @last",
        parameters={"first": job_row(JobKind.RESTORE, ""), "last": f"{job_row(JobKind.RESTORE, '')}~"},
    )
    try:
        return [from_row(Restore, from_properties(row)) async for row in rows]
    except ResourceNotFoundError:
        return []


async def restore_of(cloud: Cloud, message_id: str) -> Restore | None:
    """Read the row of one restore."""
    return next((restore for restore in await restores(cloud) if restore.restore == message_id), None)


async def ended(cloud: Cloud, message_id: str) -> Restore:
    """Wait until a restore has ended, and its target's record has let go of it."""

    async def look() -> Restore | None:
        found = await restore_of(cloud, message_id)
        if found is None or not found.has_ended or found.state is Stage.DONE or not found.recovery_point:
            return found if found and found.has_ended else None
        target = await cloud.existing_disk(found.known_target.name, b"")
        try:
            return None if (await target.record()).restore == message_id else found
        except ResourceNotFoundError:
            return found

    try:
        found = await until(look, "the end of the restore")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await restores(cloud)}\n{cloud.log.read_text()[-6000:]}") from None
    assert found
    return found
