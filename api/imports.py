"""Importing data sets and networks into storage: built-ins by name, and uploaded files.

The bytes are written first, named by their content; then one row makes them a data set. A failure
in between leaves bytes that no row names, never half a data set.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from api.builtins import BUILTINS
from api.db import unit_of_work
from api.models.datasets import Dataset
from api.schemas.datasets import DatasetOut, IntakeOut
from api.schemas.networks import NetworkOut
from api.store import datasets, networks
from api.store.errors import NotFound
from api.store.keys import Caller
from core.data import intake, interruption
from core.data.datasets import write
from core.data.files import ReadLimits
from core.data.formats import FORMATS, ReadOptions
from core.data.formats.images import LARGEST_SIDE
from core.data.intake import Intake
from core.data.layouts import RULES
from core.data.targets import LABEL_TASKS
from core.errors import InvalidArchitecture, MissingBlob, UnknownKind
from core.graph.architecture import Architecture
from core.graph.given_network import MOST_LAYERS, check_limits, read_weights
from core.graph.weights import save
from core.protocol.storage import Storage

_BUILTIN = "builtin:"  # before the name of a built-in that is also the name of an own data set


def _ignore(*_: object) -> None:
    """Nobody follows the import."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is called as an import goes on; what a call raises ends the import without a result."""

    on_step: Callable[[str], None] = _ignore  # with what it does next, in words
    #: With the id of the data set, in the transaction that stores it.
    on_stored: Callable[[Session, UUID], None] = _ignore


_UNFOLLOWED = Progress()


def dataset_for(
    maker: sessionmaker[Session], storage: Storage, caller: Caller, name_or_id: str
) -> Dataset:
    """The data set a search names; a built-in is imported when a search first names it.

    `builtin:digits` is the built-in also where the caller has an own data set named so. Raises
    UnknownKind for any other name. Data sets never change, so the row holds in later transactions.
    """
    if (name := name_or_id.removeprefix(_BUILTIN)) != name_or_id:
        name_or_id = str(import_builtin(maker, storage, caller, name).id)
    try:
        with unit_of_work(maker) as session:
            return datasets.row(session, caller, name_or_id)
    except NotFound:
        if name_or_id not in BUILTINS:
            raise UnknownKind(
                f"dataset: there is no data set {name_or_id!r}; give the id or name of an "
                f"uploaded one, or a built-in: {', '.join(sorted(BUILTINS))}"
            ) from None
    import_builtin(maker, storage, caller, name_or_id)
    with unit_of_work(maker) as session:
        return datasets.row(session, caller, name_or_id)


def intake_rules(max_upload_bytes: int) -> IntakeOut:
    """What an upload may be."""
    return IntakeOut(
        max_upload_bytes=max_upload_bytes,
        formats={kind: FORMATS[kind].description for kind in FORMATS},
        tasks=list(LABEL_TASKS),
        layouts=list(RULES),
        image_side=LARGEST_SIDE,
        builtins=sorted(BUILTINS),
    )


def require_builtin(name: str) -> None:
    """Raise UnknownKind where no built-in data set has this name."""
    if name not in BUILTINS:
        raise UnknownKind(
            f"there is no built-in data set {name!r}; expected one of: "
            + ", ".join(sorted(BUILTINS))
        )


def import_builtin(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    progress: Progress = _UNFOLLOWED,
) -> DatasetOut:
    """Import a built-in data set; importing it again notes the time alone.

    Raises UnknownKind for another name, InvalidDataset where its files are missing or damaged.
    """
    require_builtin(name)
    builtin = BUILTINS[name]
    progress.on_step("reading the data set")
    found = intake.of_arrays(builtin.load(), kind="built-in", flip=builtin.flip)
    return _store(maker, storage, caller, name, found, progress, builtin=True)


def import_file(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    file: BinaryIO,
    options: ReadOptions | None = None,
    limits: ReadLimits | None = None,
    progress: Progress = _UNFOLLOWED,
) -> DatasetOut:
    """Import an uploaded file of any known format; raises InvalidDataset for others."""
    progress.on_step("reading the file")
    found = intake.read(file, limits or ReadLimits(), options, progress.on_step)
    if name in BUILTINS:
        found = found.with_warning(
            f"{name!r} is also the name of a built-in data set: from now on the name means yours, "
            f"and {_BUILTIN}{name} the built-in one"
        )
    return _store(maker, storage, caller, name, found, progress, builtin=False)


def import_network(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    architecture: Any,
    weights: BinaryIO | None,
) -> NetworkOut:
    """Import a network: its architecture as JSON, its weights as a safetensors file.

    Raises InvalidInput or InvalidArchitecture for a network that no search could start from.
    """
    checked = _architecture(architecture)
    blob = None
    if weights is not None:
        size = weights.seek(0, os.SEEK_END)
        weights.seek(0)
        blob = storage.put("weights", save(read_weights(weights, size, checked)), "safetensors")
    with unit_of_work(maker) as session:
        return networks.add(session, caller, name=name, architecture=checked, weights=blob)


def _architecture(data: Any) -> Architecture:
    """The architecture of the JSON; raises InvalidArchitecture where it is none, or too large."""
    nodes = data.get("nodes") if isinstance(data, dict) else None
    if isinstance(nodes, list) and len(nodes) > MOST_LAYERS:
        raise InvalidArchitecture(
            f"the network has {len(nodes)} layers; expected at most {MOST_LAYERS}"
        )
    architecture = Architecture.from_json(data)
    check_limits(architecture)
    return architecture


def _store(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    found: Intake,
    progress: Progress,
    *,
    builtin: bool,
) -> DatasetOut:
    with storage.draft("datasets", "safetensors") as file:
        progress.on_step("writing the examples")
        write(found.arrays, file)
        progress.on_step("storing the data set")
        return _store_file(maker, storage, caller, name, found, file, progress, builtin=builtin)


def _store_file(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    found: Intake,
    file: Path,
    progress: Progress,
    *,
    builtin: bool,
) -> DatasetOut:
    """Store the file of a data set, and the row that makes it one."""
    blob = storage.put_file("datasets", file, "safetensors", interruption.check)
    with unit_of_work(maker) as session:
        made = datasets.add(
            session, caller, name=name, builtin=builtin, spec=found.spec, blob=blob,
            description=found.description, task=found.arrays.task,
        )  # fmt: skip
        progress.on_stored(session, made.id)
    try:
        storage.open(blob).close()
    except MissingBlob:  # a sweep had begun to remove the same content of a deleted data set
        storage.put_file("datasets", file, "safetensors")
    return made
