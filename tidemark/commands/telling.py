"""The commands that tell what the backups cost, and what has happened."""

from typing import Annotated

import typer

from tidemark.options import AsJson

OneDisk = Annotated[str, typer.Argument(metavar="DISK", help="Only this disk, and all about it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (costs, events):
        app.command()(command)


def costs(
    disk: OneDisk = "",
    rules: Annotated[
        list[str] | None,
        typer.Option("--rules", metavar="RULES", help="Rules of a retention to try, such as last=6,daily=14."),
    ] = None,
    within: Annotated[
        str, typer.Option(metavar="TIME", help="How long to count; what is not counted by then is a range.")
    ] = "60s",
    *,
    as_json: AsJson = False,
) -> None:
    """Count what the backups hold, and what deleting some would free."""
    from tidemark.costs import costs as work
    from tidemark.running import run

    raise typer.Exit(run("costs", lambda store: work(store, disk, rules or (), within), as_json=as_json))


def events(
    disk: OneDisk = "",
    since: Annotated[str, typer.Option(metavar="T", help="How far back: a time, or -2d, yesterday.")] = "-2d",
    *,
    as_json: AsJson = False,
) -> None:
    """List what has happened of late, the newest first."""
    from tidemark.events import events as work
    from tidemark.running import run

    raise typer.Exit(run("events", lambda store: work(store, disk, since), as_json=as_json))
