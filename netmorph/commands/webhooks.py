"""The commands on webhooks: webhook add, ls, rm, deliveries, redeliver, ping."""

from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from netmorph import tables
from netmorph.answers import Delivery, Webhook
from netmorph.client import Client
from netmorph.commands import matching
from netmorph.commands.options import (
    JsonOption,
    connect,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.target import Target

webhooks = typer.Typer(
    no_args_is_help=True, help="Have events of your searches sent to an address of yours."
)

WebhookArgument = Annotated[
    str,
    typer.Argument(metavar="webhook", help="A webhook: its name, id, or the beginning of its id."),
]


class Event(StrEnum):
    """The events that can be sent."""

    COMPLETED = "search.completed"
    FAILED = "search.failed"
    STOPPED = "search.stopped"
    BEST = "trial.best"


@webhooks.command("add")
@with_service
def add(
    service: Target,
    address: Annotated[str, typer.Argument(help="Where to send the events: a URL.")],
    name: Annotated[str, typer.Option(help="A name to find the webhook by.")],
    event: Annotated[
        list[Event] | None,
        typer.Option(help="Send this event; may be repeated. Default: all ends of searches."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a webhook and print the secret of its signatures. It cannot be printed again.

    For example: `netmorph webhook add https://example.org/hook --name ops --event search.failed`.
    """
    events = event or [Event.COMPLETED, Event.FAILED, Event.STOPPED]
    with connect(service) as client:
        made = client.create_webhook(name, address, [one.value for one in events])
    if as_json:
        print_json(made)
        return
    console().print(made["secret"], soft_wrap=True)
    messages().print(f"to try it: netmorph webhook ping {made['id'][:8]}", soft_wrap=True)


@webhooks.command("ls")
@with_service
def ls(
    service: Target,
    as_json: JsonOption = False,
) -> None:
    """List the webhooks, without their secrets."""
    with connect(service) as client:
        items = list(client.webhooks())
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.webhooks(items, out.width))


@webhooks.command("rm")
@with_service
def rm(
    service: Target,
    webhook: WebhookArgument,
    as_json: JsonOption = False,
) -> None:
    """Delete a webhook with its deliveries; nothing more is sent to it."""
    with connect(service) as client:
        item = resolve(client, webhook)
        client.delete_webhook(item["id"])
    if as_json:
        print_json({"deleted": [item["id"]]})
    else:
        console().print(f"deleted {item['name']} ({item['id']})", soft_wrap=True)


@webhooks.command("deliveries")
@with_service
def deliveries(
    service: Target,
    webhook: WebhookArgument,
    as_json: JsonOption = False,
) -> None:
    """List what was sent to a webhook within 30 days and what became of it, the newest first."""
    with connect(service) as client:
        items = list(client.deliveries(resolve(client, webhook)["id"]))
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.deliveries(items, out.width))


@webhooks.command("redeliver")
@with_service
def redeliver(
    service: Target,
    webhook: WebhookArgument,
    delivery: Annotated[
        str, typer.Argument(help="A delivery: its id, the beginning of its id, or `last`.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Send a delivery again, with the same id and content."""
    with connect(service) as client:
        item = resolve(client, webhook)
        found = _delivery(client, item["id"], delivery)
        _print_pending(client.redeliver(item["id"], found["id"]), as_json=as_json)


@webhooks.command("ping")
@with_service
def ping(
    service: Target,
    webhook: WebhookArgument,
    as_json: JsonOption = False,
) -> None:
    """Send a test; `netmorph webhook deliveries` shows what became of it."""
    with connect(service) as client:
        _print_pending(client.ping_webhook(resolve(client, webhook)["id"]), as_json=as_json)


def resolve(client: Client, text: str) -> Webhook:
    """The one webhook with this name or id, or whose id begins with `text`.

    Raises:
        ClientError: no webhook or several match.
    """
    return matching.named(
        client.webhooks(), text, "webhook", "expected one: `netmorph webhook ls` lists them"
    )


def _delivery(client: Client, webhook_id: str, text: str) -> Delivery:
    """The delivery whose id begins with `text`, or the newest for `last`.

    Raises:
        ClientError: no delivery or several match.
    """
    known = client.deliveries(webhook_id)
    if text == "last":
        found = list(islice(known, 1))
    else:
        found = [item for item in known if matching.begins(item, text)]
    advice = "expected one: `netmorph webhook deliveries` lists them"
    return matching.only(found, text, "delivery", advice, plural="deliveries")


def _print_pending(item: Delivery, *, as_json: bool) -> None:
    if as_json:
        print_json(item)
    else:
        console().print(f"{item['event']} ({item['id']}) is sent soon", soft_wrap=True)
