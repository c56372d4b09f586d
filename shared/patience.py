"""How long work under way may go wrong before it ends: one patience for all kinds of it. Pure functions of values."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict

from shared.texts import Text

PATIENCE = timedelta(days=1)
"""How long every step of a restore, a verify or a drill may go wrong before it fails, and lets its disk go.

Longer than an outage that its owner mends the next morning, and no longer than a disk may go without a backup unseen.
"""


class Work(BaseModel):
    """What is kept of work that a message steps forward, and that may go wrong on its way.

    Attributes:
        last_error, last_error_at: what went wrong last, and when, UTC; it stays when the work goes on.
        trouble_since: since when every step goes wrong, UTC; None while steps go well.
        checked: when it was last looked at, UTC.
    """

    model_config = ConfigDict(frozen=True)

    last_error: Text = ""
    last_error_at: datetime | None = None
    trouble_since: datetime | None = None
    checked: datetime

    def in_trouble(self, reason: str, now: datetime) -> Self:
        """Note that a step has gone wrong, and why; without a reason the last one stands."""
        since = self.trouble_since or now
        said = reason or self.last_error
        return self.model_copy(
            update={"last_error": said, "last_error_at": now, "trouble_since": since, "checked": now}
        )

    def out_of_trouble(self) -> Self:
        """Note that a step has gone well."""
        return self.model_copy(update={"trouble_since": None})

    def is_out_of_patience(self, now: datetime) -> bool:
        """Tell whether every step has gone wrong for so long that the work is to end."""
        return self.trouble_since is not None and now - self.trouble_since >= PATIENCE
