"""The host as a process: how it starts, what it prints, how it ends."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from infra.local.azurite import stop_process
from infra.local.host.forked import fork
from infra.local.host.process import Start, execute, run_host
from tests.host.sample import Sample, until, write_app

PROJECT_ROOT = Path(__file__).parents[2]

RUN_A_HOST_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from infra.local.host.forked import fork
from infra.local.host.process import execute, run_host

async def main() -> None:
    settings = dict(line.split("=", 1) for line in sys.stdin.read().splitlines())
    start = {"execute": execute, "fork": fork}[sys.argv[3]]
    async with run_host(Path(sys.argv[1]), settings, log=Path(sys.argv[2]), start=start) as host:
        print(host.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_sigterm_lets_running_functions_end_and_leaves_nothing_running(sample: Sample) -> None:
    holds = await sample.new_queue("holds")
    await holds.send_message("under way")
    async with sample.host() as host:
        await until(lambda: sample.events("hold", "started"), "the function's start")
        stopping = asyncio.create_task(host.stop())
        await holds.send_message("too late")
        sample.release()
        assert await stopping == 0
        assert is_gone(host.pid)
    assert len(sample.events("hold", "ended")) == len(sample.events("hold", "started"))
    assert {event["body"] for event in sample.events("hold", "ended")} >= {"under way"}


async def test_stdout_has_the_ready_line_and_nothing_else(sample: Sample) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.local.host", "--app", str(sample.app), "--port", "0"),
        cwd=PROJECT_ROOT,
        env={**os.environ, **sample.settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        ready = (await process.stdout.readline()).decode()
        assert ready.startswith("host ready http://127.0.0.1:")
        await (await sample.new_queue("notes")).send_message("a note")
        await until(lambda: sample.events("note"), "the function that prints")
        process.terminate()
        rest, log = await process.communicate()
    finally:
        await stop_process(process)
    assert process.returncode == 0
    assert rest == b""
    said = log.decode()
    assert "printed by note: a note" in said
    assert said.index("function name=note trigger=queueTrigger") < said.index("invocation-start")
    [event] = sample.events("note")
    assert f"INFO [{event['invocation']}] sample: logged by note: a note" in said
    assert f"invocation-end function=note invocation={event['invocation']} duration=" in said


async def test_an_app_that_is_refused_ends_the_host_with_code_1(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.local.host", "--app", str(tmp_path)),
        cwd=PROJECT_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, log = await process.communicate()
    assert process.returncode == 1
    assert printed == b""
    assert log.decode() == f"{tmp_path / 'host.json'} is missing.\n"


@pytest.mark.parametrize("start", ["execute", pytest.param("fork", marks=pytest.mark.nightly)])
async def test_the_host_ends_when_its_parent_is_killed(sample: Sample, start: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN_A_HOST_AND_WAIT, str(sample.app), str(sample.log), start),
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write("\n".join(f"{name}={value}" for name, value in sample.settings.items()).encode())
    parent.stdin.close()
    pid = int(await parent.stdout.readline())
    assert not is_gone(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: is_gone(pid), "the host's end")


# The last is Python's own, where no locale is set (PEP 538).
OF_ANY_PROGRAM = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "LC_CTYPE",
)
STARTS = pytest.mark.parametrize("start", [execute, fork])

WRITE_DOWN_WHERE_IT_RUNS = """
import json, os, pathlib, sys
import azure.functions as func

here = {"environment": dict(os.environ), "folder": os.getcwd(), "modules": sorted(sys.modules), "path": sys.path}
pathlib.Path(os.environ["EVIDENCE"]).write_text(json.dumps(here))
app = func.FunctionApp()

@app.timer_trigger(arg_name="timer", schedule="0 0 0 29 2 *")
def tick(timer: func.TimerRequest) -> None:
    pass
"""


@STARTS
async def test_an_app_sees_its_settings_and_its_folder_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOTHER_PROGRAMS", "setting")
    app = write_app(tmp_path / "app", WRITE_DOWN_WHERE_IT_RUNS)
    evidence = tmp_path / "evidence.json"
    async with run_host(app, {"EVIDENCE": str(evidence)}, log=tmp_path / "log", start=start):
        pass
    seen = json.loads(evidence.read_text())
    assert set(seen["environment"]) <= {"EVIDENCE", *OF_ANY_PROGRAM}
    assert seen["folder"] == str(app)
    assert str(app) in seen["path"]
    assert str(PROJECT_ROOT) not in seen["path"]
    assert not {name.partition(".")[0] for name in seen["modules"]} & {"shared", "functions", "tests", "pytest"}


@STARTS
async def test_a_killed_host_is_gone_and_its_exit_code_names_the_signal(sample: Sample, start: Start) -> None:
    async with run_host(sample.app, sample.settings, log=sample.log, start=start) as host:
        host.kill()
        assert await host.stop() == -signal.SIGKILL
        assert is_gone(host.pid)
