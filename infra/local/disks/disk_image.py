"""Disk images as sparse local files: a fixed VHD around an ext4 filesystem, changed and trimmed as a guest would.

Offsets and lengths are bytes. Nothing needs root or a mount: e2fsprogs works on the file itself, and leaves alone what
lies behind the filesystem, which is where a VHD has its footer.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath

from infra.local.disks.disk_changes import read_at
from infra.local.disks.vhd import MIB, make_footer

# Plain users' PATH often lacks these.
_TOOL_FOLDERS = (
    *("/sbin", "/usr/sbin", "/usr/local/sbin"),
    *("/opt/homebrew/opt/e2fsprogs/sbin", "/usr/local/opt/e2fsprogs/sbin"),
)
_BLOCK_BYTES = 4096
_DUMPED_AT_ONCE = 256  # files that lie in the temporary folder at a time
_MOST_SECTORS = 2**34  # of 512 bytes: 8 TiB, the most a page blob holds; beyond it a partition table is garbage
_CREATED = 1_767_225_600  # Unix time of every new image (2026-01-01, UTC): the same files give the same bytes
_LISTED = re.compile(rb"/\d+/(\d{6})/\d+/\d+/([^/]+)/(\d*)/\n")


@dataclass(frozen=True, slots=True)
class FilesystemCheck:
    """What `e2fsck -fn` says about a filesystem."""

    clean: bool
    output: str


def make_vhd(path: Path, size: int, files: Mapping[str, bytes]) -> None:
    """Make a fixed VHD of `size` + 512 bytes: an ext4 filesystem with these files (by path in it), no partitions.

    The file's name and the files decide every byte of it (for one version of e2fsprogs).

    Raises:
        ValueError: `size` is not a multiple of 1 MiB, as Azure wants a disk to be.
        RuntimeError: e2fsprogs is missing, or failed, say for lack of space; then there is no file at `path`.
    """
    if size <= 0 or size % MIB:
        raise ValueError(f"A disk's size is a multiple of 1 MiB (1048576 bytes), not {size}.")
    unique_id = uuid.uuid5(uuid.NAMESPACE_URL, path.name)
    fixed = f"hash_seed={unique_id},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1"
    try:
        with path.open("wb") as image:
            image.truncate(size)
        block = ("-b", str(_BLOCK_BYTES))
        _run("mkfs.ext4", "-q", "-F", *block, "-U", str(unique_id), "-E", fixed, str(path), clock=_CREATED)
        with path.open("ab") as image:
            image.write(make_footer(size, unique_id, _CREATED))
        change_filesystem(path, write=files)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def change_filesystem(path: Path, *, write: Mapping[str, bytes] | None = None, delete: Sequence[str] = ()) -> None:
    """Delete files, add or replace others, and punch a hole for every free block, as a guest's TRIM would.

    What a running guest left in the journal is replayed first. To the filesystem it all happens a second after the
    last thing that did. Missing folders are made, folders stay.

    Raises:
        FileNotFoundError: a file to delete is not there; nothing was changed.
        ValueError: no ext filesystem is found, or a name is a folder's or can't be a file's; nothing was changed.
        RuntimeError: e2fsprogs is missing or failed, say for lack of space; the filesystem is consistent, and a part
            of the changes may be in it.
    """
    files = {_name(name): content for name, content in (write or {}).items()}
    doomed = dict.fromkeys(_name(name) for name in delete)
    device, clock = _device(path), _last_used(path) + 1
    _run("e2fsck", "-p", device, clock=clock, accept=(0, 1))
    commands = _change_commands(device, files, tuple(doomed))
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(files.values()):
            source = Path(folder, str(number))
            source.write_bytes(content)
            source.chmod(0o644)
        _, errors = _debugfs(device, commands, clock=clock, folder=folder)
    _run("e2fsck", "-fy", "-E", "discard", device, clock=clock, accept=(0, 1))
    if errors:
        raise RuntimeError(f"debugfs could not change the filesystem in {path}: {errors}")
    check = check_filesystem(path)
    if check is not None and not check.clean:
        raise RuntimeError(f"The filesystem in {path} is not clean after a change: {check.output}")


def check_filesystem(path: Path) -> FilesystemCheck | None:
    """Check the filesystem without changing it, so without replaying its journal; None if e2fsck is not installed.

    Raises:
        ValueError: no ext filesystem is found.
        RuntimeError: e2fsck can't check this one.
    """
    if _tool("e2fsck") is None:
        return None
    done = _run("e2fsck", "-fn", _device(path), accept=(0, 4, 12))
    return FilesystemCheck(clean=done.returncode == 0, output=_text(done.stdout + done.stderr))


def list_files(path: Path) -> dict[str, int]:
    """List the regular files in the filesystem, sorted: path in it, length in bytes.

    Raises:
        ValueError: no ext filesystem is found.
        RuntimeError: debugfs is missing or can't read it.
    """
    device, files, folders = _device(path), dict[str, int](), [""]
    while folders:
        blocks, errors = _debugfs(device, [f"ls -p {_quoted(folder)}" for folder in folders])
        if errors:
            raise RuntimeError(f"debugfs could not list the filesystem in {path}: {errors}")
        below: list[str] = []
        for folder, block in zip(folders, blocks, strict=True):
            for mode, name, length in _LISTED.findall(block):
                if stat.S_ISREG(int(mode, 8)):
                    files[folder + os.fsdecode(name)] = int(length)
                elif stat.S_ISDIR(int(mode, 8)) and name not in {b".", b".."}:
                    below.append(f"{folder}{os.fsdecode(name)}/")
        folders = below
    return dict(sorted(files.items()))


def read_file(path: Path, name: str) -> bytes:
    """Read a file in the filesystem.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no ext filesystem is found.
        RuntimeError: debugfs is missing or can't read it.
    """
    done = _run("debugfs", "-R", f"cat {_quoted(_name(name))}", _device(path))
    errors = _without_banner(done.stderr)
    if "File not found" in errors:
        raise FileNotFoundError(errno.ENOENT, f"No such file in the filesystem of {path}", name)
    if errors:
        raise RuntimeError(f"debugfs could not read {name} in {path}: {errors}")
    return done.stdout


def checksums(path: Path) -> dict[str, str]:
    """Give the SHA-256 of each regular file in the filesystem, sorted: path in it, hexadecimal digest.

    Raises:
        ValueError: no ext filesystem is found.
        RuntimeError: debugfs is missing or can't read it.
    """
    names, found = [name for name in list_files(path) if "\n" not in name], dict[str, str]()
    for first in range(0, len(names), _DUMPED_AT_ONCE):
        some = names[first : first + _DUMPED_AT_ONCE]
        with tempfile.TemporaryDirectory() as folder:
            dumps = [f"dump {_quoted(name)} {number}" for number, name in enumerate(some)]
            _, errors = _debugfs(_device(path), dumps, folder=folder)
            if errors:
                raise RuntimeError(f"debugfs could not read files in {path}: {errors}")
            for number, name in enumerate(some):
                with Path(folder, str(number)).open("rb") as file:
                    found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def find_ext4(path: Path) -> int | None:
    """Find an ext2, 3 or 4 filesystem: its offset, 0 or the first MBR or GPT partition that holds one."""
    with FileIO(path) as image:
        return next((start for start in (0, *_partitions(image)) if _superblock(image, start)), None)


def _superblock(image: FileIO, start: int) -> bytes | None:
    block = read_at(image, start + 1024, 1024)
    return block if block[56:58] == b"\x53\xef" else None


def _last_used(path: Path) -> int:
    """Read when the filesystem was last mounted, written or checked, as Unix time."""
    with FileIO(path) as image:
        block = _superblock(image, find_ext4(path) or 0) or bytes(1024)
    times: tuple[int, int, int] = struct.unpack_from("<II12xI", block, 44)  # mounted, written, checked
    return max(times)


def _partitions(image: FileIO) -> Iterator[int]:
    sector = read_at(image, 0, 512)
    entries = [sector[at : at + 16] for at in range(446, 510, 16)] if sector[510:] == b"\x55\xaa" else []
    header = read_at(image, 512, 512)
    if any(entry[4] == 0xEE for entry in entries) and header.startswith(b"EFI PART"):  # noqa: PLR2004 - a GPT's mark
        first, count, length = struct.unpack_from("<QII", header, 72)
        table = read_at(image, min(first, _MOST_SECTORS) * 512, min(count, 1024) * max(length, 128))
        starts = (struct.unpack_from("<Q", table, at + 32)[0] for at in range(0, len(table) - 39, max(length, 128)))
    else:
        starts = (struct.unpack_from("<I", entry, 8)[0] for entry in entries)
    yield from (start * 512 for start in starts if 0 < start < _MOST_SECTORS)


def _name(name: str) -> str:
    parts = name.strip("/").split("/")
    if any(part in {"", ".", ".."} or "\n" in part or "\0" in part for part in parts):
        raise ValueError(f"Not the path of a file in a filesystem: {name!r}.")
    return "/".join(parts)


def _quoted(name: str) -> str:
    return '"/{}"'.format(name.replace('"', '""'))


def _change_commands(device: str, files: Mapping[str, bytes], delete: Sequence[str]) -> list[str]:
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents[:-1]}
    names = [*sorted(folders, key=lambda folder: (folder.count("/"), folder)), *files, *delete]
    shown, _ = _debugfs(device, [f"stat {_quoted(name)}" for name in names])
    found = (re.search(rb"Type: (\w+)", block) for block in shown)
    kinds = {name: match and match[1].decode() for name, match in zip(names, found, strict=True)}
    for name in (*files, *delete):
        if kinds[name] == "directory":
            raise ValueError(f"{name} is a folder, not a file.")
    if missing := [name for name in delete if not kinds[name]]:
        raise FileNotFoundError(errno.ENOENT, "No such file in the filesystem", missing[0])
    if blocked := [folder for folder in folders if kinds[folder] not in {None, "directory", "symlink"}]:
        raise ValueError(f"{blocked[0]} is a file, not a folder.")
    commands = [f"rm {_quoted(name)}" for name in dict.fromkeys((*delete, *files)) if kinds[name]]
    commands += [f"mkdir {_quoted(folder)}" for folder in names if folder in folders and not kinds[folder]]
    for number, name in enumerate(files):
        folder, _, last = name.rpartition("/")
        commands += [f"cd {_quoted(folder)}", f"write {number} {_quoted(last).replace('/', '', 1)}"]
    return commands


def _device(path: Path) -> str:
    if (offset := find_ext4(path)) is None:
        raise ValueError(f"{path} holds no ext2, ext3 or ext4 filesystem, neither from its start nor in a partition.")
    return f"{path.resolve()}?offset={offset}"


def e2fsprogs_is_installed() -> bool:
    """Tell whether filesystems can be made, changed and checked on this machine."""
    return all(map(_tool, ("mkfs.ext4", "debugfs", "e2fsck")))


def _tool(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_TOOL_FOLDERS)))


def _run(
    tool: str,
    *arguments: str,
    clock: int | None = None,
    accept: Iterable[int] = (0,),
    typed: bytes = b"",
    folder: str | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool of e2fsprogs, at the Unix time `clock` if given; its exit code must be one of `accept`."""
    if (program := _tool(tool)) is None:
        raise RuntimeError(f"{tool} is missing: install e2fsprogs (apt, dnf or brew install e2fsprogs).")
    clocks = ("SOURCE_DATE_EPOCH", "E2FSPROGS_FAKE_TIME", "E2FSCK_TIME") if clock is not None else ()
    env = {**os.environ, "LC_ALL": "C", "DEBUGFS_PAGER": "__none__", **dict.fromkeys(clocks, str(clock))}
    done = subprocess.run([program, *arguments], input=typed, capture_output=True, check=False, env=env, cwd=folder)
    if done.returncode not in accept:
        raise RuntimeError(f"{tool} failed with code {done.returncode}: {_text(done.stdout + done.stderr)}")
    return done


def _debugfs(
    device: str, commands: Sequence[str], *, clock: int | None = None, folder: str | None = None
) -> tuple[list[bytes], str]:
    """Run commands, writing ones if there is a `clock`: what each printed, and all errors (the exit code says none)."""
    if not commands:
        return [], ""
    mode = ("-w",) if clock is not None else ()
    typed = b"".join(os.fsencode(command) + b"\n" for command in commands)
    done = _run("debugfs", *mode, "-f", "-", device, clock=clock, typed=typed, folder=folder)
    return re.split(rb"(?m)^debugfs: .*\n", done.stdout)[1:], _without_banner(done.stderr)


def _without_banner(stderr: bytes) -> str:
    return "\n".join(line for line in _text(stderr).splitlines() if not re.match(r"debugfs \d", line))


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()
