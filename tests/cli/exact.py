"""What all of `--json` is made of: fields that are neither missing nor new, times, URLs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Stamp = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00))?$")]
Url = Annotated[str, Field(pattern=r"^https?://")]
Told = Annotated[str, Field(pattern=r"^(https?://|[^|]+\|)")]
"""A disk of which the report speaks, or the key of a row that somebody has edited so that it names none."""


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
