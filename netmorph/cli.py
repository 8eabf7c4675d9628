"""The command line: `netmorph COMMAND`.

Results go to the standard output, progress and errors to the standard error. Exit codes: 0 success,
1 an error or a failed search, 2 wrong usage, 130 interrupted.
"""

import json
import signal
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from netmorph.commands import searches, setup, storage, up
from netmorph.commands.bench import benches
from netmorph.commands.datasets import datasets
from netmorph.commands.exporting import export
from netmorph.commands.keys import keys
from netmorph.commands.lineage import lineage
from netmorph.commands.mcp import mcp
from netmorph.commands.options import messages
from netmorph.commands.predict import predict
from netmorph.commands.report import report
from netmorph.commands.search import search
from netmorph.commands.tracking import track
from netmorph.commands.trials import trial
from netmorph.commands.webhooks import webhooks
from netmorph.commands.workers import workers
from netmorph.errors import ClientError, RefusedRequest, in_words
from netmorph.interruption import interrupted_by

_AS_JSON = "netmorph.as_json"  # in the context: whether errors are printed as JSON
_HELP = "\n\n".join(
    (
        "Find, train and export a neural network for your data.",
        "Start with `netmorph search --dataset digits`. Results go to the standard output, "
        "progress and errors to the standard error; --json makes both machine-readable, "
        "NO_COLOR=1 removes colours.",
        "Exit codes: 0 success, 1 an error or a failed search, 2 wrong usage, 130 interrupted.",
    )
)


class _Commands(TyperGroup):
    """The commands; an error becomes one line on standard error, with --json one JSON object."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note whether a command was given --json, also if its other options are wrong."""
        ctx.meta[_AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ClientError as error:
            _print_error(error, as_json=ctx.meta[_AS_JSON])
            raise typer.Exit(1) from None
        except TyperException as error:  # wrong usage
            if not ctx.meta[_AS_JSON]:
                raise
            _print_error(error, as_json=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            for note in getattr(interrupt, "__notes__", ()):
                messages(quiet=ctx.meta[_AS_JSON]).print(note, soft_wrap=True)
            raise typer.Exit(130) from None


def _print_error(error: ClientError | TyperException, *, as_json: bool) -> None:
    text = (
        " ".join(error.format_message().split())
        if isinstance(error, TyperException)
        else in_words(error)
    )
    if not as_json:
        messages().print(f"error: {text}", soft_wrap=True)
        return
    document: dict[str, Any] = {"error": text}
    if isinstance(error, RefusedRequest):
        document |= {"status": error.status, "errors": list(error.errors)}
    sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")


app = typer.Typer(
    name="netmorph",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=_HELP,
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"netmorph {metadata.version('netmorph')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself; its help is `_HELP`."""


app.command()(up.up)
app.command()(up.down)
app.command()(search)
app.command()(searches.ls)
app.command()(searches.show)
app.command()(searches.watch)
app.command()(searches.trials)
app.command()(lineage)
app.command()(searches.logs)
app.command()(searches.pause)
app.command()(searches.resume)
app.command()(searches.stop)
app.command()(searches.extend)
app.command()(searches.edit)
app.command()(searches.enqueue)
app.command()(searches.dequeue)
app.command()(searches.clone)
app.command()(searches.rm)
app.command()(export)
app.command()(report)
app.command()(track)
app.command()(predict)
app.command()(mcp)
app.add_typer(trial, name="trial")
app.add_typer(datasets, name="dataset")
app.add_typer(keys, name="key")
app.add_typer(workers, name="worker")
app.add_typer(webhooks, name="webhook")
app.command()(storage.gc)
app.add_typer(benches, name="bench")
app.command()(setup.config)
app.command()(setup.doctor)


def main() -> None:
    """Run the command line; a command that is told to end removes its temporary files first."""
    with interrupted_by(signal.SIGTERM, signal.SIGHUP):
        app()
