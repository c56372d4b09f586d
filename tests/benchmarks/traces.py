"""What real programs do to a filesystem between two ticks: databases, a logger, and upgrades of packages."""

import gzip
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

MIB = 1024**2

_ROWS = 400_000
_A_TRANSACTION = 100
_LOGS, _LOGGED, _LOG_BYTES = 8, 40 * MIB, 8 * MIB
_LARGEST_PACKAGE = 20 * MIB
_UPGRADED = 12


class Trace(NamedTuple):
    """A program at work.

    Attributes:
        prepare: what it does before the first tick, in the filesystem that is mounted at a folder.
        work: what it does between two ticks; the number is that of the tick.
    """

    prepare: Callable[[Path], None]
    work: Callable[[Path, int], None]


def traces() -> Mapping[str, Trace]:
    """Give the programs, by name."""
    return {
        "database with WAL, 2,000 rows": _database("wal", 2_000),
        "database with WAL, 20,000 rows": _database("wal", 20_000),
        "database with rollback journal, 2,000 rows": _database("delete", 2_000),
        "database with rollback journal, 20,000 rows": _database("delete", 20_000),
        "logs": Trace(_no_logs, _log),
        "packages": Trace(_install, _upgrade),
    }


def _database(journal: str, rows: int) -> Trace:
    """Give a database of 400,000 rows with an index, of which some are updated, at random."""

    def prepare(folder: Path) -> None:
        rng = random.Random(0)
        with closing(_opened(folder, journal)) as database, database:
            database.execute("create table rows (id integer primary key, key integer, content blob)")
            values = ((rng.getrandbits(60), rng.randbytes(rng.randrange(100, 300))) for _ in range(_ROWS))
            database.executemany("insert into rows (key, content) values (?, ?)", values)
            database.execute("create index by_key on rows (key)")

    def work(folder: Path, tick: int) -> None:
        rng = random.Random(tick)
        with closing(_opened(folder, journal)) as database:
            for _ in range(0, rows, _A_TRANSACTION):
                with database:
                    chosen = [
                        (rng.getrandbits(60), rng.randbytes(200), rng.randrange(_ROWS)) for _ in range(_A_TRANSACTION)
                    ]
                    database.executemany("update rows set key = ?, content = ? where id = ?", chosen)

    return Trace(prepare, work)


def _opened(folder: Path, journal: str) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "database")
    database.execute(f"pragma journal_mode = {journal}")
    database.execute("pragma synchronous = normal")
    return database


def _no_logs(folder: Path) -> None:
    _log(folder, -1)


def _log(folder: Path, tick: int) -> None:
    """Append lines to some logs in turn; a log that is long enough is compressed, and the oldest is deleted."""
    rng = random.Random(tick)
    written = 0
    while written < _LOGGED:
        path = folder / f"{rng.randrange(_LOGS)}.log"
        line = rng.randbytes(rng.randrange(40, 150)).hex().encode() + b"\n"
        with path.open("ab") as log:
            for _ in range(rng.randrange(1, 200)):
                log.write(line)
                written += len(line)
        if path.stat().st_size > _LOG_BYTES:
            for number in (3, 2, 1):
                older = path.with_suffix(f".{number}.gz")
                if older.exists():
                    older.replace(path.with_suffix(f".{number + 1}.gz"))
            path.with_suffix(".1.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
            path.unlink()


def _packages() -> list[list[tuple[str, Path]]]:
    """List the files of the packages that are installed here, small packages only."""
    found = []
    for package in sorted(distributions(), key=lambda package: package.name):
        files = [(str(file), Path(str(file.locate()))) for file in package.files or () if ".." not in str(file)]
        files = [(name, path) for name, path in files if path.is_file()]
        if sum(path.stat().st_size for _, path in files) < _LARGEST_PACKAGE:
            found.append(files)
    return found


def _install(folder: Path) -> None:
    for package in _packages():
        _unpack(folder, package)


def _upgrade(folder: Path, tick: int) -> None:
    """Unpack some packages again: each file beside the one that it then replaces, as package managers do."""
    for package in random.Random(tick).sample(_packages(), _UPGRADED):
        _unpack(folder, package)


def _unpack(folder: Path, package: list[tuple[str, Path]]) -> None:
    for name, source in package:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.new")
        shutil.copyfile(source, fresh)
        fresh.replace(target)
