"""What the service takes, and how it refuses the rest: sizes, numbers and names, each with the page that says so.

Where the SDK refuses before it sends, so does this. `tests/conformance/test_limits.py` holds it against Azurite, as far
as Azurite knows the limits.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.data.tables import RequestTooLargeError, TableTransactionError

from tests.simulation.refusals import refusal

MESSAGE = 64 * 1024
"""Bytes of a message's text in UTF-8 (REST: Put Message); what XML makes of it on the way does not count."""

TEXT = 32 * 1024
"""Characters of a text in a table, in UTF-16 (REST: Understanding the Table service data model; so are the next)."""

ENTITY = 1024 * 1024
"""Bytes of an entity, as `_size` counts them."""

PROPERTIES = 252
"""Properties of an entity, beside its keys and its timestamp."""

PROPERTY_NAME = 255
"""Characters of a property's name."""

KEY = 512
"""Characters of a key: 1 KiB in UTF-16."""

OPERATIONS = 100
"""Operations in a transaction (REST: Performing entity group transactions)."""

TRANSACTION = 4 * 1024 * 1024
"""Bytes of a transaction's request (the same page)."""

METADATA = 8 * 1024
"""Bytes of all names and values (REST: Setting and retrieving properties and metadata for Blob service resources)."""

BLOB_NAME = 1024
"""Characters of a blob's name, in UTF-16 (REST: Naming and referencing containers, blobs, and metadata)."""

PREMIUM_SNAPSHOTS = 100
"""Snapshots of a blob (REST: Perform REST operations against page blobs with premium storage; so is the next)."""

PREMIUM_RATE = timedelta(minutes=10)
"""How long after a snapshot of a blob there may be another."""

_KEY_FORBIDS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_HEADER_FORBIDS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # aiohttp.http_writer, which the SDK sends by
_OF_AN_OPERATION = 600
"""Bytes about, that the SDK sends of an operation of a transaction beside its entity: the headers of its part."""

Row = tuple[str, str, Mapping[str, Any]]
"""A partition key, a row key, and the properties."""


def require_message(body: bytes) -> None:
    """Refuse a message that is too large."""
    if len(body) > MESSAGE:
        raise refusal(413, "RequestBodyTooLarge")


def require_row(partition: str, row: str, values: Mapping[str, Any]) -> None:
    """Refuse a row that the table does not take."""
    for key in (partition, row):
        _require_key(key)
    if len(values) > PROPERTIES:
        raise refusal(400, "TooManyProperties")
    for name, value in values.items():
        _require_property(name, value)
    if _size(partition, row, values) > ENTITY:
        raise refusal(400, "EntityTooLarge")


def require_new_row(partition: str, row: str, values: Mapping[str, Any]) -> None:
    """Refuse a row that can't be created: why, the SDK does not tell (azure-data-tables 12.7, `create_entity`)."""
    try:
        require_row(partition, row, values)
    except HttpResponseError as error:
        raise refusal(error.status_code or 400, "") from None


def require_transaction(rows: Sequence[Row]) -> None:
    """Refuse a transaction that the SDK does not send, or the table does not take."""
    if len({partition for partition, _, _ in rows}) > 1:
        raise ValueError("Partition Keys in the batch must all be the same.")
    if len(rows) > OPERATIONS:
        raise as_transaction(refusal(400, "InvalidInput"))
    if len({row for _, row, _ in rows}) < len(rows):
        raise as_transaction(refusal(400, "InvalidDuplicateRow"))
    if sum(_OF_AN_OPERATION + _sent(*row) for row in rows) > TRANSACTION:
        raise as_transaction(refusal(413, "RequestBodyTooLarge"), RequestTooLargeError)
    for row in rows:
        try:
            require_row(*row)
        except HttpResponseError as error:
            raise as_transaction(error) from None


def as_transaction(
    error: HttpResponseError, kind: Callable[..., TableTransactionError] = TableTransactionError
) -> HttpResponseError:
    """Make the SDK's error for a transaction that is refused."""
    refused = kind(message=f"0:{error.message}")
    refused.status_code = error.status_code
    refused.error_code = error.error_code  # type: ignore[attr-defined]  # as the SDK does
    return refused


def require_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse metadata that can't be sent, or that the service does not take.

    The SDK signs a text that is not ASCII otherwise than it is sent (azure-sdk-for-net#16873 has the answer to that).
    """
    for name, value in metadata.items():
        if _HEADER_FORBIDS.search(value):
            raise ValueError("Forbidden control character detected in headers. Potential header injection attack.")
        if not name:
            raise refusal(400, "EmptyMetadataKey")
        if not (name.isascii() and _is_identifier(name)):
            raise refusal(400, "InvalidMetadata")
        if not value.isascii():
            raise refusal(403, "AuthenticationFailed")
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA:
        raise refusal(400, "MetadataTooLarge")


def require_blob_name(name: str) -> None:
    """Refuse the name of a blob that is too long, whatever is asked of the blob (Azurite#398)."""
    if not 0 < _characters(name) <= BLOB_NAME:
        raise refusal(400, "OutOfRangeInput")


def require_premium_snapshot(times: Sequence[str], now: datetime) -> None:
    """Refuse one snapshot too many, or too soon, of a blob in a premium account.

    Args:
        times: the times of those that it has.
        now: the time, UTC.
    """
    if len(times) >= PREMIUM_SNAPSHOTS:
        raise refusal(409, "SnapshotCountExceeded")
    if times and now - datetime.fromisoformat(max(times)) < PREMIUM_RATE:
        raise refusal(409, "SnapshotOperationRateExceeded")


def _require_key(key: str) -> None:
    if _KEY_FORBIDS.search(key):
        raise refusal(400, "OutOfRangeInput")
    if _characters(key) > KEY:
        raise refusal(400, "KeyValueTooLarge")


def _require_property(name: str, value: Any) -> None:
    if len(name) > PROPERTY_NAME:
        raise refusal(400, "PropertyNameTooLong")
    if not _is_identifier(name):
        raise refusal(400, "PropertyNameInvalid")
    if isinstance(value, str) and _characters(value) > TEXT:
        raise refusal(400, "PropertyValueTooLarge")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise TypeError(f"{value} is too large to be cast to type EdmType.INT64.")


def _characters(text: str) -> int:
    """Count the characters of a text as .NET does."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_identifier(name: str) -> bool:
    """Tell whether a name is an identifier of C#: a letter or `_`, then letters, digits and `_` (C# language spec)."""
    return name.isidentifier() and unicodedata.is_normalized("NFC", name)


def _size(partition: str, row: str, values: Mapping[str, Any]) -> int:
    """Count the bytes of an entity as the table does (MSDN: How the size of an entity is calculated)."""
    return (
        4
        + 2 * (_characters(partition) + _characters(row))
        + sum(8 + 2 * _characters(name) + _size_of(value) for name, value in values.items())
    )


def _size_of(value: Any) -> int:
    if isinstance(value, str):
        return 2 * _characters(value) + 4
    return 1 if isinstance(value, bool) else 8


def _sent(partition: str, row: str, values: Mapping[str, Any]) -> int:
    """Count the bytes of an entity as it is sent, about: JSON in UTF-8."""
    names = [*values, "PartitionKey", "RowKey"]
    texts = [str(value) for value in (*values.values(), partition, row)]
    return sum(len(text.encode(errors="surrogatepass")) for text in (*names, *texts))
