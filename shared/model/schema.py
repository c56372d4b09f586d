"""The schema of rows and messages: each names the one it was written with, so that no release misreads another's."""

from collections.abc import Mapping
from typing import Any

from shared.errors import Remedy, UnreadableError, without_secrets

SCHEMA = 1
"""What this release writes. It also reads older ones; 0 is that of the first release, which wrote none."""

SCHEMA_PROPERTY = "schema"


class UnknownSchemaError(UnreadableError):
    """A row or a message was written by a newer release, and is left unchanged for it."""

    remedy = Remedy.RETRY


def with_schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """Add the schema to a row or a message."""
    return {SCHEMA_PROPERTY: SCHEMA, **values}


def is_known(values: Mapping[str, Any]) -> bool:
    """Return whether this release can read a row or a message."""
    schema = values.get(SCHEMA_PROPERTY, 0)
    return _is_number(schema) and 0 <= schema <= SCHEMA


def require_known(values: Mapping[str, Any], what: str) -> None:
    """Refuse a row or a message that a newer release wrote.

    Raises:
        UnknownSchemaError: it did.
    """
    if is_known(values):
        return
    schema = values[SCHEMA_PROPERTY]
    shown = f"schema {schema}" if _is_number(schema) else "a schema that is not a number"
    raise UnknownSchemaError(
        f"{without_secrets(what)} was written with {shown}, and this release reads schema {SCHEMA} at most. It is left"
        " unchanged. What to do: deploy the release that wrote it, or a newer one"
    )


def _is_number(schema: object) -> bool:
    return isinstance(schema, int) and not isinstance(schema, bool)
