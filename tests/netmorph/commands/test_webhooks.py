"""The commands on webhooks, run against a real service that refuses private addresses."""

from netmorph.client import Client
from tests.netmorph.commands.conftest import refused
from tests.waiting import wait_for


def test_a_webhook_is_added_tried_and_deleted(ask, netmorph, service) -> None:
    made = ask("webhook", "add", "http://hooks.invalid/a", "--name", "chat")
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["search.completed", "search.failed", "search.stopped"]
    assert ask("webhook", "ls") == [{k: v for k, v in made.items() if k != "secret"}]

    sent = ask("webhook", "ping", "chat")
    with Client(service.url, service.key) as client:
        (logged,) = wait_for(
            lambda: [one for one in client.deliveries(made["id"]) if one["error"]], 60
        )
    assert (logged["id"], logged["status"]) == (sent["id"], "pending")
    assert "hooks.invalid cannot be resolved" in logged["error"]
    options = ("--data-dir", service.directory)
    listed = netmorph("webhook", "deliveries", made["id"][:8], *options)
    assert "cannot be resolved" in listed.stdout
    assert ask("webhook", "redeliver", "chat", "last")["id"] == sent["id"]

    private = netmorph("webhook", "add", "http://127.1/", "--name", "x", *options)
    assert "127.0.0.1 is a private or reserved address" in refused(private)
    assert ask("webhook", "rm", "chat") == {"deleted": [made["id"]]}
    assert "no webhook found" in refused(netmorph("webhook", "rm", "chat", *options))
