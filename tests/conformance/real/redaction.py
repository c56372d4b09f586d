"""Nothing secret is in a report, whatever an error or a header said; names of accounts are shortened if asked."""

import re
from collections.abc import Iterable

from tests.conformance.real.accounts import Account

HIDDEN = "(secret)"
_SHOWN_OF_A_NAME = 3

# What a secret looks like, where it is not one of those we know: it ends with what can't be in it.
_LOOKS_SECRET = (
    re.compile(r"(?i)(\b(?:sig|accountkey|sharedaccesssignature|client_secret|password)=)[^&;\s\"'|<>]+"),
    re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]+"),
    re.compile(r"(?i)(\bSharedKey(?:Lite)?\s+\w+:)[\w+/=]+"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
)


class Redaction:
    """Takes the secrets of the accounts, and all that looks like one, out of a text."""

    def __init__(self, accounts: Iterable[Account], *, short_names: bool = False) -> None:
        self._secrets: set[str] = set()
        self._names: dict[str, str] = {}
        for account in accounts:
            if account.key:
                self._secrets.add(account.key)
            if short_names:
                self._names.setdefault(account.name, f"{account.name[:_SHOWN_OF_A_NAME]}...{len(self._names) + 1}")

    def __call__(self, text: str) -> str:
        """Give the text without them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for look in _LOOKS_SECRET:
            text = look.sub(rf"\g<1>{HIDDEN}", text)
        for name in sorted(self._names, key=len, reverse=True):
            text = text.replace(name, self._names[name])
        return text
