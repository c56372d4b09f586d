"""A checksum of a disk's window that takes no time for what is zeros: most of most disks."""

import hashlib

BLOCK = 64 * 1024
_ZEROS = bytes(BLOCK)


class SparseDigest:
    """The SHA-256 of the blocks that are not all zeros, each with its number; whether zeros are written is the same."""

    def __init__(self) -> None:
        self._digest, self._block, self._number = hashlib.sha256(), bytearray(), 0

    def add(self, content: bytes) -> None:
        """Go on with some content."""
        left = memoryview(content)
        while left:
            room = BLOCK - len(self._block)
            self._block += left[:room]
            left = left[room:]
            self._end_block()

    def skip(self, length: int) -> None:
        """Go on with so many zeros."""
        head = min(length, -len(self._block) % BLOCK)
        self._block += bytes(head)
        self._end_block()
        blocks, tail = divmod(length - head, BLOCK)
        self._number += blocks
        self._block += bytes(tail)

    def hexdigest(self) -> str:
        """Give the checksum of all so far, which is the end: zeros up to the end of a block change nothing."""
        self.skip(-len(self._block) % BLOCK)
        return self._digest.hexdigest()

    def _end_block(self) -> None:
        if len(self._block) < BLOCK:
            return
        if self._block != _ZEROS:
            self._digest.update(self._number.to_bytes(8) + self._block)
        self._number += 1
        self._block.clear()
