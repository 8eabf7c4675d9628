"""The command line: `netmorph COMMAND`.

Exit codes: 0 success, 1 an error or a failed search, 2 wrong usage, 130 interrupted.
"""

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from netmorph.commands import searches, up
from netmorph.commands.datasets import datasets
from netmorph.commands.keys import keys
from netmorph.commands.search import search
from netmorph.errors import ClientError


class _Commands(TyperGroup):
    """The commands; a ClientError becomes one line on standard error and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ClientError as error:
            text = " ".join(str(error).split())
            out = Console(stderr=True, highlight=False, markup=False, emoji=False)
            out.print(f"error: {text}", soft_wrap=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


app = typer.Typer(
    name="netmorph",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find, train and export a neural network for your data.",
)
app.command()(up.up)
app.command()(search)
app.command()(searches.ls)
app.command()(searches.show)
app.command()(searches.trials)
app.command()(searches.pause)
app.command()(searches.resume)
app.command()(searches.stop)
app.command()(searches.export)
app.add_typer(datasets, name="dataset")
app.add_typer(keys, name="key")


def main() -> None:
    """Run the command line."""
    app()
