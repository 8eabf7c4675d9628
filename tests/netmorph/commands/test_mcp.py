"""`netmorph mcp`, called by the client of the official SDK through real pipes."""

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from netmorph.client import Client as Service
from netmorph.commands.mcp import mcp
from netmorph.commands.mcp_tools import Tools, explanation
from netmorph.commands.options import connect
from netmorph.data_directory import DataDirectory
from netmorph.errors import ClientError, Unreachable
from netmorph.target import Target
from tests.netmorph import samples
from tests.netmorph.conftest import NETMORPH
from tests.waiting import wait_for

ARCHITECTURE = """{"version": 1, "nodes": [
    {"id": 0, "kind": "input", "inputs": [], "shape": [1, 8, 8]},
    {"id": 1, "kind": "flatten", "inputs": [0]},
    {"id": 2, "kind": "dense", "inputs": [1], "units": 10},
    {"id": 3, "kind": "output", "inputs": [2]}]}"""

Call = Callable[..., Awaitable[str]]


def with_tools(
    directory: Path, folder: Path, use: Callable[[Client, Call, Call], Awaitable[None]]
) -> None:
    """Run `use` with a client, the function that calls a tool, and that of calls that fail."""
    options = ["mcp", "--folder", str(folder), "--data-dir", str(directory)]
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "netmorph", *options],
        cwd=Path.cwd(),
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    async def session() -> None:
        async with Client(stdio_client(server)) as client:

            async def answer(name: str, is_error: bool, arguments: dict[str, object]) -> str:
                result = await client.call_tool(name, arguments)
                text = "\n".join(part.text for part in result.content)
                assert result.is_error == is_error, text
                return text

            async def call(name: str, /, **arguments: object) -> str:
                return await answer(name, False, arguments)

            async def fail(name: str, /, **arguments: object) -> str:
                return await answer(name, True, arguments)

            await use(client, call, fail)

    anyio.run(session)


def test_an_assistant_steers_a_search_from_its_start_to_its_end(service, tmp_path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)

    async def use(client: Client, call: Call, fail: Call) -> None:
        tools = (await client.list_tools()).tools
        assert len(tools) == 9
        for tool in tools:
            assert tool.description
            assert "  " not in tool.description  # the indentation of the code
            properties = tool.input_schema["properties"].values()
            assert all("description" in one for one in properties), tool.name

        made = await call("submit_search", dataset="digits", trials=2, name="by hand", cost="flops")
        assert made.startswith("by hand is search ")
        search = made.split()[4].strip(",")
        try:
            await steer(search, call, fail)
        finally:
            with Service(service.url, service.key) as users:
                users.delete(search)

    async def steer(search: str, call: Call, fail: Call) -> None:
        assert search in await call("list_searches")
        assert "of 2" in await call("search_status", search=search)
        assert "no trial has ended yet" in (await call("front", search=search)).lower()
        assert "data set" in await fail("submit_search", dataset="nothing of the kind")
        assert "greater than or equal to 1" in await fail("submit_search", dataset="d", trials=0)
        assert "`netmorph ls`" in await fail("search_status", search="unknown")

        assert "by hand" in await call(
            "enqueue_architecture", search=search, architecture=json.loads(ARCHITECTURE)
        )
        empty: dict[str, object] = {"version": 1, "nodes": []}
        refusal = await fail("enqueue_architecture", search=search, architecture=empty)
        assert "node" in refusal, refusal
        assert "not both" in await fail("enqueue_architecture", search=search)

        with Service(service.url, service.key) as users:
            wait_for(lambda: list(users.trials(search)), 60)
        explained = await call("explain_trial", search=search, number=0)
        assert "why: " in explained
        assert "predicted: nothing" in explained
        assert "has no trial 7" in await fail("explain_trial", search=search, number=7)

        for path in ("..", ".", "/etc/netmorph", "link/model", "a/../../b", "a\0b"):
            text = await fail("export_model", search=search, to=path)
            assert "path" in text, text
            text = await fail("enqueue_architecture", search=search, file=path)
            assert "path" in text, text
        assert "export" in await fail("export_model", search=search)
        assert [one.name for one in folder.iterdir()] == ["link"]

        assert "expected trials" in await fail("extend_search", search=search)
        assert "first trial" in await fail("stop_search", search=search, finish=True)
        assert "is stopped" in await call("stop_search", search=search, finish=False)
        extended = await call("extend_search", search=search, trials=1)
        assert "is running; budget 3 trials; 1 in flight, priority normal" in extended
        await call("extend_search", search=search, priority="low")
        with Service(service.url, service.key) as users:
            assert users.search(search)["priority"] == "low"

    with_tools(service.directory, folder, use)


def test_a_signal_ends_it_while_its_input_is_open(tmp_path) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-03-26",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    command = [*NETMORPH, "mcp", "--folder", tmp_path, "--url", "http://127.0.0.1:1", "--key", "k"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        try:
            process.stdin.write(json.dumps(hello).encode() + b"\n")
            process.stdin.flush()
            assert b"result" in process.stdout.readline()
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
        finally:
            process.kill()


def test_a_missing_folder_or_service_is_named(tmp_path) -> None:
    with pytest.raises(ClientError, match="there is no folder"):
        mcp(folder=tmp_path / "none")
    with pytest.raises(Unreachable, match="netmorph up"):
        Tools(lambda: connect(Target(DataDirectory(tmp_path))), tmp_path).list_searches()


@pytest.mark.parametrize(("hours", "is_idle"), [(0, False), (2, True)])
def test_a_search_without_a_live_worker_says_that_it_waits(tmp_path, hours, is_idle) -> None:
    seen_at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/workers"):
            page = {"items": [{"name": "w", "seen_at": seen_at}], "next_cursor": None}
            return httpx.Response(200, json=page)
        return httpx.Response(201, json=samples.SEARCH)

    def connected() -> Service:
        transport = httpx.MockTransport(answer)
        return Service("http://127.0.0.1:1", "netmorph_x", transport=transport)

    said = Tools(connected, tmp_path).submit_search("digits")
    assert ("No worker is there" in said) == is_idle


def test_a_trial_is_explained_with_its_prediction_and_its_result() -> None:
    known = {
        "changes": "", "remark": "", "network_id": None, "flops": 9, "layers": 3,
        "predicted_mean": None, "predicted_std": None,
    }  # fmt: skip
    root = samples.ROOT | known
    wider = samples.WIDER | known | {"predicted_mean": 0.92, "predicted_std": 0.02}
    lines = list(explanation(samples.SEARCH, [root, wider]))  # type: ignore[arg-type, list-item]
    assert "chose it from trial 0 (90.00 %), with its weights: widen" in lines[1]
    assert "92.00 % ± 2.00 %" in lines[2]
    assert "accuracy 95.68 %, 1.8 standard deviations above" in lines[3]
    failed = root | {"status": "failed", "value": None, "reason": "out of memory"}
    assert "result: no value; out of memory" in list(explanation(samples.SEARCH, [failed]))  # type: ignore[arg-type, list-item]


@pytest.mark.parametrize("path", ["..", "", "/tmp", "a/../.."])
def test_no_path_leads_out_of_the_folder(tmp_path, path) -> None:
    with pytest.raises(ClientError, match="below"):
        Tools(lambda: samples.answering(), tmp_path)._inside(path)
