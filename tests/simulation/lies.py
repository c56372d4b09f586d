"""A service that leaves out changes in the diffs it gives."""

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.blobs import Pages


def without_a_change(now: Pages, before: Pages, window: Window, listed: list[Change]) -> list[Change]:
    """Leave out a change: one that the page maps show, since of others only samples are compared."""

    def shows(change: Change) -> bool:
        first, last = max(change.start, window.start) // PAGE, min(change.end, window.end) // PAGE
        pages = range(first, min(last, len(before)))
        return any(
            (now[page] is None) != (before[page] is None) and (now[page] or 0) != (before[page] or 0) for page in pages
        )

    left_out = next((change for change in listed if shows(change)), None)
    return [change for change in listed if change is not left_out]
