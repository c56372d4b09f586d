"""The host as a process: how it starts, what it prints, how it ends."""

import asyncio
import os
import sys
from pathlib import Path

from infra.local.azurite import stop_process
from tests.host.sample import Sample, until

PROJECT_ROOT = Path(__file__).parents[2]

RUN_A_HOST_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from infra.local.host.process import run_host

async def main() -> None:
    settings = dict(line.split("=", 1) for line in sys.stdin.read().splitlines())
    async with run_host(Path(sys.argv[1]), settings, log=Path(sys.argv[2])) as host:
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


async def test_the_host_ends_when_its_parent_is_killed(sample: Sample) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN_A_HOST_AND_WAIT, str(sample.app), str(sample.log)),
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
