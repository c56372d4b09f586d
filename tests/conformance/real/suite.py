"""The conformance suite on a real account, by pytest in this process: no secret goes into a file for it."""

import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport

from tests.conformance.real.on_azure import RUN, Run
from tests.conformance.real.probe import Finding
from tests.conformance.real.verdicts import Verdict
from tests.conformance.real.witness import BoundReachedError, Bounds

SUITE = Path(__file__).resolve().parents[1]
_INTERRUPTED = pytest.ExitCode.INTERRUPTED


class RealAzure:
    """A pytest plugin that has the statements made on a real account, and keeps what came of each."""

    def __init__(self, run: Run, until: float) -> None:
        self._run, self._until = run, until
        self.findings: list[Finding] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """Name the run, which conftest.py looks for."""
        config.stash[RUN] = self._run

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is not said of every cloud."""
        kept = [item for item in items if "on_azure" in getattr(getattr(item, "callspec", None), "params", {}).values()]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Make no statement when the time is up."""
        del item
        if time.monotonic() > self._until:
            pytest.skip("the time of the run was up")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what came of a statement; what fails as it is set up or taken down has failed."""
        if report.when != "call" and report.passed:
            return
        said = _said(report)
        verdict = {"passed": Verdict.HOLDS, "skipped": Verdict.NOT_TRIED}.get(report.outcome, Verdict.DIFFERS)
        if any(BoundReachedError.__name__ in line for line in said):
            verdict = Verdict.NOT_TRIED
        name = report.nodeid.rpartition("/")[2].replace("on_azure-", "").replace("[on_azure]", "")
        self.findings.append(Finding(name, verdict, seen=said, seconds=report.duration))


def run_suite(run: Run, until: float, bounds: Bounds, chosen: str = "") -> list[Finding]:
    """Run the suite.

    Args:
        run: the name and the accounts.
        until: when the time is up, as `time.monotonic` tells it.
        bounds: what it is stopped at.
        chosen: which statements, as `pytest -k` takes it; empty for all.

    Raises:
        KeyboardInterrupt: it was broken off.
    """
    plugin, send = RealAzure(run, until), AioHttpTransport.send

    async def counted(transport: Any, request: Any, **config: Any) -> Any:
        is_write = request.method == "PUT"
        bounds.count(int(request.headers.get("Content-Length") or 0) if is_write else 0)
        return await send(transport, request, **config)

    quiet = ["-q", "--no-header", "--no-summary", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    with pytest.MonkeyPatch.context() as patch:
        # The app makes its own clients, which take no hooks: they are counted where they all send.
        patch.setattr(AioHttpTransport, "send", counted)
        code = pytest.main([str(SUITE), *quiet, *(["-k", chosen] if chosen else [])], plugins=[plugin])
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    return plugin.findings


def _said(report: pytest.TestReport) -> list[str]:
    if report.passed:
        return []
    if isinstance(report.longrepr, tuple):
        return [str(report.longrepr[2]).removeprefix("Skipped: ")]
    crash = getattr(report.longrepr, "reprcrash", None)
    return [str(crash.message).partition("\n")[0] if crash else report.outcome]
