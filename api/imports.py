"""Importing data sets into storage: built-ins by name, and uploaded files.

The bytes are written first, named by their content; then one row makes them a data set. A failure
in between leaves bytes that no row names, never half a data set.
"""

from typing import BinaryIO

from sqlalchemy.orm import Session, sessionmaker

from api.builtins import BUILTINS
from api.db import unit_of_work
from api.models import Dataset
from api.schemas import DatasetOut
from api.store import datasets
from api.store.errors import NotFound
from api.store.keys import Caller
from core.data import intake
from core.data.datasets import Arrays, encode, spec, validate
from core.data.files import ReadLimits
from core.errors import InvalidDataset, UnknownKind
from core.protocol.contracts import DatasetSpec
from core.protocol.storage import Storage


def dataset_for(
    maker: sessionmaker[Session], storage: Storage, caller: Caller, name_or_id: str
) -> Dataset:
    """The data set a search names; a built-in is imported when a search first names it.

    Raises UnknownKind for any other name. Data sets never change, so the row holds in later
    transactions.
    """
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


def import_builtin(
    maker: sessionmaker[Session], storage: Storage, caller: Caller, name: str
) -> DatasetOut:
    """Import a built-in data set; importing it again changes nothing."""
    if name not in BUILTINS:
        raise UnknownKind(
            f"there is no built-in data set {name!r}; expected one of: "
            + ", ".join(sorted(BUILTINS))
        )
    builtin = BUILTINS[name]
    arrays = builtin.load()
    validate(arrays)
    described = spec(arrays, flip=builtin.flip)
    return _store(maker, storage, caller, name, arrays, described, builtin=True)


def import_file(
    maker: sessionmaker[Session], storage: Storage, caller: Caller, name: str, file: BinaryIO
) -> DatasetOut:
    """Import an uploaded file of any known format; raises InvalidDataset for others."""
    if name in BUILTINS:
        raise InvalidDataset(f"name: {name!r} is the name of a built-in data set; choose another")
    found = intake.read(file, ReadLimits())
    return _store(maker, storage, caller, name, found.arrays, found.spec, builtin=False)


def _store(
    maker: sessionmaker[Session],
    storage: Storage,
    caller: Caller,
    name: str,
    arrays: Arrays,
    described: DatasetSpec,
    *,
    builtin: bool,
) -> DatasetOut:
    blob = storage.put("datasets", encode(arrays), "safetensors")
    with unit_of_work(maker) as session:
        return datasets.add(session, caller, name=name, builtin=builtin, spec=described, blob=blob)
