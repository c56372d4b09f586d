"""Writes of one row that another invocation may have written or deleted since it was read."""

from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.azure.answers import error_code


async def put_unless_changed(table: TableClient, entity: dict[str, Any], etag: str | None) -> str:
    """Replace a row if it has this ETag; without one, create it if there is none. Give its new ETag.

    Raises:
        HttpResponseError: the condition did not hold, or the table refused; callers differ in what they make of that.
    """
    if etag is None:
        return str((await table.create_entity(entity))["etag"])
    # A merge would leave what is None now as it was.
    return await _update(table, entity, etag, UpdateMode.REPLACE)


async def merge_unless_changed(table: TableClient, entity: dict[str, Any], etag: str | None) -> str:
    """Do the same, but leave those properties of the row as they are that are not given.

    Raises:
        HttpResponseError: the condition did not hold, or the table refused; callers differ in what they make of that.
    """
    if etag is None:
        return await put_unless_changed(table, entity, etag)
    return await _update(table, entity, etag, UpdateMode.MERGE)


async def _update(table: TableClient, entity: dict[str, Any], etag: str, mode: UpdateMode) -> str:
    written = await table.update_entity(entity, mode, etag=etag, match_condition=MatchConditions.IfNotModified)
    return str(written["etag"])


async def delete_unless_changed(table: TableClient, partition: str, row: str, etag: str) -> None:
    """Delete a row if it has this ETag.

    Raises:
        HttpResponseError: the condition did not hold, or the table refused; callers differ in what they make of that.
    """
    await table.delete_entity(partition, row, etag=etag, match_condition=MatchConditions.IfNotModified)


def has_changed(error: HttpResponseError) -> bool:
    """Tell whether a write was refused because another invocation has created, changed or deleted the row.

    A refused transaction is a `TableTransactionError` for any reason, so the class does not tell; nor does the status
    404, which a table that is gone has too (REST: Table service error codes).
    """
    return error.status_code in {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED} or is_gone(error)


def is_gone(error: HttpResponseError) -> bool:
    """Tell whether a write was refused because there is no such row any more."""
    return error_code(error) == "ResourceNotFound"
