"""Killed before or after any call it makes, and started again, the app does what it was doing, once.

A sample of the calls of three scenes; the rest is left to the simulation, whose workers die at any call too.
`python3 infra/local soak --crashes` tries all calls of all scenes, before and after; a nightly workflow runs it.
"""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

import aiohttp
import pytest
from azure.core.exceptions import AzureError

from infra.local.gateway import When
from tests.app.cloud import Cloud
from tests.app.crash_scenes import SCENES, Incremental, RestoreToNew, Scene, Verify
from tests.app.crashes import CrashPoint, MortalApp, Played, mortal_app

WHOLE = os.environ.get("TIDEMARK_CRASH_SWEEP") == "whole"
PLAYED = SCENES if WHOLE else (Incremental, RestoreToNew, Verify)
"""A run, a restore and an inspection."""

POINTS = 2
"""Crashes of a scene, where not all are tried: one before a call, and one after another."""

MOMENTS: list[tuple[When, ...]] = [(when,) for when in get_args(When)] if WHOLE else [get_args(When)]
"""When the app is killed: where all crashes are tried, before its calls in one test and after them in another."""


@dataclass
class Sweep:
    """What was tried, and what was found.

    Attributes:
        name: of the scene.
        calls: how many calls the app makes in it when nothing happens.
        findings: what was wrong.
        counts: how many crashes there were by moment, service, function at work, and ticks that it took afterwards.
    """

    name: str
    calls: int
    findings: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, point: CrashPoint, played: Played) -> None:
        """Count a crash."""
        if played.crash:
            seen = {"when": point.when, "service": played.crash.service, "step": played.crash.steps}
            self.counts.update([*seen.items(), ("ticks", str(played.ticks))])

    def __str__(self) -> str:
        lines = [f"Crash sweep of {self.name}: {self.calls} calls, {len(self.findings)} findings"]
        for about in ("when", "service", "step", "ticks"):
            counted = sorted((value, count) for (what, value), count in self.counts.items() if what == about)
            lines.append(f"  by {about}: " + ", ".join(f"{value} {count}" for value, count in counted))
        return "\n".join([*lines, *self.findings])


@pytest.fixture(scope="module")
def sweeps(request: pytest.FixtureRequest) -> Iterator[list[Sweep]]:
    """The sweeps of all scenes; what was tried in them is printed at the end."""
    made: list[Sweep] = []
    yield made
    counts, findings = Counter[tuple[str, str]](), [finding for sweep in made for finding in sweep.findings]
    for sweep in made:
        counts.update(sweep.counts)
    _tell(request, Sweep("all scenes", sum(sweep.calls for sweep in made), findings, counts))


@pytest.mark.parametrize("moments", MOMENTS, ids="-".join)
@pytest.mark.parametrize("scene_class", PLAYED)
async def test_whatever_call_it_is_killed_at_it_is_finished_after_a_restart(
    cloud: Cloud,
    scene_class: type[Scene],
    moments: Sequence[When],
    sweeps: list[Sweep],
    request: pytest.FixtureRequest,
) -> None:
    scene = scene_class(cloud)
    async with mortal_app(cloud, scene.disks) as mortal:
        await scene.open(mortal)
        await scene.set_up()
        calm = await mortal.play(scene.begin, scene.is_complete)
        await scene.check(mortal)
        sweeps.append(sweep := Sweep(scene.name, calm.calls))
        points = _all(moments) if WHOLE else [_sample(moments, calm.calls, SCENES.index(scene_class))]
        async for point, played in _crashes(scene, mortal, sweep, points):
            sweep.count(point, played)
            if WHOLE:
                _tell(request, f"{point.when} call {point.number}: {played}")
        await scene.close()
    _tell(request, sweep)
    assert not sweep.findings


async def _crashes(
    scene: Scene, mortal: MortalApp, sweep: Sweep, rows: Iterable[Iterator[CrashPoint]]
) -> AsyncIterator[tuple[CrashPoint, Played]]:
    """Play a scene with one crash after the other; a row of them ends where there is no such call."""
    for points in rows:
        for point in points:
            failed, played = False, Played(0)
            try:
                await scene.set_up()
                try:
                    await mortal.play(scene.begin, scene.is_complete, point)
                finally:
                    played = mortal.last
                await scene.check(mortal)
            except (AssertionError, AzureError, aiohttp.ClientError) as error:
                failed = True
                sweep.findings.append(f"  killed {point.when} call {point.number}: {played}: {error!r}")
            yield point, played
            if failed:
                await scene.open(mortal)
            elif not played.crash:
                break


def _all(moments: Sequence[When]) -> list[Iterator[CrashPoint]]:
    """Give all calls at each moment, without an end."""
    return [map(CrashPoint, itertools.count(1), itertools.repeat(when)) for when in moments]


def _sample(moments: Sequence[When], calls: int, scene: int) -> Iterator[CrashPoint]:
    """Spread a few crashes over the calls, other ones in each scene."""
    for at in range(POINTS):
        place = (at + (scene + 1) / (len(SCENES) + 1)) / POINTS
        yield CrashPoint(1 + int(place * calls), moments[(at + scene) % 2])


def _tell(request: pytest.FixtureRequest, what: object) -> None:
    """Print something where it is seen at once, captured or not."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print(f"\n{what}", flush=True)  # noqa: T201 - what was tried is to be seen
