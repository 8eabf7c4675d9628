"""The commands on webhooks, run against a real service that refuses private addresses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from netmorph.cli import app
from netmorph.client import Client
from netmorph.commands.webhooks import resolve
from netmorph.errors import ClientError, RefusedRequest
from tests.waiting import wait_for


@pytest.fixture
def call(service, capsys) -> Callable[..., str]:
    """Runs a command on webhooks in this process and returns what it printed."""

    def run(*arguments: str) -> str:
        command = ["webhook", *arguments, "--data-dir", str(service.directory)]
        app(command, standalone_mode=False)
        return str(capsys.readouterr().out)

    return run


def test_a_webhook_is_added_tried_and_deleted(call, service) -> None:
    made: Any = json.loads(call("add", "http://hooks.invalid/a", "--name", "chat", "--json"))
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["search.completed", "search.failed", "search.stopped"]
    without = {name: value for name, value in made.items() if name != "secret"}
    assert json.loads(call("ls", "--json")) == [without]
    assert made["url"] in call("ls")

    sent: Any = json.loads(call("ping", "chat", "--json"))
    with Client(service.url, service.key) as client:
        (logged,) = wait_for(
            lambda: [one for one in client.deliveries(made["id"]) if one["error"]], 60
        )
        assert (logged["id"], logged["status"]) == (sent["id"], "pending")
        assert "cannot be resolved" in call("deliveries", made["id"][:8])
        assert sent["id"] in call("redeliver", "chat", "last")
        with pytest.raises(RefusedRequest, match=r"127\.0\.0\.1 is a private or reserved"):
            client.create_webhook("x", "http://127.1/", ["trial.best"])
        assert "deleted chat" in call("rm", "chat")
        with pytest.raises(ClientError, match="`netmorph webhook ls` lists them"):
            resolve(client, "chat")
