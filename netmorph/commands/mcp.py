"""`netmorph mcp`: a server of the Model Context Protocol, for assistants and editors."""

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from netmorph.commands.options import DirectoryOption, KeyOption, UrlOption, connect
from netmorph.errors import ClientError


def mcp(
    folder: Annotated[
        Path,
        typer.Option(
            help="Folder for models and networks: no tool reads or writes a file outside it."
        ),
    ],
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
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
    server.serve(tools.Tools(lambda: connect(url, key, data_dir), folder.absolute()))
