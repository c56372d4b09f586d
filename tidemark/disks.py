"""Which disk is meant by a part of its name. Pure functions."""

from collections.abc import Iterable
from urllib.parse import unquote

from shared.errors import without_secrets
from shared.model.addresses import AddressError
from shared.model.disk import Disk
from shared.model.disk_ids import PREFIX
from tidemark.outcome import Problem

_URL = "://"


def named(text: str, known: Iterable[str]) -> Disk:
    """Return the disk that a text names: by its URL, or by a part of the URL that no other disk on record has.

    Raises:
        Problem: it names none, or several.
    """
    if _URL in text or (text.startswith(PREFIX) and "#" in text):
        try:
            return Disk.parse(text)
        except AddressError as error:
            raise Problem(without_secrets(str(error))) from None
    found = matches(text, known)
    if len(found) == 1:
        return Disk.parse(found[0])
    if found:
        several = "".join(f"\n  {name}" for name in found)
        raise Problem(f"{text!r} is in the names of several disks. What to do: type more of one of them:{several}")
    raise Problem(
        f"{text!r} is in the name of no disk on record. What to do: see them with `tidemark status`, or give the disk's"
        " whole URL"
    )


def matches(text: str, known: Iterable[str]) -> list[str]:
    """Return the disks whose names have a text in them, in whatever case; all of them if it is one's whole name."""
    wanted = text.strip().casefold()
    if not wanted:
        return []
    names = sorted(known)
    return [name for name in names if wanted in name.casefold() or wanted in unquote(name).casefold()]
