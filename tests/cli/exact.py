"""What all of `--json` is made of: fields that are neither missing nor new, times, URLs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Stamp = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00))?$")]
Url = Annotated[str, Field(pattern=r"^https?://")]


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
