"""Nothing secret is in a report, and no ID of a subscription, whatever an error or a header said.

Names of accounts are shortened if asked.
"""

import re
from collections.abc import Iterable

from tests.conformance.real.accounts import Account

HIDDEN = "(secret)"
HIDDEN_ID, HIDDEN_HOST = "(id)", "(host)"
_SHOWN_OF_A_NAME = 3
_ID = re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
"""Of a subscription, a tenant, somebody who signs in, or a disk."""
_HOST = re.compile(r"\bmd-(?:impexp-)?[a-z0-9]{8,}(?:\.[\w.-]+\w)?")
"""Of managed disks' content, as an error of a connection names it."""

# What a secret looks like, where it is not one of those we know: it ends with what can't be in it.
_LOOKS_SECRET = (
    re.compile(r"(?i)(\b(?:sig|accountkey|sharedaccesssignature|client_secret|password)=)[^&;\s\"'|<>]+"),
    re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]+"),
    re.compile(r"(?i)(\bSharedKey(?:Lite)?\s+\w+:)[\w+/=]+"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
)


class Redaction:
    """Takes the secrets of the accounts, all that looks like one, and IDs out of a text."""

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
        text = _HOST.sub(HIDDEN_HOST, _ID.sub(HIDDEN_ID, text))
        for name in sorted(self._names, key=len, reverse=True):
            text = text.replace(name, self._names[name])
        return text
