"""The demo as a command: its options, its report, its exit code."""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
from azure.core.exceptions import AzureError

from infra.local.demo.backing_up import BackupError
from infra.local.demo.command_line import CommandError
from infra.local.demo.managed_scenario import run_managed_scenario
from infra.local.demo.picture import draw, in_brief
from infra.local.demo.proof_result import ProofResult
from infra.local.demo.proofs import listed
from infra.local.demo.scenario import run_scenario
from infra.local.demo.terminal import Terminal
from infra.local.demo.watching import WaitedError
from infra.local.disks.example_disk import LEAST_MIB
from infra.local.disks.vhd import MIB
from infra.local.graceful_shutdown import run_until_stopped
from infra.local.host.process import HostProcess
from infra.local.status_page import page_url, stay

_DEFAULT_MIB = 1024
_MOST_MIB = 64 * 1024
_LOG_LINES = 30
_STOPPED = 130
_EXPECTED = (BackupError, CommandError, WaitedError, RuntimeError, ValueError, OSError, AzureError, aiohttp.ClientError)
_KEPT = """
The status page stays up until you press Ctrl-C:
  {page}"""

_CLOSING = """
The status page was at {page}; with --keep it stays up.

Each recovery point is a snapshot of the disk's backup blob. The first run copied the disk's data; each later run copied
only what had changed. The first recovery point was restored to a new disk. SOURCE_DISKS does not list that disk, but
Tidemark backs it up too: its first backup copied only what had changed since the restore. No Azure account was
needed, and nothing is left running.

What to type next:
  python3 infra/local demo --disk FILE.vhd   the same with a disk of your own (it is copied, never written to)
  python3 infra/local demo --identity        the same with account keys disabled: managed identity only
  python3 infra/local demo --keep            the same, and the status page stays up at the end
  python3 infra/local demo --managed         a managed disk, backed up by its incremental snapshots
  python3 infra/local tidemark --help        what else the command line does
  python3 infra/local up                     the local Azure and the app, to try things out
  python3 infra/local test                   lint, type-check and run all tests"""

_CLOSING_MANAGED = """
The status page was at {page}; with --keep it stays up.

The first run copied the disk's data; each after it only what had changed, by the difference of two incremental
snapshots. One snapshot of a disk stays, for the next run. The resource manager and the managed disks are models of
Azure's, made from what is documented: see docs/managed-disks.md for what is assumed. Nothing is left running."""


class _Ending:
    """What the demo does at its end, while everything still runs: it reports, and stays until Ctrl-C if it is to.

    Attributes:
        code: the exit code.
    """

    def __init__(self, terminal: Terminal, closing: str, *, keep: bool) -> None:
        self.code = 1
        self._terminal = terminal
        self._closing = _KEPT if keep else closing
        self._keep = keep

    async def __call__(self, points: list[ProofResult], host: HostProcess) -> None:
        """Report the recovery points."""
        code = report(self._terminal, points, self._closing.format(page=page_url(host)))
        if self._keep and code == 0:
            await stay(host)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; give 0 if every recovery point was proven, 1 if not or on an error, 130 after Ctrl-C."""
    options, terminal = _read_options(arguments), Terminal(sys.stdout)
    size = options.size * MIB
    if options.managed:
        demo = _run_managed(terminal, size, options.disk, _Ending(terminal, _CLOSING_MANAGED, keep=options.keep))
    else:
        ending = _Ending(terminal, _CLOSING, keep=options.keep)
        demo = _run(terminal, size, options.disk, ending, by_identity=options.identity)
    code = run_until_stopped(demo, when_stopped=_STOPPED)
    if code == _STOPPED:
        terminal.say("Stopped; nothing is left running.")
    if code == 0 and options.picture:
        closing = _CLOSING_MANAGED if options.managed else _CLOSING
        lines = terminal.lines[: -len(closing.split("\n"))]
        options.picture.write_text(draw(in_brief(lines)), encoding="utf-8")
    return code


async def _run(terminal: Terminal, size: int, own: Path | None, ending: _Ending, *, by_identity: bool) -> int:
    terminal.say(
        "Tidemark demo: backs up a disk three times and restores it once, entirely on this machine.\n"
        "It takes about a minute, longer on a busy machine. Press Ctrl-C to stop.\n"
    )
    with tempfile.TemporaryDirectory(prefix="tidemark-demo-") as folder, _log(terminal) as log:
        await run_scenario(terminal, Path(folder), log, size, own, end=ending, by_identity=by_identity)
    return ending.code


async def _run_managed(terminal: Terminal, size: int, own: Path | None, ending: _Ending) -> int:
    terminal.say(
        "Tidemark demo: backs up a managed disk twice and restores it as another one, entirely on this machine.\n"
        "Press Ctrl-C to stop.\n"
    )
    with tempfile.TemporaryDirectory(prefix="tidemark-demo-") as folder, _log(terminal) as log:
        await run_managed_scenario(terminal, Path(folder), log, size, own, end=ending)
    return ending.code


def report(terminal: Terminal, points: Sequence[ProofResult], closing: str) -> int:
    """Write what was proven, and the closing; give the exit code: 0 if every recovery point is proven, else 1."""
    terminal.say_apart(f"What was proven:\n{listed(points)}")
    broken = [result.point.time for result in points if not result.holds]
    if broken or not points:
        terminal.say(f"\nNot proven: {', '.join(broken) or 'there is no recovery point'}.")
        return 1
    terminal.say(closing)
    return 0


@contextlib.contextmanager
def _log(terminal: Terminal) -> Iterator[Path]:
    """Give a file for the host's log. After a failure, say what failed, show the end of the log and keep the file."""
    handle, name = tempfile.mkstemp(prefix="tidemark-demo-", suffix=".log")
    os.close(handle)
    log = Path(name)
    keep = False
    try:
        yield log
    except Exception as error:
        terminal.say(f"\nThe demo failed: {str(error) or type(error).__name__}")
        keep = _show_end(terminal, log)
        if not isinstance(error, _EXPECTED):
            raise
    finally:
        if not keep:
            log.unlink()


def _show_end(terminal: Terminal, log: Path) -> bool:
    """Show the end of the host's log; return whether it has any lines."""
    lines = log.read_text(errors="replace").splitlines()
    if lines:
        terminal.say(f"The functions host's log is {log}. Its last lines:")
        terminal.say("\n".join(f"  {line}" for line in lines[-_LOG_LINES:]))
    return bool(lines)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    what = "Back up a disk, change it, restore it, and verify each recovery point."
    parser = argparse.ArgumentParser(prog="python3 infra/local demo", description=what)
    parser.add_argument("--disk", type=Path, metavar="FILE.vhd", help="a fixed VHD of your own (opened read-only)")
    parser.add_argument(
        "--size",
        type=_mebibytes,
        default=_DEFAULT_MIB,
        metavar="MIB",
        help=f"size of the example disk ({_DEFAULT_MIB})",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the output as a picture")
    parser.add_argument("--managed", action="store_true", help="a managed disk, by a local resource manager")
    parser.add_argument("--identity", action="store_true", help="disable account keys: managed identity only")
    parser.add_argument("--keep", action="store_true", help="leave all running at the end, with the status page")
    options = parser.parse_args(arguments)
    if options.managed and options.identity:
        parser.error("--managed and --identity can't be combined")
    if options.keep and options.picture:
        parser.error("--keep and --picture can't be combined: the picture is drawn at the end")
    return options


def _mebibytes(text: str) -> int:
    if not text.isdigit() or not LEAST_MIB <= int(text) <= _MOST_MIB:
        raise argparse.ArgumentTypeError(f"expected whole MiB from {LEAST_MIB} to {_MOST_MIB}, got {text!r}")
    return int(text)
