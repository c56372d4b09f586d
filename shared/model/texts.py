"""Text for people: sizes, and the free text in table rows, which is truncated when written, whatever it quotes."""

from typing import Annotated

from pydantic import PlainSerializer

MAX_CHARACTERS = 4000
"""Of a free text; a table property can have eight times as many."""

_MAX_PROPERTY = 32 * 1024
"""UTF-16 code units of a table property (REST: Understanding the Table service data model)."""

_CUT = " [...] "

_KIB = 1024
_UNITS = ((_KIB**3, "GiB"), (_KIB**2, "MiB"), (_KIB, "KiB"))
_NO_DECIMALS_FROM = 100


def human_size(length: int) -> str:
    """Format a number of bytes for people, in at most 8 characters: `512 B`, `19.3 MiB`, `64 GiB`."""
    if length < _KIB:
        return f"{length} B"
    value, unit = next((length / size, unit) for size, unit in _UNITS if length >= size)
    number = f"{value:.0f}" if value >= _NO_DECIMALS_FROM else f"{value:.1f}".removesuffix(".0")
    return f"{number} {unit}"


def utf16_length(text: str) -> int:
    """Count the characters of a text the way the services do: in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fits_property(text: str) -> bool:
    """Return whether a text fits in a table property."""
    return utf16_length(text) <= _MAX_PROPERTY


def truncated(text: str) -> str:
    """Truncate a long text in the middle: its beginning says what is wrong, its end what to do."""
    return truncated_to(text, MAX_CHARACTERS)


def truncated_to(text: str, most: int) -> str:
    """Truncate a text that is longer than so many characters in the middle."""
    if len(text) <= most:
        return text
    kept = (most - len(_CUT)) // 2
    return f"{text[:kept]}{_CUT}{text[-kept:]}"


Text = Annotated[str, PlainSerializer(truncated)]
"""A free text of a row."""
