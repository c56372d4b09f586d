"""The commands that ask something of one or several disks."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from tidemark.options import A_DAY, AsJson, At, DiskName, DiskNames, Timeout, Wait


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (backup, verify, drill, keep, unkeep, forget, retire):
        app.command()(command)


def backup(
    disks: DiskNames,
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="NOTE", help="Keep that recovery point, whatever the retention says; why."),
    ] = None,
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Back disks up now."""
    if keep and keep.startswith("-"):
        raise typer.BadParameter(f"{keep} is no note, and --keep takes a note: why it is kept, or '' for none")
    more = {} if keep is None else {"keep": True, "note": keep or None}
    _ask("backup", disks, more, timeout if wait else "", as_json=as_json)


def verify(
    disk: DiskName, at: At = "latest", wait: Wait = False, timeout: Timeout = A_DAY, as_json: AsJson = False
) -> None:
    """Compare a recovery point with its source snapshot, every byte."""
    _ask_of_point("verify", disk, at, timeout if wait else "", as_json=as_json)


def drill(
    disk: DiskName, at: At = "latest", wait: Wait = False, timeout: Timeout = A_DAY, as_json: AsJson = False
) -> None:
    """Try a restore of a recovery point, and throw it away."""
    _ask_of_point("drill", disk, at, timeout if wait else "", as_json=as_json)


def keep(
    disk: DiskName,
    *,
    at: At = "latest",
    until: Annotated[str, typer.Option(metavar="T", help="Until when; for ever if left out.")] = "",
    note: Annotated[str, typer.Option(metavar="N", help="Why, for people.")] = "",
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Keep a recovery point, whatever the retention says."""

    def more() -> Mapping[str, object]:
        from tidemark.ask import time_said

        return {"until": time_said(until, ahead=True).asked if until else None, "note": note or None}

    _ask_of_point("keep", disk, at, timeout if wait else "", more, as_json=as_json)


def unkeep(
    disk: DiskName, at: At = "latest", wait: Wait = False, timeout: Timeout = A_DAY, as_json: AsJson = False
) -> None:
    """Let go of a recovery point that is kept."""
    _ask_of_point("unkeep", disk, at, timeout if wait else "", as_json=as_json)


def forget(
    disk: DiskName,
    at: Annotated[str, typer.Option(metavar="T", help="The recovery point's own time; as shown, or in UTC.")],
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Delete one recovery point."""
    from tidemark.ask import ask, disk_named, own_time
    from tidemark.outcome import Answer
    from tidemark.running import run
    from tidemark.store import Store

    async def work(store: Store) -> Answer:
        named = await disk_named(store, disk)
        asked = {"disk": named.name, "point": await own_time(store, named, at)}
        return await ask(store, "forget", [asked], timeout if wait else "", quiet=as_json)

    raise typer.Exit(run("forget", work, as_json=as_json))


def retire(
    disk: DiskName,
    keep_points: Annotated[bool, typer.Option("--keep-points", help="Keep its recovery points for ever.")] = False,
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """End the backups of a disk. Refused while SOURCE_DISKS names its URL."""
    more = {"keepPoints": True} if keep_points else {}
    _ask("retire", [disk], more, timeout if wait else "", as_json=as_json)


def _ask(kind: str, disks: Sequence[str], more: Mapping[str, object], patience: str, *, as_json: bool) -> None:
    from tidemark.ask import ask_of
    from tidemark.running import run

    raise typer.Exit(
        run(kind, lambda store: ask_of(store, kind, disks, more, patience, quiet=as_json), as_json=as_json)
    )


def _ask_of_point(kind: str, disk: str, at: str, patience: str, more: object = None, *, as_json: bool) -> None:
    from tidemark.ask import ask_of, point_said
    from tidemark.outcome import Answer
    from tidemark.running import run
    from tidemark.store import Store

    async def work(store: Store) -> Answer:
        fields = {"point": point_said(at), **(more() if callable(more) else {})}
        return await ask_of(store, kind, [disk], fields, patience, quiet=as_json)

    raise typer.Exit(run(kind, work, as_json=as_json))
