"""Free text in a table: what went wrong, why, what was found. It is cut where it is written, whatever it quotes."""

from typing import Annotated

from pydantic import PlainSerializer

MOST_CHARACTERS = 4000
"""Of a free text; a table takes 32 Ki characters in a property (REST: Understanding the Table service data model)."""

_CUT = " [...] "


def cut(text: str) -> str:
    """Cut a text that is too long in its middle: its beginning says what is wrong, its end what to do."""
    if len(text) <= MOST_CHARACTERS:
        return text
    kept = (MOST_CHARACTERS - len(_CUT)) // 2
    return f"{text[:kept]}{_CUT}{text[-kept:]}"


Text = Annotated[str, PlainSerializer(cut)]
"""A free text of a row."""
