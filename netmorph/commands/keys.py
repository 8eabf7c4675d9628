"""The commands on API keys: key create, key ls, key rotate, key revoke."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from netmorph import tables
from netmorph.answers import Key
from netmorph.commands import matching
from netmorph.commands.options import (
    JsonOption,
    connect,
    console,
    print_json,
    with_service,
)
from netmorph.target import Target

keys = typer.Typer(
    no_args_is_help=True,
    help="Create, list, rotate and revoke API keys; needs an admin's key.",
)

_EVERY_KEY = "netmorph_"  # the beginning of every key


KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="key", help="A key: its name, its id, or the beginning of the id or of the key."
    ),
]


class Role(StrEnum):
    """What a key gives access to."""

    USER = "user"
    WORKER = "worker"
    ADMIN = "admin"


@keys.command("create")
@with_service
def create(
    service: Target,
    name: Annotated[str, typer.Option(help="The owner or the purpose of the key.")],
    role: Annotated[Role, typer.Option(help="What the key gives access to.")] = Role.USER,
    worker: Annotated[
        str | None,
        typer.Option(help="Of a worker's key: the only NETMORPH_WORKER_NAME that may use it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key and print it. It cannot be printed again.

    For example: `netmorph key create --name alice`.
    """
    with connect(service) as client:
        created = client.create_key(name, role.value, worker)
    if as_json:
        print_json(created)
    else:
        console().print(created["key"], soft_wrap=True)


@keys.command("ls")
@with_service
def ls(
    service: Target,
    as_json: JsonOption = False,
) -> None:
    """List the API keys, without their secrets."""
    with connect(service) as client:
        items = client.list_keys()
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.keys(items, out.width))


@keys.command("rotate")
@with_service
def rotate(
    service: Target,
    which: KeyArgument,
    grace_minutes: Annotated[
        float, typer.Option(min=0, max=7 * 1440, help="Minutes for which the old one still opens.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Give an API key a new secret and print it. It cannot be printed again."""
    with connect(service) as client:
        created = client.rotate_key(resolve(client.list_keys(), which)["id"], 60 * grace_minutes)
    if as_json:
        print_json(created)
    else:
        console().print(created["key"], soft_wrap=True)


@keys.command("revoke")
@with_service
def revoke(
    service: Target,
    which: KeyArgument,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key at once and permanently. The only key of an admin is refused: rotate it."""
    with connect(service) as client:
        item = resolve(client.list_keys(), which)
        client.revoke_key(item["id"])
    if as_json:
        print_json({"id": item["id"], "revoked": True})
    else:
        console().print(f"revoked the key {item['name']} ({item['prefix']}…)", soft_wrap=True)


def resolve(items: Iterable[Key], text: str) -> Key:
    """The one live key with this id or name, or whose id or secret begins with `text`.

    Raises:
        ClientError: no key or several keys match.
    """
    live = [item for item in items if item["revoked_at"] is None]
    advice = (
        "expected one that is not revoked: `netmorph key ls` lists the names, ids and beginnings"
    )
    return matching.named(live, text, "key", advice, _begins)


def _begins(item: Key, text: str) -> bool:
    """Whether `text` is a beginning of the key's id or secret that says more than `netmorph_`.

    The service shows the first characters of a secret only, so a longer text is compared as far.
    """
    if matching.begins(item, text):
        return True
    shown = item["prefix"]
    if not shown:  # of a short key
        return False
    return len(text) > len(_EVERY_KEY) and (shown.startswith(text) or text.startswith(shown))
