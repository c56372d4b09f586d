"""The report of a run, as Markdown to attach to an issue."""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from shared.limits import NEWEST_SIGNED, STORAGE_API_VERSION
from tests.conformance.real.probe import Finding
from tests.conformance.real.redaction import Redaction
from tests.conformance.real.verdicts import Verdict

_PACKAGES = ("azure-storage-blob", "azure-storage-queue", "azure-data-tables", "azure-identity", "azure-core")
BAD = frozenset({Verdict.DIFFERS, Verdict.FAILED})


@dataclass(slots=True)
class Report:
    """What came of a run.

    Attributes:
        name: the run's.
        began: when it began, UTC.
        environment: what it ran against: a name and a value each.
        probes: what came of the probes, in their order.
        suite: what came of the statements of the conformance suite.
        left: what could not be taken away again.
        stopped: why it did not come to its end; empty where it did.
        used: requests made and bytes written by the probes.
        used_by_suite: the same, by the suite.
    """

    name: str
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    environment: dict[str, str] = field(default_factory=dict)
    probes: list[Finding] = field(default_factory=list)
    suite: list[Finding] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    stopped: str = ""
    used: tuple[int, int] = (0, 0)
    used_by_suite: tuple[int, int] = (0, 0)

    @property
    def is_good(self) -> bool:
        """Whether all that was tried holds, to the end, and nothing was left."""
        bad = any(finding.verdict in BAD for finding in (*self.probes, *self.suite))
        return not (bad or self.left or self.stopped)


def markdown(report: Report, redact: Redaction) -> str:
    """Write the report, without secrets."""
    parts = [
        f"# Tidemark against Azure Storage: {report.name}\n",
        _environment(report),
        "## Assumptions\n",
        _table(report.probes),
        *(_finding(number, finding) for number, finding in enumerate(report.probes, 1)),
        "## Conformance suite\n",
        _suite(report.suite),
        "## Clean-up\n",
        _clean_up(report),
    ]
    return redact("\n".join(parts)) + "\n"


def packages() -> dict[str, str]:
    """Name the versions of what the run was made of."""
    return {
        "storage API version": f"{STORAGE_API_VERSION} (newest that can be signed for: {NEWEST_SIGNED})",
        "Python": f"{platform.python_version()} on {platform.system()}",
        **{package: version(package) for package in _PACKAGES},
    }


def _environment(report: Report) -> str:
    about = {
        "began": report.began.isoformat(timespec="seconds"),
        **report.environment,
        **packages(),
        "probes": f"{report.used[0]} requests, {report.used[1]} bytes written",
        "suite": f"{report.used_by_suite[0]} requests, {report.used_by_suite[1]} bytes written",
    }
    if report.stopped:
        about["stopped early"] = report.stopped
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in about.items()), ""])


def _table(findings: Sequence[Finding]) -> str:
    rows = [
        f"| {number} | `{finding.name}` | {_cell(finding.assumed)} | **{finding.verdict}** |"
        for number, finding in enumerate(findings, 1)
    ]
    return "\n".join(["| | probe | assumed | verdict |", "|---|---|---|---|", *rows, ""])


def _finding(number: int, finding: Finding) -> str:
    lines = [
        f"### {number}. {finding.name}: {finding.verdict}, {finding.seconds:.1f} s\n",
        f"Assumed: {finding.assumed}",
    ]
    if finding.verdict is Verdict.DIFFERS:
        lines.append(f"If not: {finding.otherwise}")
    return "\n".join([*lines, "\nSeen:\n", *(f"- {_cell(line)}" for line in finding.seen or ["nothing"]), ""])


def _suite(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Not run.\n"
    counts = Counter(finding.verdict for finding in findings)
    lines = [", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".\n"]
    told = [finding for finding in findings if finding.verdict is not Verdict.HOLDS]
    if told:
        lines += ["| statement | verdict | seen | s |", "|---|---|---|---|"]
        lines += [f"| `{f.name}` | **{f.verdict}** | {_cell('; '.join(f.seen))} | {f.seconds:.1f} |" for f in told]
    return "\n".join([*lines, ""])


def _clean_up(report: Report) -> str:
    if not report.left:
        return f"Nothing whose name begins with `{report.name}` is left."
    lines = [f"**These are left. Delete what begins with `{report.name}` yourself:**\n"]
    return "\n".join([*lines, *(f"- {_cell(each)}" for each in report.left)])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
