"""Reading an exported file back from disk, and comparing it with what was downloaded."""

import asyncio
import hashlib

from tidemark.content.errors import ExportError
from tidemark.content.part_file import CHUNK, PartFile
from tidemark.content.progress import Meter
from tidemark.content.state import State
from tidemark.content.threads import in_thread


async def read_back(part: PartFile, state: State, meter: Meter) -> tuple[str, list[int]]:
    """Read all of a file; give its SHA-256, and the numbers of the windows that are not as they were downloaded."""
    await in_thread(part.forget_cache)
    whole, wrong = hashlib.sha256(), list[int]()
    for number, window in enumerate(state.source.windows):
        mine = hashlib.sha256()
        for start in range(window.start, window.end, CHUNK):
            content = await in_thread(part.read, start, min(start + CHUNK, window.end))
            await asyncio.gather(in_thread(whole.update, content), in_thread(mine.update, content))
            meter.add(len(content))
        if mine.hexdigest() != state.done[number]:
            wrong.append(number)
    return whole.hexdigest(), wrong


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
