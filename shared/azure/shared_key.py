"""Authorizing requests by an account's key."""

import base64
import hmac
from collections.abc import Mapping

_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class SharedKey:
    """An account's key."""

    def __init__(self, account: str, key: str) -> None:
        """Take an account's name and its key, in base64."""
        self._account = account
        self._begun = hmac.new(base64.b64decode(key), digestmod="sha256")

    def authorization(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
        """Give a request's `Authorization` (REST: Authorize with Shared Key).

        Args:
            method: its method.
            path: its URL's path, as it is sent.
            query: its query, as it is signed: `NAME:VALUE`, one a line.
            headers: all its headers that are signed, their names in lower case; an empty body has no length.
        """
        lines = [method, *[headers.get(name, "") for name in _SIGNED]]
        # The service sorts names of letters and hyphens as Python does, where none begins with another.
        lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
        lines += (f"/{self._account}{path}", query)
        signing = self._begun.copy()
        signing.update("\n".join(lines).encode())
        return f"SharedKey {self._account}:{base64.b64encode(signing.digest()).decode()}"
