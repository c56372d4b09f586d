"""An example disk: a small Linux machine's files, and what a day of its life does to them. The same at every run."""

import random
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.local.disks.disk_image import e2fsprogs_is_installed, make_vhd
from infra.local.disks.vhd import MIB, make_footer

LEAST_MIB = 16
_MOST_FILES_BYTES = 128 * MIB
_SMALL_BYTES = 4096
_SEED = 20
_CREATED = 1_767_225_600  # Unix time in the footer of a disk without a filesystem (2026-01-01, UTC)
_WORDS = ("started", "stopped", "reloaded", "session opened for user ana", "disk pressure eased", "timer fired")
_UNITS = ("cron", "sshd", "systemd", "kernel", "nginx", "backup-agent")


def make_example_disk(path: Path, size: int) -> bool:
    """Make a fixed VHD of `size` + 512 bytes, up to a quarter of it in use; tell whether it holds a filesystem.

    Without e2fsprogs on this machine it holds none, but stretches of random bytes.
    """
    if e2fsprogs_is_installed():
        make_vhd(path, size, initial_files(min(size // 4, _MOST_FILES_BYTES)))
        return True
    rng = random.Random(_SEED)  # noqa: S311 - content for a disk, no secret
    with path.open("wb") as image:
        for start in range(0, size, size // 16):
            image.seek(start)
            image.write(rng.randbytes(size // 64))
        image.truncate(size)
        image.seek(size)
        image.write(make_footer(size, uuid.uuid5(uuid.NAMESPACE_URL, path.name), _CREATED))
    return False


def initial_files(total: int) -> dict[str, bytes]:
    """Make files of about `total` bytes: settings, logs, documents, pictures and programs."""
    rng = random.Random(_SEED)  # noqa: S311 - content for a disk, no secret
    files = {f"etc/{unit}/{unit}{n}.conf": _settings(rng) for unit in _UNITS for n in range(8)}
    files |= {f"home/ana/notes/{n:02}.txt": _log(rng, rng.randrange(500, 20_000)) for n in range(40)}
    files |= {
        "etc/hostname": b"example\n",
        "var/log/syslog": _log(rng, total // 64),
        "var/log/syslog.1": _log(rng, total // 16),
        "var/log/auth.log": _log(rng, total // 128),
    }
    left = total - sum(map(len, files.values()))
    for number, length in enumerate(_lengths(rng, left)):
        folder = ("home/ana/pictures", "usr/lib", "usr/bin", "var/lib/db")[number % 4]
        files[f"{folder}/{number:03}.bin"] = rng.randbytes(length)
    return files


def guest_changes(files: Mapping[str, int]) -> tuple[dict[str, bytes], list[str]]:
    """Choose what happens to the files (path: bytes): those added or edited with their content, and those deleted.

    A log grows, the old one goes, a setting is edited, pictures come and go. Files of another machine's disk serve too:
    then files are added in a folder of their own, and a few of a middling size are deleted.
    """
    rng = random.Random(_SEED + 1)  # noqa: S311 - content for a disk, no secret
    ours = "var/log/syslog.1" in files and "etc/hostname" in files
    place = "home/ana/pictures" if ours else "tidemark-demo"
    used = sum(files.values())
    write = {f"{place}/new-{n}.bin": rng.randbytes(min(2 * MIB, used // 100) + 777 * n) for n in range(3)}
    write[f"{place}/new.txt"] = _log(rng, 30_000)
    if not ours:
        return write, [name for name, length in files.items() if _SMALL_BYTES <= length <= MIB and "\n" not in name][:3]
    write["etc/hostname"] = b"example-renamed\n"
    write["var/log/auth.log"] = _log(rng, files["var/log/auth.log"] + 5_000)
    pictures = [name for name in files if name.startswith("home/ana/pictures/")]
    return write, ["var/log/syslog.1", *pictures[::5]]


def _settings(rng: random.Random) -> bytes:
    return "".join(f"option_{n} = {rng.randrange(10_000)}\n" for n in range(rng.randrange(5, 120))).encode()


def _log(rng: random.Random, length: int) -> bytes:
    lines = "".join(
        f"2026-01-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z example {rng.choice(_UNITS)}[{n}]: "
        f"{rng.choice(_WORDS)}\n"
        for n in range(length // 48 + 1)
    )
    return lines.encode()[:length]


def _lengths(rng: random.Random, total: int) -> Iterator[int]:
    """Cut `total` bytes into files: many small ones, a few large ones."""
    while total > 0:
        length = min(total, int(MIB * rng.choice((0.02, 0.1, 0.5, 1.5, 4))) + rng.randrange(4096))
        total -= length
        yield length
