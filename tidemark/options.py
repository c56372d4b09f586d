"""The options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead: version, command, exit, data.")]
DiskName = Annotated[
    str, typer.Argument(metavar="DISK", help="A part of a disk's URL, or all of it.", show_default=False)
]
DiskNames = Annotated[
    list[str], typer.Argument(metavar="DISK...", help="Parts of disks' URLs, or all of them.", show_default=False)
]
At = Annotated[
    str, typer.Option("--at", metavar="T", help="Which recovery point: the last one at or before this time.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended, and end with its outcome.")]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long to wait at most; what was asked for goes on.")
]

A_DAY = "24h"
"""How long a command waits, unless it is told."""
