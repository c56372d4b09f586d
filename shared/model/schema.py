"""The schema of rows and messages: each says by which it was written, so that no release misreads another's."""

from collections.abc import Mapping
from typing import Any

from shared.errors import Then, UnreadableError, without_secrets

SCHEMA = 1
"""What this release writes. It reads the older ones too; 0 is that of the release whose rows and messages say none."""

SCHEMA_PROPERTY = "schema"


class UnknownSchemaError(UnreadableError):
    """A row or a message was written by a newer release: it is left as it is, for a release that can read it."""

    then = Then.COME_BACK


def with_schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """Say by which schema a row or a message is written."""
    return {SCHEMA_PROPERTY: SCHEMA, **values}


def is_known(values: Mapping[str, Any]) -> bool:
    """Tell whether this release can read what was written so."""
    schema = values.get(SCHEMA_PROPERTY, 0)
    return _is_number(schema) and 0 <= schema <= SCHEMA


def require_known(values: Mapping[str, Any], what: str) -> None:
    """Refuse what was written by a newer release.

    Raises:
        UnknownSchemaError: it was.
    """
    if is_known(values):
        return
    schema = values[SCHEMA_PROPERTY]
    told = f"schema {schema}" if _is_number(schema) else "a schema that is no number"
    raise UnknownSchemaError(
        f"{without_secrets(what)} was written with {told}, and this release knows {SCHEMA} at most. It is left as it"
        " is. What to do: deploy the release that wrote it, or a newer one"
    )


def _is_number(schema: object) -> bool:
    return isinstance(schema, int) and not isinstance(schema, bool)
