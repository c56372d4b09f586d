"""`status --html`: the page that the app would serve, written to a file."""

from pathlib import Path

from shared.page.pages import disk_html, status_html
from tidemark import configuration, disks
from tidemark.outcome import Answer, Exit, Problem
from tidemark.status import look
from tidemark.store import Store, known_disks


async def write(store: Store, text: str, file: str) -> Answer:
    """Write the page of all disks, or of one, and show the report as without it.

    A file has no other pages to lead to, and does not load itself again.

    Raises:
        Problem: the text names no disk, or several; or the file can't be written.
    """
    answer, prices = await look(store, text), configuration.prices()
    disk = disks.named(text, known_disks(await store.report())).name if text else ""
    with store.page() as reads:
        if disk:
            page = await disk_html(reads, disk, links=False, prices=prices)
        else:
            page = await status_html(reads, links=False, prices=prices)
    _write(Path(file), page)
    return answer


def _write(file: Path, page: str) -> None:
    try:
        file.write_bytes(page.encode(errors="replace"))
    except OSError as error:
        raise Problem(f"{file} can't be written: {error.strerror}", Exit.ATTENTION) from None
