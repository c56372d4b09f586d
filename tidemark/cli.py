"""All commands. Nothing of Azure is imported before a command has been read: `--help` and completion are quick."""

from typing import TYPE_CHECKING, override

import typer
from typer.core import TyperGroup

from tidemark.commands import asking, looking, managing, reading, restoring, telling

if TYPE_CHECKING:
    from typer._click.core import Context

_HELP = """See and ask for backups of Azure disks.

Say first where the app is: tidemark use --help. DISK is a part of a disk's URL that no other disk has, or all of it.

Times: latest, now, today, yesterday, -2d, -3h, "27 Nov 14:00", 2026-11-27T14:00:00Z. A time without a zone is local. A
minute, a day and so on mean their end: the last recovery point at or before it.

Exit codes: 0 safe or done, 1 needs attention or failed, 2 a mistake in the command, 3 unreachable or no permission.
"""


class QuickToHelp(TyperGroup):
    """Commands whose help is shown before Typer imports what it checks values with: that takes longer than the help."""

    @override
    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        name, option = [*args, "", ""][:2]
        command = self.commands.get(name)
        if command and option in ctx.help_option_names and not ctx.resilient_parsing:
            typer.echo(command.context_class(command, info_name=name, parent=ctx).get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="tidemark",
    cls=QuickToHelp,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for commands in (looking, asking, managing, restoring, reading, telling):
    commands.add_to(app)


def main() -> None:
    """Run the command that was typed."""
    app(prog_name="tidemark")
