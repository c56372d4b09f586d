"""The commands about the app as a whole, and about what is under way."""

from typing import Annotated

import typer

from tidemark.options import A_DAY, AsJson, Timeout, Wait


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (prune, orphans, rebuild, cancel):
        app.command()(command)


def prune(
    approve: Annotated[str, typer.Option(metavar="HASH", help="Approve this plan, or all by the hash of all.")] = "",
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Show the retention plans that wait, or approve one. What a plan deletes is listed with its hash."""
    from tidemark.ask import ask
    from tidemark.retention import waiting
    from tidemark.running import run

    if not approve:
        raise typer.Exit(run("prune", waiting, as_json=as_json))
    patience, plan = timeout if wait else "", {"plan": approve}
    raise typer.Exit(
        run("prune", lambda store: ask(store, "approve", [plan], patience, quiet=as_json), as_json=as_json)
    )


def orphans(
    approve: Annotated[str, typer.Option(metavar="HASH", help="Delete those of the list with this hash.")] = "",
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Have the snapshots listed that no row knows, or deleted. With --wait the list is shown, and its hash."""
    from tidemark.ask import ask
    from tidemark.running import run

    patience, asked = timeout if wait else "", {"approve": approve} if approve else {}
    raise typer.Exit(
        run("orphans", lambda store: ask(store, "orphans", [asked], patience, quiet=as_json), as_json=as_json)
    )


def rebuild(as_json: AsJson = False) -> None:
    """Rebuild the catalogue from the backup account."""
    from tidemark.ask import rebuild as work
    from tidemark.running import run

    raise typer.Exit(run("rebuild", work, as_json=as_json))


def cancel(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The id of a restore, a verify or a drill; its beginning.")],
    wait: Wait = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """End a restore, a verify or a drill early."""
    from tidemark.ask import cancel as work
    from tidemark.running import run

    patience = timeout if wait else ""
    raise typer.Exit(run("cancel", lambda store: work(store, job, patience, quiet=as_json), as_json=as_json))
