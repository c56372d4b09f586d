"""Play one history after the other for as long as is asked: `python3 infra/local soak`."""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.history import History
from tests.simulation.small import make_small
from tests.simulation.tally import Outcome, Tally

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "python3 infra/local soak"
CRASH_SWEEP = "tests/app/test_crash_sweep.py"
WHOLE_SWEEP = "TIDEMARK_CRASH_SWEEP"
MINUTES = 10.0
SECONDS_A_LINE = 10.0

_SEEDS = 10**9
_STOPPED = 130


@dataclass
class Options:
    """The command line.

    Attributes:
        minutes: how long to go on.
        seed: the first seed; None for one at random.
        jobs: how many processes play; one plays in this process.
        replay: whether to play just that seed, and tell what happened in it.
        crashes: whether to sweep the whole app with crashes instead.
    """

    minutes: float
    seed: int | None
    jobs: int
    replay: bool
    crashes: bool


@dataclass
class _Clock:
    """Tells when it is time for a line, and when the time is up."""

    seconds: float
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> float:
        return time.monotonic() - self._began

    @property
    def is_up(self) -> bool:
        return self.passed >= self.seconds

    def is_time_for_a_line(self) -> bool:
        due = time.monotonic() - self._told >= SECONDS_A_LINE
        self._told += SECONDS_A_LINE if due else 0
        return due


def main(arguments: list[str] | None = None) -> int:
    """Play until the time is up or Ctrl-C; give 1 if a seed failed, else 0."""
    options = _read_options(arguments)
    if options.crashes:
        return _sweep_the_app()
    if options.replay or options.jobs == 1:
        make_small(setattr)
    return _replay(options.seed or 0) if options.replay else _soak(options)


def play(seed: int) -> Outcome:
    """Play one history, and tell what came of it."""
    history = History(seed)
    failure = ""
    try:
        history.play()
    except Exception as error:  # noqa: BLE001 - whatever ends a history is a finding
        failure = f"{type(error).__name__}: {error}"
    made = sum(len(points) for points in history.world.points.values())
    ends = [str(restore.state) for restore in history.world.restore_rows()]
    return Outcome(seed, failure, history.tried, made, ends, history.host.log)


def _soak(options: Options) -> int:
    first = random.randrange(_SEEDS) if options.seed is None else options.seed
    print(
        f"Playing histories of faults from seed {first}, {options.jobs} at a time, for {options.minutes:g} minutes."
        " Ctrl-C ends it.",
        flush=True,
    )
    clock, tally = _Clock(options.minutes * 60), Tally()
    # SIGTERM ends it like Ctrl-C: with its summary, and no process left behind.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for outcome in _outcomes(first, options.jobs, clock):
            tally.add(outcome)
            if outcome.failure:
                print(f"seed {outcome.seed} FAILED: {outcome.failure}\n  {_again(outcome.seed)}", flush=True)
            if clock.is_time_for_a_line():
                print(tally.line(clock.passed), flush=True)
    except KeyboardInterrupt:
        print("Ended early.")
    finally:
        signal.signal(signal.SIGTERM, before)
    print(tally.summary(clock.passed))
    for seed in tally.failed:
        print(f"seed {seed} failed: {_again(seed)}")
    return 1 if tally.failed else 0


def _outcomes(first: int, jobs: int, clock: _Clock) -> Iterator[Outcome]:
    """Play seed after seed until the time is up; at least one."""
    seeds = itertools.count(first)
    if jobs == 1:
        yield play(next(seeds))
        while not clock.is_up:
            yield play(next(seeds))
        return
    with ProcessPoolExecutor(jobs, initializer=_begin_work) as pool:
        running: set[Future[Outcome]] = {pool.submit(play, next(seeds)) for _ in range(2 * jobs)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    if not clock.is_up:
                        running.add(pool.submit(play, next(seeds)))
        finally:
            pool.shutdown(cancel_futures=True)


def _begin_work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    make_small(setattr)


def _again(seed: int) -> str:
    return f"{PROGRAM} --seed {seed} --replay"


def _replay(seed: int) -> int:
    """Play one seed, print its log, and say how it ended."""
    outcome = play(seed)
    print("\n".join(outcome.log))
    print(f"seed {seed} FAILED: {outcome.failure}" if outcome.failure else f"seed {seed}: nothing was wrong")
    return 1 if outcome.failure else 0


def _sweep_the_app() -> int:
    """Run the whole crash sweep of the app."""
    command = (sys.executable, "-m", "pytest", "-q", "-s", CRASH_SWEEP)
    try:
        return subprocess.call(command, cwd=ROOT, env={**os.environ, WHOLE_SWEEP: "whole"})
    except KeyboardInterrupt:
        return _STOPPED


def _read_options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="N", help="how long (%(default)g)")
    parser.add_argument("--seed", type=int, metavar="FIRST", help="the first seed (any)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--replay", action="store_true", help="play only --seed, and print its log")
    parser.add_argument("--crashes", action="store_true", help="kill the whole app at each of its calls instead")
    given = parser.parse_args(arguments)
    if given.replay and given.seed is None:
        parser.error("--replay takes the seed that is to be played: --seed SEED")
    if given.jobs < 1:
        parser.error("--jobs takes 1 or more")
    return Options(given.minutes, given.seed, given.jobs, given.replay, given.crashes)


if __name__ == "__main__":
    sys.exit(main())
