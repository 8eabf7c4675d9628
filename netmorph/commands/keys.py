"""The commands on API keys: key create, key ls, key revoke."""

from enum import StrEnum
from typing import Annotated

import typer

from netmorph import tables
from netmorph.commands.options import (
    DirectoryOption,
    JsonOption,
    KeyOption,
    UrlOption,
    connect,
    console,
    print_json,
)
from netmorph.errors import ClientError

keys = typer.Typer(no_args_is_help=True, help="API keys (with an administrator's key).")


class Role(StrEnum):
    """What a key may do."""

    USER = "user"
    WORKER = "worker"
    ADMIN = "admin"


@keys.command("create")
def create(
    name: Annotated[str, typer.Option(help="Whose or what for.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.USER,
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key; it is shown this once."""
    with connect(url, key, data_dir) as client:
        created = client.create_key(name, role.value)
    if as_json:
        print_json(created)
    else:
        console().print(created["key"], soft_wrap=True, markup=False)


@keys.command("ls")
def ls(
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys, without their secrets."""
    with connect(url, key, data_dir) as client:
        items = client.list_keys()
    if as_json:
        print_json(items)
    else:
        console().print(tables.keys(items))


@keys.command("revoke")
def revoke(
    which: Annotated[str, typer.Argument(metavar="KEY", help="Id, name, or its beginning.")],
    url: UrlOption = None,
    key: KeyOption = None,
    data_dir: DirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key open nothing any more."""
    with connect(url, key, data_dir) as client:
        live = [item for item in client.list_keys() if item["revoked_at"] is None]
        found = [item for item in live if which in (item["id"], item["name"], item["prefix"])]
        if len(found) != 1:
            raise ClientError(f"{len(found)} keys found for {which!r}; expected one")
        client.revoke_key(found[0]["id"])
    if as_json:
        print_json({"id": found[0]["id"], "revoked": True})
    else:
        console().print(f"{found[0]['name']} is revoked", markup=False)
