"""Writes of one row that another invocation may have written since it was read."""

from typing import Any

from azure.core import MatchConditions
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient


async def put_unless_changed(table: TableClient, entity: dict[str, Any], etag: str | None) -> str:
    """Replace a row if it has this ETag; without one, create it if there is none. Give its new ETag.

    Raises:
        HttpResponseError: the condition did not hold, or the table refused; callers differ in what they make of that.
    """
    if etag is None:
        return str((await table.create_entity(entity))["etag"])
    written = await table.update_entity(
        entity, UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
    )
    return str(written["etag"])
