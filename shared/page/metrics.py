"""The state of all disks in the text format of Prometheus (Prometheus: Exposition formats). Pure functions."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from shared.model.addresses import AddressError
from shared.model.disk import Disk, PageBlobDisk
from shared.model.report import DiskReport, Report, State
from shared.version import VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

RESULTS = ("pending", "succeeded", "incomplete", "failed")
"""What the last tick may have come to."""

type Sample = tuple[str, float]
"""The labels as they are written, and the value."""


def metrics_of(report: Report) -> str:
    """Write the report as metrics; times are Unix times in seconds."""
    return "".join(f"{line}\n" for line in [*_of_app(report), *_of_disks(report)])


def _of_app(report: Report) -> Iterator[str]:
    app = report.app
    yield from _gauge("tidemark_up", "Whether the report could be read.", [("", 1)])
    yield from _gauge(
        "tidemark_build_info", "1, with the release as the label version.", [(_labels(version=VERSION), 1)]
    )
    yield from _gauge("tidemark_attention", "Whether somebody must do something.", [("", report.needs_attention)])
    for name, what, at in (
        ("tidemark_last_tick_timestamp_seconds", "The last tick.", app.last_tick),
        ("tidemark_last_success_timestamp_seconds", "The last tick that has succeeded.", app.last_success),
        ("tidemark_next_tick_timestamp_seconds", "When the next tick is due.", app.next_tick),
    ):
        yield from _gauge(name, what, _at([("", at)]))
    results = [(_labels(result=result), result == app.tick_result) for result in RESULTS]
    yield from _gauge(
        "tidemark_tick_result", "The result of the last tick: 1 for what it is, 0 for the others.", results
    )


def _of_disks(report: Report) -> Iterator[str]:
    disks = [(_labels_of(disk), disk) for disk in report.disks]
    states = [(_with(own, state=str(state)), disk.state is state) for own, disk in disks for state in State]
    yield from _gauge(
        "tidemark_disk_state", "The state of a disk: 1 for the one that it is in, 0 for the others.", states
    )
    needs = [(own, disk.needs_attention) for own, disk in disks]
    yield from _gauge("tidemark_disk_attention", "Whether somebody must do something about a disk.", needs)
    flags = [(_with(own, flag=str(flag)), 1.0) for own, disk in disks for flag in disk.flags]
    yield from _gauge("tidemark_disk_flag", "1 for each flag that a disk has.", flags)
    ages = [(own, age.total_seconds()) for own, disk in disks if (age := disk.age(report.at))]
    yield from _gauge("tidemark_disk_good_point_age_seconds", "The age of a disk's newest good recovery point.", ages)
    points = [(own, datetime.fromisoformat(disk.good_point) if disk.good_point else None) for own, disk in disks]
    yield from _gauge(
        "tidemark_disk_good_point_timestamp_seconds", "The time of a disk's newest good recovery point.", _at(points)
    )
    late = [(own, disk.late_at) for own, disk in disks]
    yield from _gauge(
        "tidemark_disk_late_timestamp_seconds", "When a disk's newest good recovery point becomes too old.", _at(late)
    )
    successes = [(own, disk.last_success) for own, disk in disks]
    what = "When a disk's last recovery point was sealed."
    yield from _gauge("tidemark_disk_last_success_timestamp_seconds", what, _at(successes))
    sizes = [(own, disk.size) for own, disk in disks if disk.size]
    yield from _gauge("tidemark_disk_size_bytes", "The size of a disk in bytes.", sizes)
    damaged = [(own, disk.damaged_points) for own, disk in disks]
    yield from _gauge("tidemark_disk_damaged_points", "How many recovery points of a disk are damaged.", damaged)


def _at(times: Iterable[tuple[str, datetime | None]]) -> list[Sample]:
    return [(labels, at.timestamp()) for labels, at in times if at]


def _gauge(name: str, what: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        yield f"{name}{labels} {int(value) if float(value).is_integer() else round(value, 3)}"


def _labels_of(disk: DiskReport) -> str:
    return _labels(disk=disk.disk, **_address(disk.disk))


def _labels(**labels: str) -> str:
    return f"{{{','.join(f'{name}="{_escaped(value)}"' for name, value in labels.items())}}}"


def _with(labels: str, **more: str) -> str:
    """Add labels to those that are written."""
    return f"{labels[:-1]},{_labels(**more)[1:]}"


def _address(name: str) -> Mapping[str, str]:
    """Return where a page blob is; nothing of another disk, and of an edited row that is told by its key."""
    with contextlib.suppress(AddressError):
        disk = Disk.parse(name)
        if isinstance(disk, PageBlobDisk):
            return {"account": disk.address.account, "container": disk.address.container, "blob": disk.address.blob}
    return {}


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
