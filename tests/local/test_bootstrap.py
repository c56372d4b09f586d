"""The way in: `python3 infra/local COMMAND` on machines made of small shell scripts."""

import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.local.__main__ import may_install_browser

if sys.platform == "win32":
    pytest.skip("the machines in these tests are made of shell scripts", allow_module_level=True)

BOOTSTRAP = Path(__file__).parents[2] / "infra" / "local" / "__main__.py"
BOUND_SECONDS = 180
on_roots_debian = pytest.mark.skipif(not may_install_browser(), reason="root installs a browser, on Debian only")

# A Python 3.13, before and in a venv. FAKE_LOG gets a line for every start of one but the probes.
PYTHON = """#!/bin/sh
given_path=$PATH; PATH=/usr/bin:/bin
case "$*" in
  *ensurepip*) echo "(3, 13)"; echo "$0"; exit 0 ;;
esac
echo "$0 $*" >> "$FAKE_LOG"
case "$*" in
  *"-m venv"*)
    for folder; do :; done
    mkdir -p "$folder/bin"
    echo "version = 3.13.7" > "$folder/pyvenv.cfg"
    cp "$0" "$folder/bin/python"
    cp "$FAKE_NPM" "$folder/bin/npm" ;;
  *"-m pip config get"*) exit 1 ;;
  *"-m pip install"*uv.txt)
    cat "${0%/bin/python}/uv.txt" >> "$FAKE_LOG"; echo >> "$FAKE_LOG"
    cp "$FAKE_INSTALLER" "${0%python}uv" ;;
  *"-m pip install"*)
    if [ -n "$PIP_HANGS" ]; then echo here > "$PIP_HANGS"; exec sleep 60; fi
    if [ -n "$PIP_FAILS" ]; then echo "first line"; echo "Could not resolve the index"; exit 9; fi ;;
  *"-m infra.local."*)
    echo "pid $$ in $PWD with PYTHONPATH $PYTHONPATH"
    [ -z "${PYTHONDONTWRITEBYTECODE+set}" ] || echo "keeps no bytecode"
    exit 7 ;;
  *"-m ruff format"*) exit "${FORMAT_EXIT:-0}" ;;
  *"-m pytest"*) exit 5 ;;
esac
"""
INSTALLER = """#!/bin/sh
echo "uv $* UV_DEFAULT_INDEX=$UV_DEFAULT_INDEX" >> "$FAKE_LOG"
exit "${UV_EXIT:-0}"
"""
NPM = """#!/bin/sh
echo "npm $* NODE_USE_SYSTEM_CA=$NODE_USE_SYSTEM_CA PATH=$PATH" >> "$FAKE_LOG"
PATH=/usr/bin:/bin
if [ -n "$NPM_FAILS" ]; then echo "npm error code ENOTFOUND"; exit 1; fi
mkdir -p node_modules/azurite && echo "{}" > node_modules/azurite/package.json
"""
APT = """#!/bin/sh
echo "apt-get $*" >> "$FAKE_LOG"
"""
FAILING_SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
NO_ENSUREPIP = "#!/bin/sh\necho \"No module named 'ensurepip'\" >&2\nexit 1\n"
OLDER = '#!/bin/sh\necho "(3, 12)"\necho "$0"\n'
UV = """#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
  "python install 3.13") mkdir -p "$HOME/uv" && cp "$FAKE_PYTHON" "$HOME/uv/python3.13" ;;
  "python find 3.13") [ -e "$HOME/uv/python3.13" ] && echo "$HOME/uv/python3.13" ;;
esac
"""


def hear_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background: they ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Machine:
    """A home, a folder on PATH and a clone of the project; `env` is what a person has set."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def log(self) -> list[str]:
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []

    def script(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return file

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        base = {
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.folder / 'first'}:{self.folder / 'second'}",
            "TIDEMARK_PYTHON_FROM": "path,pyenv,uv",
            **{f"FAKE_{name}": str(self.folder / name.lower()) for name in ("LOG", "NPM", "PYTHON", "INSTALLER")},
        }
        return subprocess.Popen(
            [sys.executable, self.project / "infra" / "local", *arguments],
            env={**base, **self.env},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - no threads here
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code and all that was printed."""
        with self.start(*arguments) as process:
            printed, _ = process.communicate(timeout=BOUND_SECONDS)
        return process.returncode, printed


AT_ONCE = f"-n {min(2 * (os.cpu_count() or 1), 8)} --dist loadgroup"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    local = machine.project / "infra" / "local"
    local.mkdir(parents=True)
    shutil.copy(BOOTSTRAP, local)
    (local / "requirements.lock").write_text("")
    (local / "package-lock.json").write_text("{}")
    machine.script("python", PYTHON)
    machine.script("npm", NPM)
    machine.script("installer", INSTALLER)
    return machine


@pytest.fixture
def ready(machine: Machine) -> Machine:
    machine.script("second/python3.13", PYTHON)
    assert machine.run("setup")[0] == 0
    return machine


@pytest.mark.parametrize("unfit", [FAILING_SHIM, NO_ENSUREPIP, OLDER], ids=["shim", "no ensurepip", "older"])
def test_a_python_on_the_path_that_does_not_serve_is_passed_over(machine: Machine, unfit: str) -> None:
    machine.script("first/python3.13", unfit)
    serves = machine.script("second/python3.13", PYTHON)
    code, printed = machine.run("setup")
    assert code == 0, printed
    assert f"making .venv with {serves}" in printed


def test_the_newest_patch_in_pyenv_is_taken(machine: Machine) -> None:
    for patch in (2, 10, 9):
        machine.script(f"root/versions/3.13.{patch}/bin/python", PYTHON)
    machine.env["PYENV_ROOT"] = str(machine.folder / "root")
    code, printed = machine.run("setup")
    assert code == 0, printed
    assert "versions/3.13.10/bin/python" in printed


def test_pyenv_in_the_home_folder_is_found_behind_its_failing_shim(machine: Machine) -> None:
    machine.script("first/python3.13", FAILING_SHIM)
    machine.script("home/.pyenv/versions/3.13.0/bin/python", PYTHON)
    code, printed = machine.run("setup")
    assert code == 0, printed
    assert "home/.pyenv/versions/3.13.0/bin/python" in printed


def test_uv_installs_a_python_where_there_is_none(machine: Machine) -> None:
    machine.script("home/.local/bin/uv", UV)
    code, printed = machine.run("setup")
    assert code == 0, printed
    assert "making .venv with " + str(machine.folder / "home/uv/python3.13") in printed


def test_without_a_python_the_message_names_what_was_tried_and_what_to_do(machine: Machine) -> None:
    shim = machine.script("first/python3.13", FAILING_SHIM)
    code, printed = machine.run("demo")
    assert code == 1
    for expected in (
        str(shim),
        "pyenv (PYENV_ROOT, ~/.pyenv): none",
        "uv (on PATH",
        "pyenv install 3.13",
        "apt install",
    ):
        assert expected in printed
    assert not (machine.project / ".venv").exists()


@pytest.mark.nightly
def test_a_real_venv_is_made_by_the_running_python(machine: Machine) -> None:
    machine.env["TIDEMARK_PYTHON_FROM"] = "running"
    code, printed = machine.run("setup")
    assert code == 1, "there is no npm, as requirements.lock is empty here"
    assert "Installing Azurite failed" in printed
    python = machine.project / ".venv" / "bin" / "python"
    version = subprocess.check_output([python, "-c", "import sys, pip; print(sys.version_info[:2])"], text=True)
    assert version.strip() == "(3, 13)"


def test_setup_runs_once(ready: Machine) -> None:
    before = ready.log
    assert ready.run("setup")[0] == 0
    assert ready.log == before


LOCKED_UV = "uv==0.13.9 \\\n    --hash=sha256:16 \\\n    --hash=sha256:2c\n    # via tidemark\n"


@pytest.mark.parametrize("mirror", ["", "https://mirror.example/simple"])
def test_packages_are_installed_by_the_uv_of_the_lock_file_from_pips_mirror(machine: Machine, mirror: str) -> None:
    machine.script("first/python3.13", PYTHON)
    (machine.project / "infra/local/requirements.lock").write_text(f"trustme==1.2\n{LOCKED_UV}zensical==0.0.50\n")
    machine.env.update({"PIP_INDEX_URL": mirror} if mirror else {})
    code, printed = machine.run("setup")
    assert code == 0, printed
    first, second = (line for line in machine.log if "pip install" in line)
    assert first.endswith("/uv.txt")
    assert second.startswith("uv pip install --quiet --require-hashes ")
    assert second.endswith(f"/requirements.lock UV_DEFAULT_INDEX={mirror}")
    assert machine.log[machine.log.index(first) + 1 :][:3] == LOCKED_UV.splitlines()[:3]
    assert not any("trustme" in line for line in machine.log), "pip installs uv alone"


def test_where_uv_can_not_install_them_pip_does(machine: Machine) -> None:
    machine.script("first/python3.13", PYTHON)
    (machine.project / "infra/local/requirements.lock").write_text(LOCKED_UV)
    machine.env["UV_EXIT"] = "2"
    code, printed = machine.run("setup")
    assert code == 0, printed
    assert any("-m pip install" in line and line.endswith("requirements.lock") for line in machine.log)


def test_npm_runs_no_scripts_and_trusts_the_machines_certificates(ready: Machine) -> None:
    line = next(line for line in ready.log if line.startswith("npm "))
    assert line.startswith("npm ci --no-fund --no-audit --ignore-scripts --omit=dev --loglevel=error ")
    assert f"NODE_USE_SYSTEM_CA=1 PATH={ready.project / '.venv' / 'bin'}:" in line


@pytest.mark.parametrize("lost", ["requirements.lock", "package-lock.json"])
def test_a_changed_lock_file_is_installed(ready: Machine, lost: str) -> None:
    (ready.project / "infra" / "local" / lost).write_text("changed")
    before = len(ready.log)
    assert ready.run("setup")[0] == 0
    assert any("pip install" in line for line in ready.log[before:])
    assert any(line.startswith("npm ci") for line in ready.log[before:])


def test_a_removed_azurite_is_installed_again(ready: Machine) -> None:
    shutil.rmtree(ready.project / "infra" / "local" / "node_modules")
    assert ready.run("setup")[0] == 0
    assert (ready.project / "infra" / "local" / "node_modules" / "azurite").exists()


def test_a_venv_whose_python_is_gone_is_made_again(ready: Machine) -> None:
    (ready.project / ".venv" / "bin" / "python").unlink()
    code, printed = ready.run("setup")
    assert code == 0, printed
    assert "remaking .venv" in printed


@pytest.mark.parametrize(
    ("failure", "reason"), [("PIP_FAILS", "Could not resolve the index"), ("NPM_FAILS", "npm error code ENOTFOUND")]
)
def test_a_failed_download_says_why_and_is_done_again_by_the_next_run(
    machine: Machine, failure: str, reason: str
) -> None:
    machine.script("first/python3.13", PYTHON)
    machine.env[failure] = "yes"
    for _ in range(2):
        code, printed = machine.run("setup")
        assert (code, reason in printed, "What to do: " in printed) == (1, True, True), printed
    del machine.env[failure]
    assert machine.run("setup")[0] == 0


def test_what_a_failed_update_left_does_not_count_for_the_old_lock_file(ready: Machine) -> None:
    lock = ready.project / "infra" / "local" / "requirements.lock"
    lock.write_text("newer")
    ready.env["PIP_FAILS"] = "yes"
    assert ready.run("setup")[0] == 1
    lock.write_text("")
    assert ready.run("setup")[0] == 1, "pip is asked for the old packages again"


def test_a_command_goes_on_in_the_same_process_where_the_caller_is(ready: Machine) -> None:
    ready.env["PYTHONPATH"] = "/elsewhere"
    with ready.start("demo", "--size", "two words") as process:
        printed, _ = process.communicate(timeout=BOUND_SECONDS)
    assert process.returncode == 7
    assert printed == f"pid {process.pid} in {ready.folder} with PYTHONPATH {ready.project}\n"
    assert ready.log[-1].endswith("-m infra.local.demo --size two words")


def test_bytecode_is_kept_whatever_the_environment_says(ready: Machine) -> None:
    ready.env["PYTHONDONTWRITEBYTECODE"] = "1"
    _, printed = ready.run("demo")
    assert "keeps no bytecode" not in printed


def test_test_lints_checks_types_and_tests_in_this_order(ready: Machine) -> None:
    code, printed = ready.run("test", "-k", "something")
    steps = ["ruff check .", "ruff format --check .", "mypy .", f"pytest {AT_ONCE} -k something"]
    assert printed.splitlines() == [f"tidemark: {step}" for step in steps]
    assert [line.partition(" -m ")[2] for line in ready.log[-4:]] == steps
    assert code == 5


def test_a_run_of_all_tests_is_measured_and_compiles_them_while_it_lints(ready: Machine) -> None:
    _, printed = ready.run("test")
    assert printed.splitlines()[-1] == f"tidemark: pytest {AT_ONCE} --cov --cov-report=term"
    begun = [line.partition(" -m ")[2] for line in ready.log[-5:]]
    assert "pytest --collect-only --quiet" in begun[:-1]
    assert begun[-1] == f"pytest {AT_ONCE} --cov --cov-report=term"


@on_roots_debian
def test_a_browser_is_installed_while_it_lints_where_there_is_none(ready: Machine) -> None:
    ready.script("first/apt-get", APT)
    ready.script("first/sh", '#!/bin/sh\nexec /bin/sh "$@"\n')
    _, printed = ready.run("test", "tests/browser")
    assert printed.splitlines()[0] == "tidemark: installing chromium by apt for the tests in a browser (once)"
    asked = [line for line in ready.log if line.startswith("apt-get")]
    assert asked == ["apt-get update", "apt-get install --yes --no-install-recommends chromium"]
    before = len(ready.log)
    ready.script("first/chromium", "#!/bin/sh\n")
    ready.run("test", "tests/browser")
    assert not [line for line in ready.log[before:] if line.startswith("apt-get")], "once"


@on_roots_debian
def test_a_browser_that_can_not_be_installed_is_told_and_the_tests_go_on(ready: Machine) -> None:
    ready.script("first/apt-get", "#!/bin/sh\nexit 100\n")
    ready.script("first/sh", '#!/bin/sh\nexec /bin/sh "$@"\n')
    code, printed = ready.run("test", "tests/browser")
    assert "that failed (exit code 100); what to do: apt-get update && apt-get install" in printed
    assert printed.splitlines()[-1] == f"tidemark: pytest {AT_ONCE} tests/browser"
    assert code == 5


@pytest.mark.parametrize("command", ["test", "lint"])
def test_the_first_failing_step_ends_it_with_its_exit_code(ready: Machine, command: str) -> None:
    ready.env["FORMAT_EXIT"] = "3"
    code, printed = ready.run(command)
    assert code == 3
    assert printed.splitlines() == ["tidemark: ruff check .", "tidemark: ruff format --check ."]


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--help",), 0), (("deploy",), 2), (("lint", "x"), 2)])
def test_help_and_mistakes_show_the_usage_and_install_nothing(
    machine: Machine, arguments: tuple[str, ...], code: int
) -> None:
    machine.script("first/python3.13", PYTHON)
    found, printed = machine.run(*arguments)
    assert found == code
    assert "usage: python3 infra/local COMMAND" in printed
    assert not machine.log


def test_ctrl_c_ends_an_installation_without_a_traceback(machine: Machine) -> None:
    machine.script("first/python3.13", PYTHON)
    fifo = machine.folder / "pip-runs"
    os.mkfifo(fifo)
    machine.env["PIP_HANGS"] = str(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with machine.start("setup") as process:
            assert select.select([reader], [], [], BOUND_SECONDS)[0], "pip did not start"
            os.killpg(process.pid, signal.SIGINT)
            printed, _ = process.communicate(timeout=BOUND_SECONDS)
    finally:
        os.close(reader)
    assert process.returncode == 130
    assert "Traceback" not in printed
