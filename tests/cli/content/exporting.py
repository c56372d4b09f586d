"""What the tests of exports are about: a disk in small windows, and what ends an export of it."""

import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from shared.model.version import BlobVersion
from tests.cli.content.blobs import MIB, Blob, Watched
from tidemark.content.export import Exported, Tuning, export

type Make = Callable[[int], Awaitable[Blob]]

UNIT = MIB // 4
SMALL = Tuning(window=UNIT, save_every=0)
SIZE = 16 * UNIT + PAGE


class StruckError(Exception):
    """What ends an export in a test."""


def content(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def held(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


async def exported(reader: BlobReader | Watched, version: BlobVersion, target: Path, **options: object) -> Exported:
    return await export(reader, version, target, **{"tuning": SMALL, **options})  # type: ignore[arg-type]


def failing_at(number: int) -> Callable[[int], None]:
    def before(read: int) -> None:
        if read == number:
            raise StruckError

    return before


def windows_done(target: Path) -> int:
    record = target.with_name(f"{target.name}.part.json")
    return len(json.loads(record.read_text())["done"]) if record.exists() else 0


async def interrupted(reader: BlobReader, version: BlobVersion, target: Path, **options: object) -> None:
    with pytest.raises(StruckError):
        await exported(Watched(reader, failing_at(9)), version, target, at_once=2, **options)
    assert windows_done(target)
