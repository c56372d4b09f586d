"""Run the probes one after the other, and say what came of each; no probe ends the others."""

import asyncio
import time
from collections.abc import Callable, Sequence

from tests.conformance.real.ground import Ground
from tests.conformance.real.managed.refusals import missing_action
from tests.conformance.real.order import PROBES
from tests.conformance.real.probe import Finding, Probe
from tests.conformance.real.verdicts import NotSettledError, NotSupportedError, NotTriedError, Verdict
from tests.conformance.real.witness import BoundReachedError, Seen


async def run_probes(
    ground: Ground, done: Callable[[Finding], None], probes: Sequence[Probe] = PROBES, *, until: float | None = None
) -> None:
    """Run probes, and tell of each as it is done.

    Args:
        ground: the open run.
        done: is told.
        probes: the probes.
        until: when the time is up, by the event loop's clock.
    """
    for probe in probes:
        seen = ground.witness.seen = Seen()
        began = time.monotonic()
        verdict = await _verdict(probe, ground, seen, until)
        seen.notes += seen.summary()
        done(Finding(probe.name, verdict, probe.assumed, probe.otherwise, seen.notes, time.monotonic() - began))


async def _verdict(probe: Probe, ground: Ground, seen: Seen, until: float | None) -> Verdict:
    try:
        async with asyncio.timeout_at(until):
            return Verdict.HOLDS if await probe.run(ground, seen) else Verdict.DIFFERS
    except Exception as error:  # noqa: BLE001 - whatever it is, the probes after it are still to be run
        cause = _first(error)
        seen.note(_said(cause))
        return Verdict.NOT_TRIED if missing_action(cause) else _VERDICTS.get(type(cause), Verdict.FAILED)


_VERDICTS: dict[type[BaseException], Verdict] = {
    NotSupportedError: Verdict.NOT_SUPPORTED,
    NotSettledError: Verdict.NOT_SETTLED,
    NotTriedError: Verdict.NOT_TRIED,
    TimeoutError: Verdict.NOT_TRIED,
    BoundReachedError: Verdict.NOT_TRIED,
}


def _first(error: BaseException) -> BaseException:
    """Give the error itself, or the first of those that came at once."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the time of the run was up"
    if type(error) in _VERDICTS:
        return str(error)
    if action := missing_action(error):
        return f"no role of this identity permits {action} there"
    # Its message may have lines of headers and bodies: the service's code says it.
    code = getattr(error, "error_code", None)
    return f"{type(error).__name__}: {code or str(error).partition(chr(10))[0]}"
