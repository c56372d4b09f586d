"""The commands that read the backups themselves."""

from typing import Annotated

import typer

from tidemark.options import AsJson, At, DiskName

File = Annotated[str, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)]
FileFormat = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="vhd, raw (without a VHD's footer), or qcow2 (by qemu-img).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="FILE may exist.")]
From = Annotated[
    str, typer.Option("--from", metavar="T", help="The older recovery point; the one before the newer if left out.")
]
Path = Annotated[
    str, typer.Argument(metavar="PATH", help="A folder to list or a file, from /; left out: the partitions.")
]
Partition = Annotated[
    int | None,
    typer.Option("--partition", metavar="N", help="PATH's; the largest that can be read if left out.", min=1),
]
CopyTo = Annotated[str, typer.Option("--to", metavar="FILE", help="Copy the file there, or into that folder.")]
Mount = Annotated[bool, typer.Option("--mount", help="Serve the disk read-only until Ctrl-C, and say how to mount it.")]
To = Annotated[str, typer.Option("--to", metavar="T", help="The newer recovery point; the latest if left out.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (export, changes, browse):
        app.command()(command)


def export(
    disk: DiskName,
    file: File,
    at: At = "latest",
    file_format: FileFormat = "vhd",
    *,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write a recovery point to a file. Stopped at any moment, the same command goes on with it."""
    from tidemark.reading import export as work
    from tidemark.running import run

    raise typer.Exit(
        run("export", lambda store: work(store, disk, file, at, file_format, overwrite=overwrite), as_json=as_json)
    )


def changes(disk: DiskName, since: From = "", until: To = "", *, as_json: AsJson = False) -> None:
    """Say what has changed since the last backup. Or between two recovery points; it takes no snapshot."""
    from tidemark.reading import changes as work
    from tidemark.running import run

    raise typer.Exit(run("changes", lambda store: work(store, disk, since, until), as_json=as_json))


def browse(
    disk: DiskName,
    path: Path = "",
    at: At = "latest",
    partition: Partition = None,
    to: CopyTo = "",
    *,
    overwrite: Overwrite = False,
    mount: Mount = False,
    as_json: AsJson = False,
) -> None:
    """List the files of a recovery point, or copy one out. Without a restore: only what is looked at is read."""
    from tidemark.browse import Wanted
    from tidemark.browse import browse as work
    from tidemark.running import run

    wanted = Wanted(at=at, path=path, partition=partition, to=to, overwrite=overwrite, mount=mount, as_json=as_json)
    raise typer.Exit(run("browse", lambda store: work(store, disk, wanted), as_json=as_json))
