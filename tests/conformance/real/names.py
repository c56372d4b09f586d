"""The names of runs: all that a run makes begins with its own."""

import re
import secrets

PREFIX = "tidemark-prove-"
"""What the name of each container, queue, disk and snapshot of a run begins with; tables without the hyphens."""

_OF_A_RUN = re.compile(rf"{PREFIX}[0-9a-f]{{12}}")


def new_name() -> str:
    """Make up the name of a run."""
    return f"{PREFIX}{secrets.token_hex(6)}"


def require_name(name: str) -> None:
    """Require that a name is that of a run, before all that bears it is deleted.

    Raises:
        ValueError: it is not.
    """
    if not _OF_A_RUN.fullmatch(name):
        raise ValueError(f"{name} is not the name of a run")
