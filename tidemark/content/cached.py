"""Remembering what was read of a disk: a parser reads the same places over and over, such as a table of files."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

BLOCK = 64 * 1024
"""Bytes that are remembered, and forgotten, together."""

_BLOCKS = 1024
_LARGE = 16 * BLOCK


class Cached:
    """Reads bytes through a memory of 64 MiB; what follows each other is read by one call."""

    def __init__(self, read: Callable[[int, int], Awaitable[bytes]], size: int, blocks: int = _BLOCKS) -> None:
        """Begin with nothing.

        Args:
            read: reads so many bytes from a byte on.
            size: how many there are.
            blocks: how many blocks are remembered.
        """
        self._read, self._size, self._most = read, size, blocks
        self._blocks = OrderedDict[int, bytes]()

    async def read(self, start: int, length: int) -> bytes:
        """Read bytes; those past the end are left out. A long piece, such as of a file, is not remembered."""
        end = min(start + length, self._size)
        if start >= end or end - start > _LARGE:
            return await self._read(start, end - start) if start < end else b""
        numbers = range(start // BLOCK, -(-end // BLOCK))
        found = {number: self._blocks[number] for number in numbers if number in self._blocks}
        missing = [number for number in numbers if number not in found]
        if missing:
            first, after = missing[0], missing[-1] + 1
            content = await self._read(first * BLOCK, min(after * BLOCK, self._size) - first * BLOCK)
            found |= {first + at: content[at * BLOCK : (at + 1) * BLOCK] for at in range(after - first)}
        for number in numbers:
            self._blocks[number] = found[number]
            self._blocks.move_to_end(number)
        while len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return b"".join(found[number] for number in numbers)[start % BLOCK :][: end - start]
