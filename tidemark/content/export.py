"""Exporting a recovery point, or any version of a page blob, to a file."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shared.azure.sources.source import Reader
from shared.changes.ranges import Change
from shared.limits import PAGE
from shared.model.texts import human_size
from shared.model.version import BlobVersion
from tidemark.content.access import Reading
from tidemark.content.comparing import differs, read_back
from tidemark.content.download import Download, count_valid
from tidemark.content.errors import ExportError
from tidemark.content.part_file import PartFile
from tidemark.content.pieces import PieceReader
from tidemark.content.progress import Meter, OnProgress, Stage, tell_nobody
from tidemark.content.qcow2 import convert
from tidemark.content.state import Source, State, sync_folder, window_length
from tidemark.content.target import Format, Target
from tidemark.content.threads import in_thread

AT_ONCE = 8
"""Reads of at most 4 MiB that are under way, or in memory, at a time."""

_COOKIE = b"conectix"  # begins a VHD's footer


class Tuning(NamedTuple):
    """How an export is cut up.

    Attributes:
        window: bytes of a window, whose pages are on record together; 0 to choose by the disk's size.
        save_every: seconds between two records of what is written.
    """

    window: int = 0
    save_every: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported disk.

    Attributes:
        path: the file.
        file_format: its format.
        length: bytes of the disk in it.
        valid: those of its pages that are valid; the rest are zeros.
        downloaded: bytes that this call downloaded.
        sha256: the SHA-256 of these `length` bytes, as read back from disk: that of the file, unless it is a qcow2;
            empty if it was not asked for.
        has_footer: whether the blob ends in a VHD's footer.
        seconds: how long this call took.
    """

    path: Path
    file_format: Format
    length: int
    valid: int
    downloaded: int
    sha256: str
    has_footer: bool
    seconds: float


def _say_nothing(_: str) -> None:
    pass


async def _ask_for_nothing() -> None:
    pass


async def export(
    reader: Reader,
    version: BlobVersion,
    target: Path,
    *,
    file_format: Format = Format.VHD,
    overwrite: bool = False,
    checksum: bool = True,
    at_once: int = AT_ONCE,
    progress: OnProgress = tell_nobody,
    say: Callable[[str], None] = _say_nothing,
    before: Callable[[], Awaitable[None]] = _ask_for_nothing,
    tuning: Tuning = Tuning(),  # noqa: B008 - immutable
) -> Exported:
    """Export a version to a file, or go on with an export that was interrupted.

    Until it is complete, and was read back and compared, the file is called `NAME.part`; `NAME.part.json` says how far
    it is. A call that is cancelled or killed leaves both, and the next one with the same arguments goes on from there.

    Args:
        reader: reads the version.
        version: the snapshot of a backup blob, or a full copy.
        target: the file.
        file_format: its format.
        overwrite: whether a file that is there may be overwritten.
        checksum: whether to make a SHA-256 of the file, for which its holes take as long as what is written; the file
            is compared with what was downloaded anyway.
        at_once: reads of at most 4 MiB that are under way, or in memory, at a time.
        progress: told how far it is, often.
        say: told in a sentence what a person should know, such as that an older export can't be used.
        before: called once nothing stands in the way any more, before anything is downloaded.
        tuning: how the export is cut up.

    Raises:
        ExportError: it can't be exported; the message says why, and what to do.
        SourceGoneError: the version no longer exists.
        AzureError: the service refused, or was busy for too long.
    """
    to = Target.checked(target, file_format, overwrite=overwrite)
    with to.file_errors(), PartFile.opened(to.part) as part:
        work = _Export(Reading(reader), version, to, part, progress=progress, say=say)
        return await work.run(at_once, tuning, before, overwrite=overwrite, checksum=checksum)


class _Export:
    """An export under way, which has the file for itself."""

    def __init__(
        self,
        reading: Reading,
        version: BlobVersion,
        to: Target,
        part: PartFile,
        *,
        progress: OnProgress,
        say: Callable[[str], None],
    ) -> None:
        self._reading, self._version, self._to, self._part = reading, version, to, part
        self._progress, self._say = progress, say
        self._began = time.monotonic()

    async def run(
        self, at_once: int, tuning: Tuning, before: Callable[[], Awaitable[None]], *, overwrite: bool, checksum: bool
    ) -> Exported:
        """Download, compare, convert, rename."""
        pieces = PieceReader(self._reading, self._version, at_once)
        source, has_footer = await self._source(pieces, tuning.window)
        state, is_resumed = await self._state(source)
        await before()
        had = state.bytes_done
        meter = Meter(Stage.DOWNLOAD, had, state.total, self._progress)
        download = Download(
            pieces, self._part, state, self._to.record, is_resumed=is_resumed, save_every=tuning.save_every
        )
        await download.run(self._reading, self._version, at_once, meter)
        digest = await self._compare(state, checksum=checksum)
        await self._finish(source, overwrite=overwrite)
        return Exported(
            path=self._to.path,
            file_format=self._to.file_format,
            length=source.length,
            valid=state.total,
            downloaded=state.total - had,
            sha256=digest,
            has_footer=has_footer,
            seconds=time.monotonic() - self._began,
        )

    async def _source(self, pieces: PieceReader, window: int) -> tuple[Source, bool]:
        """Look at what is exported: what of it goes to the file, and whether it ends in a footer."""
        found = await self._reading.pages.properties(self._version)
        if not found.is_page_blob:
            raise ExportError(f"{self._version.name} is not a page blob. What to do: check the URL")
        last = Change(max(0, found.size - PAGE), found.size, clear=False)
        has_footer = found.size > 0 and (await pieces.read(last)).startswith(_COOKIE)
        is_vhd = self._to.file_format is Format.VHD
        if is_vhd and not has_footer:
            self._say(f"{self._version.name} does not end in a VHD's footer: the file is what it holds, but no VHD")
        length = found.size - PAGE if has_footer and not is_vhd else found.size
        source = Source(
            url=self._version.blob.url,
            snapshot=self._version.snapshot,
            etag=found.etag,
            size=found.size,
            file_format=self._to.file_format,
            length=length,
            window=window or window_length(length),
        )
        return source, has_footer

    async def _state(self, source: Source) -> tuple[State, bool]:
        """Go on with what is on disk, or begin anew; tell which."""
        found = State.load(self._to.record)
        why = self._why_anew(found, source)
        if found and not why:
            self._to.require_room(found.total - found.bytes_done, found.total)
            done, total = human_size(found.bytes_done), human_size(found.total)
            self._say(f"going on with {self._part.path}: {done} of {total} are on disk")
            return found, True
        if self._part.length:
            self._say(f"beginning anew, because {self._part.path} can't be used: {why}")
        state = State(source, await count_valid(self._reading, self._version, source))
        self._to.require_room(state.total - self._part.bytes_on_disk, state.total)
        state.save(self._to.record)
        self._part.begin(source.length)
        return state, False

    def _why_anew(self, found: State | None, source: Source) -> str:
        """Say why what is on disk can't be used; empty if it can be.

        Raises:
            ExportError: it is not Tidemark's.
        """
        if self._part.length and not self._to.record.exists():
            raise ExportError(
                f"{self._part.path} is there without {self._to.record.name}, so it may be somebody's. What to do: move"
                " or delete it, or export to another file"
            )
        if found is None:
            return f"{self._to.record.name} can't be read"
        return found.source.difference(source) or (
            "" if self._part.length == source.length else "it has another length than its record says"
        )

    async def _compare(self, state: State, *, checksum: bool) -> str:
        """Read the file back; what is not as it was downloaded is downloaded again by the next call."""
        meter = Meter(Stage.COMPARE, 0, state.source.length, self._progress)
        digest, wrong = await read_back(self._part, state, meter, checksum=checksum)
        if wrong:
            state.without(wrong).save(self._to.record)
            raise differs(self._part, state, wrong)
        return digest

    async def _finish(self, source: Source, *, overwrite: bool) -> None:
        """Give the file its name, once it is certain that the source has not changed meanwhile."""
        if not source.snapshot and (await self._reading.pages.properties(self._version)).etag != source.etag:
            raise ExportError(
                f"{source.url} was written to while it was exported. What to do: export a recovery point or a snapshot"
            )
        if self._to.program:
            Meter(Stage.CONVERT, 0, 0, self._progress)
            await convert(self._to.program, self._part.path, self._to.converted)
        self._to.require_free(overwrite=overwrite)
        await in_thread(self._rename)

    def _rename(self) -> None:
        if self._to.program:
            self._to.converted.replace(self._to.path)
            self._part.begin(0)  # an empty one does not stay
        else:
            self._part.rename(self._to.path)
        self._to.record.unlink(missing_ok=True)
        sync_folder(self._to.path.parent)
