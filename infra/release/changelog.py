"""The changelog, in the form of https://keepachangelog.com: a section for each version, newest first."""

import re

from infra.release.errors import ReleaseError

HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
UNRELEASED = "Unreleased"


def section(changelog: str, version: str) -> str:
    """Give what the changelog says of a version, without the heading.

    Raises:
        ReleaseError: it says nothing of it, or does not say when it was released.
    """
    headings = list(HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading["version"] != version:
            continue
        text = changelog[heading.end() : following.start() if following else len(changelog)].strip()
        if not heading["date"] or not text:
            raise ReleaseError(
                f"CHANGELOG.md: the section {heading[0]!r} has no {'text' if heading['date'] else 'date'}. "
                f"What to do: write '## [{version}] - YYYY-MM-DD' and, below it, what has changed."
            )
        return f"{text}\n"
    raise ReleaseError(
        f"CHANGELOG.md has no section for {version}. "
        f"What to do: rename '## [{UNRELEASED}]' to '## [{version}] - YYYY-MM-DD', and tag that commit."
    )
