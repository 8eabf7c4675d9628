"""Importing data sets: a search finds its own, and a failure leaves no half of one."""

import io
from typing import Any

import numpy as np
import pytest

from api.builtins import BUILTINS
from api.imports import dataset_for, import_builtin, import_file
from api.store import datasets
from core.errors import InvalidDataset, UnknownKind
from core.protocol.storage import Storage


@pytest.fixture
def storage(tmp_path: Any) -> Storage:
    return Storage((tmp_path / "storage").as_uri())


def npz(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def small() -> io.BytesIO:
    return npz(x=np.zeros((20, 4, 4), np.uint8), y=np.arange(20) % 2)


def test_a_search_finds_a_data_set_by_name_and_by_id(world: Any, storage: Storage) -> None:
    caller = world.caller()
    made = import_file(world.sessions, storage, caller, "mine", small())

    for name_or_id in ("mine", str(made.id)):
        found = dataset_for(world.sessions, storage, caller, name_or_id)
        assert (found.id, found.task) == (made.id, "image-classification")


def test_other_peoples_data_sets_and_unknown_names_are_answered_with_the_known_ones(
    world: Any, storage: Storage
) -> None:
    made = import_file(world.sessions, storage, world.caller(), "mine", small())

    for name in ("mine", str(made.id), "imagenet"):
        with pytest.raises(UnknownKind, match=r"^dataset: .*: digits, fashion-mnist$"):
            dataset_for(world.sessions, storage, world.caller(), name)
    with pytest.raises(UnknownKind, match=r"'imagenet'; expected one of: digits, fashion-mnist$"):
        import_builtin(world.sessions, storage, world.caller(), "imagenet")


def test_a_built_in_is_imported_by_the_first_search_that_names_it(
    world: Any, storage: Storage
) -> None:
    first, again = (
        dataset_for(world.sessions, storage, world.caller(), "digits") for _ in range(2)
    )
    assert (first.id, first.builtin) == (again.id, True)


def test_examples_of_an_upload_are_not_mirrored(world: Any, storage: Storage) -> None:
    """A mirrored example of an upload may have another label."""
    caller = world.caller()
    import_file(world.sessions, storage, caller, "mine", small())
    with world.sessions.begin() as session:
        assert datasets.row(session, caller, "mine").spec["flip"] is False
    assert BUILTINS["fashion-mnist"].flip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("digits", small(), "the name of a built-in data set"),
        ("mine", io.BytesIO(b"hello"), "of no known format; expected an npz file"),
        ("mine", npz(x=np.zeros((20, 4, 4), np.uint8)), "found arrays"),
    ],
)
def test_a_refused_upload_leaves_nothing(world: Any, storage: Storage, name, content, message):
    caller = world.caller()
    with pytest.raises(InvalidDataset, match=message):
        import_file(world.sessions, storage, caller, name, content)
    with world.sessions.begin() as session:
        assert datasets.listing(session, caller).items == []
