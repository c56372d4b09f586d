"""The entry point: `python3 infra/local COMMAND`, for any Python from 3.8 on, with nothing installed.

It makes .venv (Python 3.13, infra/local/requirements.lock), installs Azurite beside this file, and runs the command.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterable, Iterator, Mapping, Sequence, Tuple

USAGE = """usage: python3 infra/local COMMAND [ARGUMENTS]

  demo      back up and change a disk on this machine
  up        run the local Azure and the app until Ctrl-C
  change    change the disk of a running `up` as a guest would: change DISK (`up` prints the command)
  tidemark  the command line: see and ask for backups, here or in Azure (see --help)
  test      lint, check types, run the tests and check their coverage (arguments, if any, are passed to pytest, without
            coverage; -n 0 runs one test at a time)
  lint      ruff check, ruff format --check, mypy
  soak      simulate random histories of faults on all cores (see --help)
  prove     run the conformance suite and the unproven assumptions against your own Azure (see --help)
  setup     only install .venv and Azurite (less than a minute, once); the other commands do so too

TIDEMARK_PYTHON_FROM lists where to look for Python 3.13, in order (default: running,path,pyenv,account,uv).
"""
WINDOWS = os.name == "nt"
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
VENV_PYTHON = BIN / ("python.exe" if WINDOWS else "python")
STAMP = VENV / ".tidemark-setup"
LOCK = HERE / "requirements.lock"
AZURITE = HERE / "node_modules" / "azurite" / "package.json"
# For the whole run only: a part of the tests does not reach the coverage required by pyproject.toml.
MEASURED = ("--cov", "--cov-report=term")
LINTERS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy", "."))
# What Chromium, and those that are made of it, are called.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "microsoft-edge")
INSTALL_BROWSER = ("sh", "-c", "apt-get update && apt-get install --yes --no-install-recommends chromium")
VERSION = (3, 13)
PROBE = """
import sys, venv, ensurepip
print(sys.version_info[:2])
print(getattr(sys, "_base_executable", None) or sys.executable)
"""
PROBE_SECONDS = 60.0
TAIL_LINES = 15
# Each runs up to four Azurites, of about 200 MiB each.
MAX_WORKERS = 8
HOW_TO_GET_PYTHON = """Three ways to get one:
  uv      https://docs.astral.sh/uv (this command then finds or installs Python 3.13 itself)
  pyenv   pyenv install 3.13
  system  apt install python3.13 python3.13-venv, brew install python@3.13, or https://www.python.org/downloads
"""

Command = Tuple[str, ...]


class SetupError(Exception):
    """A problem that the user has to fix; the message says how."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code (1: setup failed, 2: unknown command, 130: Ctrl-C)."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if command in {"--help", "-h", "help"}:
        print(USAGE, end="")
        return 0
    if command not in COMMANDS or (rest and command in {"lint", "setup"}):
        wrong = f"{command} takes no arguments" if command in COMMANDS else f"No such command: {command}"
        print(f"{wrong}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    try:
        set_up()
        return COMMANDS[command](rest)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def set_up() -> None:
    """Install what is missing; the stamp is written last, so that an interrupted setup is repeated.

    Raises:
        SetupError: Python 3.13 was not found, or an installation failed.
    """
    if is_set_up():
        return
    with contextlib.suppress(FileNotFoundError):
        STAMP.unlink()
    make_venv()
    say("installing Python packages (once)")
    pip = (str(VENV_PYTHON), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if not install_by_uv(pip):
        install("Python packages", (*pip, "-r", str(LOCK)))
    say("installing Azurite")
    npm = str(BIN / ("npm.exe" if WINDOWS else "npm"))
    quiet = ("--no-fund", "--no-audit", "--ignore-scripts", "--omit=dev", "--loglevel=error")
    install("Azurite", (npm, "ci", *quiet))
    STAMP.write_text(current_stamp(), encoding="ascii")


def install_by_uv(pip: Command) -> bool:
    """Install the Python packages by uv, in a fraction of pip's time; return whether that worked.

    Where it does not, pip is next: it knows more of a machine's mirrors, proxies and certificates.
    """
    lock = LOCK.read_text(encoding="utf-8")
    pinned = re.search(r"^uv==.*(\n +--hash.*)*", lock, re.MULTILINE)
    if not pinned:
        return False
    only_uv = VENV / "uv.txt"
    only_uv.write_text(pinned.group(), encoding="utf-8")
    settings = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    index = output_of((str(VENV_PYTHON), "-I", "-m", "pip", "config", "get", "global.index-url"))
    index = os.environ.get("PIP_INDEX_URL") or (index or "").strip()
    if index:
        settings["UV_DEFAULT_INDEX"] = index
    uv = (str(BIN / "uv"), "pip", "install", "--quiet", "--require-hashes", "--python", str(VENV_PYTHON))
    try:
        install("uv", (*pip, "-r", str(only_uv)))
        install("Python packages", (*uv, "-r", str(LOCK)), settings)
    except SetupError:
        return False
    return True


def is_set_up() -> bool:
    """Return whether everything in the lock files is installed, without starting a program."""
    with contextlib.suppress(OSError):
        return STAMP.read_text(encoding="ascii") == current_stamp() and VENV_PYTHON.exists() and AZURITE.exists()
    return False


def current_stamp() -> str:
    """Hash the lock files and the Python version of .venv.

    Raises:
        OSError: there is no .venv, or no lock file.
    """
    lines = (VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    version = [line for line in lines if line.startswith("version")]
    locks = [LOCK.read_bytes(), (HERE / "package-lock.json").read_bytes()]
    return hashlib.sha256(b"\0".join([*locks, *(line.encode() for line in version)])).hexdigest()


def make_venv() -> None:
    """Make .venv, unless there is one with Python 3.13 and a working pip.

    Raises:
        SetupError: Python 3.13 was not found, or could not make it.
    """
    if probe((str(VENV_PYTHON),)) and output_of((str(VENV_PYTHON), "-m", "pip", "--version")) is not None:
        return
    python = find_python()
    say(f"{'remaking' if VENV.exists() else 'making'} .venv with {python}")
    install(".venv", (python, "-I", "-m", "venv", "--clear", str(VENV)))


def find_python() -> str:
    """Find a Python 3.13 that can make a venv: the executable behind the first candidate that works.

    Raises:
        SetupError: there is none; the message lists what was tried.
    """
    tried: list[str] = []
    for name in os.environ.get("TIDEMARK_PYTHON_FROM", ",".join(PLACES)).split(","):
        if name not in PLACES:
            raise SetupError(f"TIDEMARK_PYTHON_FROM contains {name!r}; it accepts {', '.join(PLACES)}.")
        where, candidates = PLACES[name]
        before = len(tried)
        for candidate in candidates():
            python = probe(candidate)
            if python:
                return python
            tried.append(f"{where}: {' '.join(candidate)} is not a Python 3.13 with venv and ensurepip")
        if len(tried) == before:
            tried.append(f"{where}: none")
    looked = "".join(f"  {line}\n" for line in tried)
    raise SetupError(f"Tidemark needs Python 3.13 but did not find it. Tried:\n{looked}{HOW_TO_GET_PYTHON}")


def probe(candidate: Command) -> str | None:
    """Check that a command is a Python 3.13 that can make a venv; return the executable behind any shim or venv."""
    lines = (output_of((*candidate, "-c", PROBE)) or "").splitlines()
    if not lines or lines[0] != str(VERSION):
        return None
    behind = lines[-1]
    return behind if os.path.isfile(behind) else shutil.which(candidate[0])  # noqa: PTH113 - a string


def running() -> Iterator[Command]:
    """Yield the Python that runs this script."""
    if sys.executable:
        yield (sys.executable,)


def on_path() -> Iterator[Command]:
    """Yield every python3.13 on PATH: the first may be a shim that fails."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        program = shutil.which("python3.13", path=folder) if folder else None
        if program:
            yield (program,)
    if WINDOWS and shutil.which("py"):
        yield ("py", "-3.13")


def in_pyenv(folders: Iterable[Path]) -> Iterator[Command]:
    """Yield the 3.13 of each pyenv folder, newest patch first."""
    for folder in folders:
        found = folder.glob("versions/3.13*/" + ("python.exe" if WINDOWS else "bin/python"))
        for program in sorted(found, key=patch_of, reverse=True):
            yield (str(program),)


def patch_of(program: Path) -> tuple[int, str]:
    """Order programs by the patch in a folder's name such as 3.13.10."""
    name = next(part for part in reversed(program.parts) if part.startswith("3.13"))
    digits = name[len("3.13.") :]
    return (int(digits) if digits.isdigit() else -1, name)


def pyenv_folders() -> Iterator[Path]:
    """Yield pyenv's folder by PYENV_ROOT, and the default one."""
    if os.environ.get("PYENV_ROOT"):
        yield Path(os.environ["PYENV_ROOT"])
    yield Path(os.path.expanduser("~"), ".pyenv")  # noqa: PTH111 - Path.home() raises where there is none


def account_pyenv() -> Iterator[Path]:
    """Yield the default pyenv folder in the account's home folder, whatever HOME says."""
    if not WINDOWS:
        import pwd  # noqa: PLC0415 - Windows has none

        with contextlib.suppress(KeyError):
            yield Path(pwd.getpwuid(os.getuid()).pw_dir, ".pyenv")


def by_uv() -> Iterator[Command]:
    """Yield uv's Python 3.13; install it if there is none."""
    local = os.path.expanduser("~/.local/bin/uv")  # noqa: PTH111 - Path.home() raises where there is none
    uv = shutil.which("uv") or shutil.which(local)
    if not uv:
        return
    find = (uv, "python", "find", "3.13")
    found = output_of(find)
    if not found:
        say("installing Python 3.13 by uv")
        output_of((uv, "python", "install", "3.13"), seconds=None)
        found = output_of(find)
    yield (found.strip(),) if found else find


def output_of(command: Command, seconds: float | None = PROBE_SECONDS) -> str | None:
    """Run a program; return what it printed, or None if it failed, could not be run or took too long."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env=environment(),
        )
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
    return None


def install(what: str, command: Command, settings: Mapping[str, str] = {}) -> None:
    """Run an installer quietly, with these environment variables unless they are set.

    Raises:
        SetupError: it failed; the message contains the last lines it printed.
    """
    # Node does not use the machine's certificates by default, without which npm fails behind a company's proxy.
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    env = {"NODE_USE_SYSTEM_CA": "1", **settings, **environment(), "PATH": path}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=str(HERE),
            env=env,
        )
        code, printed = done.returncode, done.stdout.decode("utf-8", "replace")
    except OSError as error:
        code, printed = 1, str(error)
    if code != 0:
        tail = "".join(f"  {line}\n" for line in printed.strip().splitlines()[-TAIL_LINES:])
        raise SetupError(
            f"Installing {what} failed (exit code {code}): {' '.join(command)}\n{tail}\n"
            "What to do: make sure that this machine can reach PyPI and the npm registry, or set a mirror "
            "(pip config set global.index-url URL, npm config set registry URL; behind a proxy, HTTPS_PROXY=URL). "
            "Then run the same command again."
        )


def environment() -> dict[str, str]:
    """Copy the environment without the variables that would break another Python."""
    misleading = {"PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in misleading}


def say(line: str) -> None:
    """Print a line immediately, even into a pipe."""
    print(f"tidemark: {line}", flush=True)


def installed(_: Sequence[str]) -> int:
    """Say that everything is installed."""
    say("Python packages and Azurite are installed; next: python3 infra/local demo")
    return 0


def lint(_: Sequence[str]) -> int:
    """Run the linters; return the exit code of the first that fails."""
    for linter in LINTERS:
        say(" ".join(linter))
        code = subprocess.call((str(VENV_PYTHON), "-m", *linter), cwd=str(ROOT), env=environment())
        if code != 0:
            return code if code > 0 else 128 - code
    return 0


def test(arguments: Sequence[str]) -> int:
    """Run the linters, then pytest; return the exit code of the first that fails."""
    with contextlib.ExitStack() as meanwhile:
        if not arguments or any("browser" in argument for argument in arguments):
            meanwhile.enter_context(installing_browser())
        if not arguments:
            meanwhile.enter_context(compiling_tests())
        code = lint(())
    if code != 0:
        return code
    chosen = (*parallel_options(), *(arguments or MEASURED))
    say(" ".join(("pytest", *chosen)))
    os.chdir(ROOT)
    return become("pytest", chosen)


@contextlib.contextmanager
def compiling_tests() -> Iterator[None]:
    """Have all tests compiled meanwhile, as mypy takes one core: else each of pytest's processes compiles them.

    Nothing depends on it: what it finds wrong, the tests find again.
    """
    command = (str(VENV_PYTHON), "-m", "pytest", "--collect-only", "--quiet")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=str(ROOT), env=of_python(), stdout=quiet, stderr=quiet) as compiling:
        try:
            yield
        except BaseException:
            compiling.terminate()
            raise


@contextlib.contextmanager
def installing_browser() -> Iterator[None]:
    """Have a browser installed meanwhile if there is none, where that is for us to do.

    What is interrupted leaves apt's own state to be repaired, so its end is waited for. Where it fails, the tests say
    so.
    """
    if find_browser() or not may_install_browser():
        yield
        return
    say("installing chromium by apt for the tests in a browser (once)")
    quiet = subprocess.DEVNULL
    env = {**environment(), "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(INSTALL_BROWSER, stdin=quiet, stdout=quiet, stderr=quiet, env=env) as installing:
        yield
    if installing.returncode != 0:
        say(f"that failed (exit code {installing.returncode}); what to do: {INSTALL_BROWSER[-1]}")


def find_browser() -> str | None:
    """Return the path of the first browser on PATH that the tests can drive."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def may_install_browser() -> bool:
    """Return whether this is root's Debian: elsewhere the package is another one, or the machine is somebody else's."""
    with contextlib.suppress(OSError):
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
        return "ID=debian" in lines and os.geteuid() == 0 and bool(shutil.which("apt-get"))
    return False


def parallel_options() -> Command:
    """Return pytest's options for parallel tests, two per core, as every second one waits most of the time."""
    workers = min(2 * (os.cpu_count() or 1), MAX_WORKERS)
    return ("-n", str(workers), "--dist", "loadgroup")


def become(module: str, arguments: Sequence[str]) -> int:
    """Replace this process by a module run in .venv: it gets the signals, and its exit code is this one's."""
    command = (str(VENV_PYTHON), "-m", module, *arguments)
    if not WINDOWS:
        os.execve(command[0], command, of_python())  # noqa: S606 - no shell needed
    return subprocess.call(command, env=of_python())


def of_python() -> dict[str, str]:
    """Return the environment of the project's own programs.

    Bytecode is kept whatever the caller's environment says, or each process of a demo or a test would compile again.
    """
    variables = {**environment(), "PYTHONPATH": str(ROOT)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


PLACES: dict[str, tuple[str, Callable[[], Iterator[Command]]]] = {
    "running": ("the running Python", running),
    "path": ("python3.13 on PATH", on_path),
    "pyenv": ("pyenv (PYENV_ROOT, ~/.pyenv)", lambda: in_pyenv(pyenv_folders())),
    "account": ("pyenv in the account's home", lambda: in_pyenv(account_pyenv())),
    "uv": ("uv (on PATH, ~/.local/bin)", by_uv),
}
COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "demo": lambda arguments: become("infra.local.demo", arguments),
    "up": lambda arguments: become("infra.local.up", arguments),
    "change": lambda arguments: become("infra.local.change", arguments),
    "tidemark": lambda arguments: become("tidemark", arguments),
    "test": test,
    "lint": lint,
    "soak": lambda arguments: become("tests.simulation.soak", arguments),
    "prove": lambda arguments: become("tests.conformance.real", arguments),
    "setup": installed,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
