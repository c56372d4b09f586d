"""`check` and `metrics`: the report for monitors."""

from shared.model.report import DiskReport, Report
from shared.page.metrics import metrics_of
from tidemark import words
from tidemark.outcome import Answer, Exit, Plain
from tidemark.store import Store

_NAMED = 5
"""How many disks the line of `check` names."""


async def check(store: Store) -> Answer:
    """Say in one line whether somebody must do something."""
    report = await store.report()
    line, code = line_of(report), Exit.ATTENTION if report.needs_attention else Exit.FINE
    needs = [disk.disk for disk in report.disks if disk.needs_attention]
    data = {"attention": report.needs_attention, "state": str(report.state), "line": line, "disks": needs}
    return Answer(data={**data, "problems": list(report.problems)}, shown=[Plain(line)], code=code)


async def metrics(store: Store) -> Answer:
    """Give the state of all disks as Prometheus reads it."""
    text = metrics_of(await store.report())
    return Answer(data={"text": text}, shown=[Plain(text.rstrip("\n"))])


def line_of(report: Report) -> str:
    """Say in one line whether somebody must do something, and about which disks."""
    names = words.short_names([disk.disk for disk in report.disks])
    needs = [disk for disk in report.disks if disk.needs_attention]
    if not report.needs_attention:
        tick = f"{report.app.last_tick:%Y-%m-%dT%H:%M:%SZ}"
        return f"TIDEMARK OK: {words.many(len(report.disks), 'disk')} without trouble, last tick {tick}"
    said = [f"{names[disk.disk]} {_trouble(disk)}" for disk in needs[:_NAMED]]
    more = [f"{len(needs) - _NAMED} more"] if len(needs) > _NAMED else []
    problems = [_one_line(problem).partition(". ")[0] for problem in report.problems]
    return f"TIDEMARK ATTENTION: {'; '.join([*problems, *said, *more])}"


def _trouble(disk: DiskReport) -> str:
    return " ".join([str(disk.state), *sorted(disk.flags)])


def _one_line(text: str) -> str:
    return " ".join(text.split())
