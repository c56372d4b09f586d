"""What to do: of each disk that needs attention what is wrong, and the commands for it. Pure functions."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.model.addresses import AddressError
from shared.model.disk import Disk
from shared.model.report import FOR_INFORMATION, NOT_SAFE, DiskReport, Flag, Report, State
from shared.page.shown import split_advice


@dataclass(frozen=True, slots=True)
class Command:
    """A command to copy.

    Attributes:
        what: what it does.
        text: it, quoted for a shell.
    """

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong with a disk or the app, and what to do.

    Attributes:
        disk: the disk's name; empty for the app.
        what: the state or flag that says it.
        why: what is wrong.
        advice: what to do.
        commands: the commands for it.
        others: further disks of which the same is said.
    """

    disk: str
    what: str
    why: str
    advice: str
    commands: Sequence[Command]
    others: Sequence[str] = ()


_LOOK = ("see all that is known of it", "status {}")
_EVENTS = ("see what has happened", "events {}")
_BACK_UP = ("back it up now", "backup {} --wait")
_POINTS = ("see its recovery points", "points {}")

_OF_STATES: Mapping[State, Sequence[tuple[str, str]]] = {
    State.LATE: (_EVENTS, _BACK_UP),
    State.FAILING: (_LOOK, ("once that is corrected, back it up", "backup {} --wait")),
    State.UNLISTED: (("if that was meant, end its backups", "retire {}"),),
    State.MISSING: (("if it was deleted on purpose, end its backups", "retire {}"),),
}
_OF_FLAGS: Mapping[Flag, Sequence[tuple[str, str]]] = {
    Flag.DAMAGED: (_POINTS, ("compare its newest recovery point", "verify {} --wait")),
    Flag.NOT_INSPECTED: (("compare its newest recovery point", "verify {} --wait"),),
    Flag.RESYNC_AGAIN: (_POINTS, _EVENTS),
    Flag.UNUSUAL: (("see what has changed", "changes {}"), _POINTS),
    Flag.ORPHANS: (("list them", "orphans"), ("put them on record", "rebuild")),
    Flag.TRIALS: (("see the restores", "jobs"),),
    Flag.NOTICE: (_LOOK,),
}
_OF_THE_APP = (Command("see what has happened", "tidemark events"), Command("see it in a terminal", "tidemark status"))


_OF_A_STRAY = (Command("once its row is corrected or deleted", "tidemark rebuild"),)


def what_to_do(report: Report) -> list[Advice]:
    """Say what needs somebody, the app first and then the disks, in the report's order."""
    found = [Advice("", "app", *split_advice(problem), _OF_THE_APP) for problem in report.problems]
    for disk in report.disks:
        if disk.needs_attention:
            found += _of_state(disk)
            found += [_of_flag(disk, flag) for flag in disk.flags if flag not in FOR_INFORMATION]
    return found


def grouped(found: Sequence[Advice]) -> list[Advice]:
    """Say once what is said of several disks; the commands are those for the first of them."""
    groups: dict[tuple[bool, str, str, str], list[Advice]] = {}
    for one in found:
        groups.setdefault((bool(one.disk), one.what, one.why, one.advice), []).append(one)
    return [said for group in groups.values() for said in _as_one(group)]


def _as_one(group: Sequence[Advice]) -> Sequence[Advice]:
    first, *rest = group
    if not rest or not first.disk:
        return group
    commands = [replace(command, what=f"{command.what}; here the first disk") for command in first.commands]
    return [replace(first, commands=commands, others=[one.disk for one in rest])]


def for_information(report: Report) -> list[Advice]:
    """Say what puts nothing at risk, but may be of interest."""
    return [_of_flag(disk, flag) for disk in report.disks for flag in disk.flags if flag in FOR_INFORMATION]


def _of_state(disk: DiskReport) -> list[Advice]:
    if disk.state not in NOT_SAFE:
        return []
    return [Advice(disk.disk, str(disk.state), *split_advice(disk.reason), _commands(disk, _OF_STATES[disk.state]))]


def _of_flag(disk: DiskReport, flag: Flag) -> Advice:
    return Advice(disk.disk, str(flag), *split_advice(disk.flags[flag]), _commands(disk, _OF_FLAGS[flag]))


def _commands(disk: DiskReport, chosen: Sequence[tuple[str, str]]) -> Sequence[Command]:
    try:
        name = shlex.quote(Disk.parse(disk.disk).name)
    except AddressError:  # somebody has edited its row: it is told by its key, which no command takes for a disk
        return _OF_A_STRAY
    return [Command(what, f"tidemark {text.format(name)}") for what, text in chosen]
