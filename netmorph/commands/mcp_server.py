"""The MCP server of `netmorph mcp`, over standard input and output.

The protocol is that of modelcontextprotocol.io; nothing else is printed on the standard output.
"""

import functools
import inspect
from collections.abc import Callable
from importlib import metadata

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from netmorph.commands.mcp_tools import Tools
from netmorph.errors import ClientError, in_words

_INSTRUCTIONS = (
    "Netmorph searches for neural networks on a data set. submit_search starts a search, "
    "search_status follows it, explain_trial says why a network was tried, export_model downloads "
    "the trained network. A search runs on the service and takes minutes to hours."
)


def serve(tools: Tools) -> None:
    """Answer requests from the standard input until it is closed."""
    server = MCPServer(
        "netmorph",
        instructions=_INSTRUCTIONS,
        version=metadata.version("netmorph"),
        log_level="WARNING",
    )
    for tool, only_reads in tools.all():
        hints = ToolAnnotations(read_only_hint=only_reads, open_world_hint=False)
        server.add_tool(
            _with_tool_errors(tool),
            description=inspect.getdoc(tool),  # without the indentation of the code
            annotations=hints,
            structured_output=False,
        )
    server.run("stdio")


def _with_tool_errors(tool: Callable[..., str]) -> Callable[..., str]:
    """The tool, with each expected error as one that the model reads."""

    @functools.wraps(tool)
    def call(**arguments: object) -> str:
        try:
            return tool(**arguments)
        except ClientError as error:
            raise ToolError(in_words(error)) from None
        except OSError as error:  # of a file that is read or written here
            raise ToolError(f"{error.filename or 'a file'}: {error.strerror or error}") from None

    return call
