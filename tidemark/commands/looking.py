"""The commands that only look."""

from typing import Annotated

import typer

from tidemark.options import A_DAY, AsJson, DiskName, Timeout


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (use, status, check, metrics, points, jobs, job):
        app.command()(command)


def use(
    storage: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="The app's own storage account, in its resource group.")
    ] = "",
    azd: Annotated[bool, typer.Option("--azd", help="The app of the azd environment in this folder.")] = False,
    app: Annotated[str, typer.Option(metavar="NAME", help="The function app; with --group.")] = "",
    group: Annotated[str, typer.Option(metavar="GROUP", help="The function app's resource group.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say which app the commands are about; it is remembered."""
    from tidemark.running import finish
    from tidemark.which_app import use as work

    raise typer.Exit(finish("use", lambda: work(storage, app, group, azd=azd), as_json=as_json))


def status(
    disk: Annotated[str, typer.Argument(metavar="DISK", help="Only this disk, and all about it.")] = "",
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 5 seconds, until Ctrl-C or --timeout.")
    ] = False,
    html: Annotated[
        str, typer.Option("--html", metavar="FILE", help="Write the app's page to this file, too.", show_default=False)
    ] = "",
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Show whether the disks are safe, and what to do if not. Exit code 1 if somebody must do something."""
    from tidemark.outcome import Exit
    from tidemark.running import run
    from tidemark.status import look
    from tidemark.status import watch as go_on_looking

    if watch and (as_json or html):
        typer.echo("tidemark status: --watch prints no JSON, and no page. What to do: run it again and again", err=True)
        raise typer.Exit(int(Exit.USAGE))
    if html:
        from tidemark.page_file import write

        raise typer.Exit(run("status", lambda store: write(store, disk, html), as_json=as_json))
    if watch:
        raise typer.Exit(run("status", lambda store: go_on_looking(store, disk, timeout), as_json=False))
    raise typer.Exit(run("status", lambda store: look(store, disk), as_json=as_json))


def check(as_json: AsJson = False) -> None:
    """Say in one line whether all is well. For monitors such as Nagios: exit code 0, 1 or 3."""
    from tidemark.monitors import check as work
    from tidemark.running import run

    raise typer.Exit(run("check", work, as_json=as_json, unknown="TIDEMARK UNKNOWN"))


def metrics(as_json: AsJson = False) -> None:
    """Print the state of all disks in the text format of Prometheus."""
    from tidemark.monitors import metrics as work
    from tidemark.running import run

    raise typer.Exit(run("metrics", work, as_json=as_json))


def points(disk: DiskName, as_json: AsJson = False) -> None:
    """List the recovery points of a disk. What is known of each, and why it stays; exit code 1 if one is damaged."""
    from tidemark.points import points as work
    from tidemark.running import run

    raise typer.Exit(run("points", lambda store: work(store, disk), as_json=as_json))


def jobs(
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too; the newest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is under way. Backups, restores, verifies, drills, and whatever else was asked for."""
    from tidemark.jobs import jobs as work
    from tidemark.running import run

    raise typer.Exit(run("jobs", lambda store: work(store, everything=everything), as_json=as_json))


def job(
    job: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how that begins; of a backup, its time in UTC.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended, and end with its outcome.")] = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Show a job: its stage, how far it is, and what came of it. Exit code 1 if it was refused or has failed."""
    from tidemark.jobs import job as work
    from tidemark.running import run

    seconds = timeout if wait else ""
    raise typer.Exit(run("job", lambda store: work(store, job, seconds, quiet=as_json), as_json=as_json))
