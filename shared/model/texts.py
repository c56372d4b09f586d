"""Free text in table rows: errors, reasons, findings. It is truncated when written, whatever it quotes."""

from typing import Annotated

from pydantic import PlainSerializer

MAX_CHARACTERS = 4000
"""Of a free text; a table property can have 32 Ki characters (REST: Understanding the Table service data model)."""

_CUT = " [...] "


def truncated(text: str) -> str:
    """Truncate a long text in the middle: its beginning says what is wrong, its end what to do."""
    if len(text) <= MAX_CHARACTERS:
        return text
    kept = (MAX_CHARACTERS - len(_CUT)) // 2
    return f"{text[:kept]}{_CUT}{text[-kept:]}"


Text = Annotated[str, PlainSerializer(truncated)]
"""A free text of a row."""
