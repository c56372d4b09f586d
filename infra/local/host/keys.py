"""The keys of HTTP triggers."""

import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

FUNCTION_KEY = "LOCAL_HOST_FUNCTION_KEY"
MASTER_KEY = "LOCAL_HOST_MASTER_KEY"
"""The variables with the keys; they are this host's own, and the app does not see them."""

KEY_HEADER = "x-functions-key"
KEY_PARAMETER = "code"


class AuthLevel(IntEnum):
    """Which key a request needs; a higher one opens what a lower one does."""

    ANONYMOUS = 0
    FUNCTION = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the host: of all functions, and of everything."""

    function: str = field(repr=False)
    master: str = field(repr=False)

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Self:
        """Take the keys out of the environment; those that are not there are made, and nobody knows them."""
        return cls(environment.pop(FUNCTION_KEY, "") or new_key(), environment.pop(MASTER_KEY, "") or new_key())

    def level(self, headers: Mapping[str, str], query: Mapping[str, str]) -> AuthLevel:
        """Return what the key of a request opens; the header counts before the query, and names count in any case."""
        in_query = (value for name, value in query.items() if name.lower() == KEY_PARAMETER)
        in_header = (value for name, value in headers.items() if name.lower() == KEY_HEADER)
        given = next(in_header, None)
        given = next(in_query, "") if given is None else given
        if _is_same(given, self.master):
            return AuthLevel.ADMIN
        return AuthLevel.FUNCTION if _is_same(given, self.function) else AuthLevel.ANONYMOUS


def new_key() -> str:
    """Make a key."""
    return secrets.token_urlsafe(40)


def _is_same(given: str, key: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), key.encode())
