"""Disks with backups that a tick does not find any more: what is said of them. Pure functions.

A disk that drops out of `SOURCE_DISKS` by mistake must not go unnoticed: while one is absent, no tick succeeds.
"""

from enum import StrEnum


class Absence(StrEnum):
    """How a disk with backups is absent.

    Attributes:
        NONE: it is not: it is found, excluded by its own URL, restored, or retired.
        UNLISTED: `SOURCE_DISKS` no longer names it.
        MISSING: a pattern of `SOURCE_DISKS` covers it and no longer finds it.
    """

    NONE = ""
    UNLISTED = "unlisted"
    MISSING = "missing"


class Coverage(StrEnum):
    """How `SOURCE_DISKS` covers a disk on record."""

    NAMED = "by its own URL"
    FOUND = "by a pattern that finds it"
    UNKNOWN = "by a pattern that can't be listed now"
    NOT_FOUND = "by a pattern that does not find it"
    EXCLUDED_BY_URL = "excluded by its own URL"
    EXCLUDED = "excluded by a pattern"
    NONE = "not at all"


def absence_of(
    coverage: Coverage, *, has_backups: bool, is_adopted: bool, is_restoring: bool, is_retired: bool
) -> Absence:
    """Return how a disk on record is absent at a tick.

    An exclusion by the disk's own URL is the operator's word; one by a pattern may have hit it by mistake.

    Args:
        coverage: how `SOURCE_DISKS` covers it.
        has_backups: whether it has a recovery point or an open run.
        is_adopted: whether it was restored; then it is backed up unless it is excluded.
        is_restoring: whether it is being restored; then it may not exist for a while.
        is_retired: whether its backups were ended by intent.
    """
    if is_retired or not has_backups:
        return Absence.NONE
    if coverage is Coverage.EXCLUDED or (coverage is Coverage.NONE and not is_adopted):
        return Absence.UNLISTED
    is_missing = coverage is Coverage.NOT_FOUND and not (is_adopted or is_restoring)
    return Absence.MISSING if is_missing else Absence.NONE


def absence_reason(absence: Absence, disk: str, *, pattern: str, is_excluded: bool, has_tags: bool = False) -> str:
    """Say how a disk is absent, and what to do.

    Args:
        absence: how it is.
        disk: its name.
        pattern: the pattern that no longer finds it; empty if it is not missing.
        is_excluded: whether a pattern excludes it.
        has_tags: whether what matched it before asks for tags.
    """
    to_retire = f'to end its backups, send {{"do": "retire", "disk": "{disk}"}} to the queue manage'
    if absence is Absence.MISSING:
        return (
            f"{disk} no longer exists{', or lost its tags' if has_tags else ''}; {pattern} matched it before. What to"
            f" do: recover {'them' if has_tags else 'it'}; or, if it was deleted for good, {to_retire}"
        )
    how = "a pattern in SOURCE_DISKS excludes it" if is_excluded else "SOURCE_DISKS no longer names it"
    return (
        f"{disk} has backups, but is no longer backed up: {how}. What to do: correct SOURCE_DISKS; or, {to_retire}; or,"
        " to keep it as it is, add its URL with ! before it to SOURCE_DISKS"
    )
