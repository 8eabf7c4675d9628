"""`netmorph mcp`: a server of the Model Context Protocol, for assistants and editors."""

import importlib
import importlib.util
import signal
from pathlib import Path
from typing import Annotated

import typer

from netmorph.commands.options import connect, with_service
from netmorph.errors import ClientError
from netmorph.target import Target


@with_service
def mcp(
    service: Target,
    folder: Annotated[
        Path,
        typer.Option(
            help="Folder for models and networks: no tool reads or writes a file outside it."
        ),
    ],
) -> None:
    """Let an assistant search: serve the Model Context Protocol on standard input and output.

    The service may start later: a tool that cannot reach it says so.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ClientError(
            "netmorph mcp needs the package mcp, which is not installed: "
            "pip install 'netmorph[mcp]'"
        )
    if not folder.is_dir():
        raise ClientError(f"there is no folder {folder}: create it, or give another --folder")
    server = importlib.import_module("netmorph.commands.mcp_server")
    tools = importlib.import_module("netmorph.commands.mcp_tools")
    # As an interrupt, it would wait for the thread that reads the input, which goes on reading.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server.serve(tools.Tools(lambda: connect(service), folder.absolute()))
