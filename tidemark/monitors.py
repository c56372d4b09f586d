"""`check` and `metrics`: the report for monitors."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from shared.model.addresses import AddressError
from shared.model.disk import Disk, PageBlobDisk
from shared.model.report import DiskReport, Report, State
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
    text = "\n".join(metrics_of(await store.report()))
    return Answer(data={"text": text + "\n"}, shown=[Plain(text)])


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


def metrics_of(report: Report) -> Iterator[str]:
    """Give the lines of the text format (Prometheus: Exposition formats)."""
    app, at = report.app, report.at.timestamp()
    yield from _gauge("tidemark_up", "Whether the report could be read.", [("", 1)])
    yield from _gauge("tidemark_attention", "Whether somebody must do something.", [("", int(report.needs_attention))])
    for name, what, moment in (
        ("tidemark_last_tick_timestamp_seconds", "The last tick.", app.last_tick),
        ("tidemark_last_success_timestamp_seconds", "The last tick that has succeeded.", app.last_success),
        ("tidemark_next_tick_timestamp_seconds", "When the next tick is due.", app.next_tick),
    ):
        yield from _gauge(name, what, [("", moment.timestamp())] if moment else [])
    disks = [(_labels(disk=disk.disk), disk) for disk in report.disks]
    states = [(_labels(disk=disk.disk, state=str(s)), int(disk.state is s)) for _, disk in disks for s in State]
    yield from _gauge("tidemark_disk_state", "The state of a disk: 1 for the one that it is in.", states)
    needs = [(labels, int(disk.needs_attention)) for labels, disk in disks]
    yield from _gauge("tidemark_disk_attention", "Whether somebody must do something about a disk.", needs)
    flags = [(_labels(disk=disk.disk, flag=str(flag)), 1) for _, disk in disks for flag in disk.flags]
    yield from _gauge("tidemark_disk_flag", "What else there is to say of a disk.", flags)
    ages = [(labels, age.total_seconds()) for labels, disk in disks if (age := disk.age(report.at))]
    yield from _gauge("tidemark_disk_good_point_age_seconds", "The age of its newest good recovery point.", ages)
    points = [(labels, at - age) for labels, age in ages]
    yield from _gauge("tidemark_disk_good_point_timestamp_seconds", "That point's time.", points)
    sizes = [(labels, disk.size) for labels, disk in disks]
    yield from _gauge("tidemark_disk_size_bytes", "The size of a disk.", sizes)
    damaged = [(labels, disk.damaged_points) for labels, disk in disks]
    yield from _gauge("tidemark_disk_damaged_points", "How many of its recovery points are damaged.", damaged)


def _trouble(disk: DiskReport) -> str:
    return " ".join([str(disk.state), *sorted(disk.flags)])


def _gauge(name: str, what: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        yield f"{name}{labels} {int(value) if float(value).is_integer() else round(value, 3)}"


def _labels(**labels: str) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in {**labels, **_address(labels["disk"])}.items()]
    return f"{{{','.join(pairs)}}}"


def _address(name: str) -> Mapping[str, str]:
    """Return where a page blob is; nothing of another disk, and of an edited row that is told by its key."""
    with contextlib.suppress(AddressError):
        disk = Disk.parse(name)
        if isinstance(disk, PageBlobDisk):
            return {"account": disk.address.account, "container": disk.address.container, "blob": disk.address.blob}
    return {}


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
