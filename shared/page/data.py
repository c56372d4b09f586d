"""The report as data: what the page gives to programs, and the command line prints with `--json`. Pure functions."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from shared.model.point import RecoveryPoint
from shared.model.progress import Progress
from shared.model.report import AppReport, DiskReport, Report

type Busy = Mapping[str, Progress]
"""How far what a disk is busy with is, by the disk's name."""

_DISK, _APP = TypeAdapter(DiskReport), TypeAdapter(AppReport)


def data_of(report: Report, busy: Busy, *, needs: bool) -> dict[str, Any]:
    """Give the report as data.

    Args:
        report: the report.
        busy: what disks are busy with.
        needs: whether somebody must do something about what is told.
    """
    return {
        "at": report.at.isoformat(),
        "state": str(report.state),
        "attention": needs,
        "app": {**_APP.dump_python(report.app, mode="json"), "problems": list(report.problems)},
        "disks": [
            {
                **_DISK.dump_python(disk, mode="json"),
                "attention": disk.needs_attention,
                "age_seconds": age.total_seconds() if (age := disk.age(report.at)) else None,
                "progress": busy[disk.disk].data if disk.disk in busy else None,
            }
            for disk in report.disks
        ],
    }


def data_of_point(point: RecoveryPoint, fate: tuple[str, str]) -> dict[str, Any]:
    """Give a recovery point as data.

    Args:
        point: the recovery point.
        fate: whether the retention has it stay or go, and why; empty if no plan says so.
    """
    return {
        "time": point.time,
        "kind": str(point.kind),
        "reason": point.reason,
        "size": point.size,
        "bytes_written": point.bytes_written,
        "bytes_added": point.added_bytes,
        "state": str(point.state),
        "damage": point.damage,
        "verified": point.verified.isoformat() if point.verified else "",
        "drilled": point.drilled.isoformat() if point.drilled else "",
        "drill_result": point.drill_result,
        "drill_seconds": point.drill_seconds,
        "kept": point.kept,
        "kept_until": point.kept_until.isoformat() if point.kept_until else "",
        "kept_note": point.kept_note,
        "retention": fate[0],
        "retention_why": fate[1],
    }
