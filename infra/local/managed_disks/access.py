"""SASs of disks and snapshots, each by a stored access policy (`si=`), so that it ends at once when revoked.

Their form: azure-sdk-for-net, ManagedDiskTests (live recordings): `?snapshot=…&sv=2018-11-09&sr=bs&si=<64 hex>&sig=…`.
That of a private snapshot's relay: azure-storage-azcopy#2573: `…/relaycor?si=…&sig=…&sr=b&sv=2018-03-28`.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

MAX_SECONDS = 5_184_000
"""The longest a SAS may last: 60 days (since 2025-02-15)."""

_SNAPSHOT_VERSION, _BLOB_VERSION = "2018-11-09", "2018-03-28"


@dataclass(eq=False, slots=True)
class Access:
    """The SAS of a disk or a snapshot.

    Attributes:
        path: the decoded path that it opens, "/md-…/…/abcd".
        blob: the decoded path of the blob behind.
        snapshot: the only snapshot of the blob that it opens; empty for the blob itself.
        writes: whether it writes too.
        expires_at: when it ends (UTC).
        policy: the id of its stored access policy.
        signature: its signature, base64.
        is_revoked: whether it was revoked.
    """

    path: str
    blob: str
    snapshot: str
    writes: bool
    expires_at: datetime
    policy: str = field(default_factory=lambda: secrets.token_hex(32))
    signature: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    is_revoked: bool = False

    @property
    def is_relay(self) -> bool:
        """Whether it is of a private snapshot: read by its base, though it shows the snapshot's content."""
        return self.path.endswith("/relaycor")

    @property
    def query(self) -> str:
        """The query of its URL, encoded."""
        policy, signature = f"si={self.policy}", f"sig={quote(self.signature, safe='')}"
        if self._shown_snapshot:
            return f"snapshot={quote(self.snapshot, safe='')}&sv={_SNAPSHOT_VERSION}&sr=bs&{policy}&{signature}"
        return f"sv={_BLOB_VERSION}&sr=b&{policy}&{signature}"

    def is_of(self, path: str, query: Mapping[str, str]) -> bool:
        """Return whether a request for a decoded path carries this SAS, unchanged."""
        snapshot = self._shown_snapshot
        return (
            path == self.path
            and query.get("snapshot", "") == snapshot
            and query.get("sr") == ("bs" if snapshot else "b")
            and hmac.compare_digest(query.get("sig", ""), self.signature)
        )

    @property
    def _shown_snapshot(self) -> str:
        """The snapshot that its URL names."""
        return "" if self.is_relay else self.snapshot
