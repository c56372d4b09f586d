"""The local Azure to play with: what it prints works, and when it is stopped nothing is left."""

import asyncio
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from infra.local import playground
from infra.local.local_azure import ROOT
from shared.model.requests import RestoreRequest
from tests.local.programs import PATIENCE_SECONDS, Program, children, command_of, is_running, left_in, running, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
UP = "infra.local.up"
CHANGE = "infra.local.change"
READY = "Press Ctrl-C to stop everything and delete its data."


async def type_in(*commands: str) -> tuple[int, str]:
    """Type commands into a shell until one fails; give its exit code, and what they print."""
    typed = "\n".join(("set -e", *commands))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", typed), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    return await process.wait(), printed.decode()


async def shell(*commands: str) -> None:
    """Type commands into a shell, all of which succeed."""
    code, printed = await type_in(*commands)
    assert code == 0, printed


def lines(program: Program, start: str) -> list[str]:
    """Find the lines, of what a program has said to type next, that start like this."""
    return [found.strip() for found in program.printed.splitlines() if found.strip().startswith(start)]


@pytest.mark.nightly
async def test_a_disk_is_backed_up_and_restored_by_typing_what_it_says_and_ctrl_c_leaves_nothing(
    temporary: Path,
) -> None:
    async with running(UP, temporary=temporary) as up:
        await up.prints(READY)
        [curl], [export, tell], [read, put] = lines(up, "curl"), lines(up, "export"), lines(up, sys.executable)
        await shell(curl)
        record = await read_until("'RowKey': 'point-", export, read)
        [page] = [line for line in lines(up, "http") if line.endswith("/api/status")]
        async with aiohttp.ClientSession() as session, session.get(page) as answer:
            assert answer.status == 200
        [status] = lines(up, "python3 infra/local tidemark")
        await shell(tell, status.replace("python3 infra/local tidemark", f"{sys.executable} -m tidemark"))
        [change] = lines(up, "python3 infra/local change")
        code, changed = await type_in(change.replace("python3 infra/local change", f"{sys.executable} -m {CHANGE}"))
        assert code == 0, changed
        await shell(curl)
        incremental = await read_until("'kind': 'incremental'", export, read)
        await shell(export, put)
        restored = await read_until("'state': 'done'", export, read)
        started = children(up.process.pid)
        up.process.send_signal(signal.SIGINT)
        assert await up.ends() == 0
    assert re.search(r"'disk': 'http://127\.0\.0\.1:\d+/disks/vhds/example\.vhd'", record)
    assert "'last_error': ''" in record
    assert re.search(
        r"^Changed \S+/example\.vhd: .*\n  [\d.]+ \w+ written, [1-9][\d.]* \w+ cleared$", changed, re.MULTILINE
    )
    [row] = [line for line in incremental.splitlines() if "'kind': 'incremental'" in line]
    assert not re.search(r"'bytes_(written|cleared)': (EntityProperty\(value=)?0\b", row)
    assert re.search(r"'target': 'http://127\.0\.0\.1:\d+/disks/vhds/example-restored-\d{8}T\d{6}Z\.vhd'", restored)
    assert "'proof': 'matches the recovery point: size (" in restored
    assert len(started) == 2, "Azurite and the functions host"
    assert not any(map(is_running, started))
    assert "Traceback" not in up.printed
    assert up.printed.endswith("Stopped; nothing is left running.\n")
    assert not left_in(temporary)


@pytest.mark.nightly
async def test_a_disk_that_is_not_there_or_not_local_is_named_with_what_to_do() -> None:
    for disk in ("http://127.0.0.1:9/disks/vhds/example.vhd", "https://disks.blob.core.windows.net/vhds/example.vhd"):
        code, printed = await type_in(f"{sys.executable} -m {CHANGE} {disk}")
        assert code == 1
        assert disk in printed
        assert "What to do: " in printed
        assert "Traceback" not in printed


def test_the_printed_filter_lists_restores_and_no_other_rows() -> None:
    assert "\"RowKey ge 'restore-' and RowKey lt 'restore.'\"" in playground._READY  # noqa: SLF001 - as it is printed


@pytest.mark.nightly
async def test_what_it_says_to_type_with_az_asks_for_the_same_restore(temporary: Path) -> None:
    async with running(UP, temporary=temporary) as up:
        await up.prints(READY)
    [az], [_, without_az] = lines(up, "az storage message put"), lines(up, sys.executable)
    typed = shlex.split(az)
    assert typed[:6] == ["az", "storage", "message", "put", "--queue-name", "restore-requests"]
    assert typed[6:] == ["--content", shlex.split(without_az)[-1]]
    assert RestoreRequest.read(typed[-1].encode()).disk.name.endswith("/disks/vhds/example.vhd")


async def read_until(text: str, *commands: str) -> str:
    """Type commands again and again until they print this; give all that they print then.

    They may fail before: the app makes its table in its first function, which has only been started.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await type_in(*commands))[0] != 0 or text not in found[1]:
            pass
    return found[1]


async def test_when_it_is_killed_its_processes_end_too(temporary: Path) -> None:
    async with running(UP, temporary=temporary) as up:
        await up.prints(READY)
        started = children(up.process.pid)
        up.process.kill()
        await up.ends()
    assert len(started) == 2, "Azurite and the functions host"
    await until(lambda: not any(map(is_running, started)), "the end of all it started")


@pytest.mark.nightly
async def test_when_the_functions_host_dies_it_says_so_and_ends(temporary: Path) -> None:
    async with running(UP, temporary=temporary) as up:
        await up.prints(READY)
        started = children(up.process.pid)
        [host] = [pid for pid in started if "infra.local.host" in command_of(pid)]
        os.kill(host, signal.SIGKILL)
        assert await up.ends() == 1
    assert "The functions host exited unexpectedly" in up.printed
    assert not any(map(is_running, started))
    assert not left_in(temporary)
