"""The command that restores."""

from typing import Annotated

import typer

from tidemark.options import A_DAY, AsJson, At, DiskName, Timeout

NewDisk = Annotated[
    str,
    typer.Option(
        "--to", metavar="NAME|URL|ID", help="The new disk: a name beside the old one, a URL, or a managed ID."
    ),
]
MadeAs = Annotated[
    list[str] | None,
    typer.Option("--as", metavar="NAME=VALUE", help="What a managed disk is made as, such as sku=StandardSSD_LRS."),
]
InPlace = Annotated[bool, typer.Option("--in-place", help="Write over the disk itself. Its name must be typed.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="The blob of --to may exist, and is written over. Its name must be typed.")
]
ReplaceOther = Annotated[bool, typer.Option("--replace-other", help="With --overwrite: it may be another disk.")]
NoAdopt = Annotated[bool, typer.Option("--no-adopt", help="A trial: the new disk is not backed up.")]
Expires = Annotated[
    str, typer.Option(metavar="T", help="With --no-adopt: when it is deleted, such as 12h, 7d, a time.")
]
NoUndo = Annotated[bool, typer.Option("--no-undo", help="Write over it without a way back.")]
Damaged = Annotated[bool, typer.Option("--allow-damaged", help="Restore even a damaged recovery point.")]
Yes = Annotated[str, typer.Option("--yes", metavar="NAME", help="The name of what is written over, in scripts.")]
WaitForProof = Annotated[bool, typer.Option("--wait", help="Show how far it is, and end with the proof.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(restore)


def restore(
    disk: DiskName,
    *,
    at: At = "latest",
    to: NewDisk = "",
    made_as: MadeAs = None,
    in_place: InPlace = False,
    overwrite: Overwrite = False,
    replace_other: ReplaceOther = False,
    no_adopt: NoAdopt = False,
    expires: Expires = "",
    no_undo: NoUndo = False,
    allow_damaged: Damaged = False,
    yes: Yes = "",
    wait: WaitForProof = False,
    timeout: Timeout = A_DAY,
    as_json: AsJson = False,
) -> None:
    """Restore a disk: to a new one beside it, unless you say where. Exit code 1 if it was refused or has failed."""
    from tidemark.restore import Wish
    from tidemark.restore import restore as work
    from tidemark.running import run

    wish = Wish(
        disk=disk,
        at=at,
        to=to,
        made_as=made_as or (),
        in_place=in_place,
        overwrite=overwrite,
        replace_other=replace_other,
        adopt=not no_adopt,
        expires=expires,
        undo=not no_undo,
        allow_damaged=allow_damaged,
        name=yes,
        patience=timeout if wait else "",
        quiet=as_json,
    )
    raise typer.Exit(run("restore", lambda store: work(store, wish), as_json=as_json))
