"""Log events: one JSON object a line, with a stable name and fields. Never a secret."""

import json
import logging

from shared.errors import without_secrets

_logger = logging.getLogger("tidemark")


def log_event(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log an event.

    Args:
        event: its name, like `run-sealed`.
        level: one of logging's levels.
        fields: what else it says; bytes, seconds and UTC times as elsewhere.
    """
    _logger.log(level, "%s", without_secrets(json.dumps({"event": event, **fields}, default=str)))
