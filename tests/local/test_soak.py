"""The soak: histories for as long as asked; a seed that fails is told at once, with the command that plays it again."""

import itertools
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.local.programs import children, is_running, run, running, until
from tests.simulation import soak
from tests.simulation.small import make_small
from tests.simulation.writing import SimulatedWriter

SOAK = "tests.simulation.soak"


@pytest.fixture
def lost_clears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleared pages are not cleared in the backup: what the model must find."""

    async def nothing(*_: object) -> None:
        """Say that it is done."""

    monkeypatch.setattr(SimulatedWriter, "clear", nothing)
    monkeypatch.setattr(soak, "make_small", lambda _: make_small(monkeypatch.setattr))


@pytest.mark.nightly
async def test_histories_are_played_until_the_time_is_up_and_what_was_tried_is_summed_up(temporary: Path) -> None:
    code, printed = await run(SOAK, "--minutes", "0.05", "--seed", "5", "--jobs", "2", temporary=temporary)
    assert code == 0, printed
    assert "Playing histories of faults from seed 5" in printed
    summary = re.search(r"(\d+) histories in \d+ s, seeds 5 to (\d+)\nfaults tried: (\d+)\n", printed)
    assert summary
    assert int(summary[1]) == int(summary[2]) - 4 > 1
    assert int(summary[3]) > 0
    assert re.search(r"\d+ crash before\n", printed)
    assert re.search(r"\nrecovery points: [1-9]\d*\nrestores: .*done \d+.*\nfailures: 0\n$", printed)


def test_a_line_now_and_then_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "make_small", lambda _: make_small(monkeypatch.setattr))
    monkeypatch.setattr(soak, "SECONDS_A_LINE", 0.0)
    assert soak.main(["--minutes", "0", "--seed", "7", "--jobs", "1"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert re.match(r" +\d+ s: 1 histories, seeds 7 to 7; faults tried: .*; \d+ recovery points; restores: ", line)
    assert line.endswith("; failures: 0")


@pytest.mark.usefixtures("lost_clears")
def test_a_seed_that_fails_is_told_with_the_command_that_plays_it_again_and_shows_its_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_small(monkeypatch.setattr)
    fails = next(seed for seed in itertools.count(1) if soak.play(seed).failure)
    assert soak.main(["--minutes", "0", "--seed", str(fails), "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    told = re.search(r"\nseed (\d+) FAILED: (WrongError: .*)\n  python3 infra/local soak --seed \1 --replay\n", printed)
    assert told, printed
    assert f"\nseed {told[1]} failed: python3 infra/local soak --seed {told[1]} --replay\n" in printed
    assert soak.main(["--seed", told[1], "--replay"]) == 1
    replayed = capsys.readouterr().out
    assert replayed.endswith(f"seed {told[1]} FAILED: {told[2]}\n")
    assert "take_snapshots: done" in replayed


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_ctrl_c_ends_it_with_its_summary_and_leaves_no_process(temporary: Path) -> None:
    async with running(SOAK, "--minutes", "5", "--jobs", "2", temporary=temporary) as program:
        await program.prints("Ctrl-C ends it.")
        pid = program.process.pid
        await until(lambda: len(children(pid)) >= 2, "the processes that play")
        players = children(pid)
        os.kill(pid, signal.SIGINT)
        assert await program.ends() == 0
    assert "Ended early." in program.printed
    assert "failures: 0" in program.printed
    assert not [player for player in players if is_running(player)]
