"""Reading an exported file back from disk, and comparing it with what was downloaded."""

import asyncio
import hashlib

from tidemark.content.errors import ExportError
from tidemark.content.part_file import CHUNK, PartFile
from tidemark.content.progress import Meter
from tidemark.content.sparse_digest import SparseDigest
from tidemark.content.state import State
from tidemark.content.threads import in_thread


async def read_back(part: PartFile, state: State, meter: Meter, *, checksum: bool) -> tuple[str, list[int]]:
    """Read all of a file but its holes, and compare it with what was downloaded.

    Args:
        part: the file.
        state: what was downloaded.
        meter: told what is compared.
        checksum: whether to make a SHA-256 of the file, for which its holes take as long as what is written.

    Returns:
        The SHA-256, or an empty text; and the numbers of the windows that are not as they were downloaded.
    """
    await in_thread(part.forget_cache)
    whole, wrong = hashlib.sha256(), list[int]()
    for number, window in enumerate(state.source.windows):
        mine, position = SparseDigest(), window.start
        while position < window.end:
            data = await in_thread(part.next_data, position, window.end)
            if data > position:
                mine.skip(data - position)
                end = data
                if checksum:
                    await in_thread(_add_zeros, whole, end - position)
            else:
                end = min(position + CHUNK, window.end)
                content = await in_thread(part.read, position, end)
                await asyncio.gather(
                    in_thread(mine.add, content), in_thread(whole.update, content if checksum else b"")
                )
            meter.add(end - position)
            position = end
        if mine.hexdigest() != state.done[number]:
            wrong.append(number)
    return whole.hexdigest() if checksum else "", wrong


def _add_zeros(digest: "hashlib._Hash", length: int) -> None:
    zeros = memoryview(bytes(min(length, CHUNK)))
    for start in range(0, length, CHUNK):
        digest.update(zeros[: length - start])


def differs(part: PartFile, state: State, wrong: list[int]) -> ExportError:
    """Make the error for a file that is not as it was downloaded."""
    spans = [state.source.window_at(number) for number in wrong]
    first = ", ".join(f"bytes {span.start}-{span.end - 1}" for span in spans[:3])
    more = f" and {len(wrong) - 3} more windows" if len(wrong) > 3 else ""  # noqa: PLR2004 - as many as are named
    return ExportError(
        f"{part.path} is not what was downloaded in {first}{more}: another program has written to it, or the disk or"
        " the memory of this machine is at fault. What to do: export again, which downloads that again; if it comes"
        " back, export to another disk"
    )
