"""The command on the storage: gc."""

from typing import Annotated

import typer

from netmorph.commands.options import (
    JsonOption,
    connect,
    console,
    print_json,
    with_service,
)
from netmorph.target import Target

_MEANINGS = {
    "superseded": "weights of ended searches beyond the best trials (NETMORPH_KEEP_BEST)",
    "orphans": "files to which nothing refers (NETMORPH_ORPHAN_SECONDS)",
    "discarded": "given up already, removed after NETMORPH_DISCARD_SECONDS",
}


@with_service
def gc(
    service: Target,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be given up.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give up stored files that have no use any more; needs an administrator's key.

    The service does so by itself every hour.
    """
    with connect(service) as client:
        found = client.collect_garbage(dry_run=dry_run)
    if as_json:
        print_json(found)
        return
    for name, meaning in _MEANINGS.items():
        amount = found[name]  # type: ignore[literal-required]
        console().print(
            f"{amount['blobs']:>8,} files {amount['bytes'] / 2**20:>12,.1f} MiB  {meaning}",
            soft_wrap=True,
        )
