"""Importing data sets: a search finds its own, and a failure leaves no half of one."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from api.builtins import BUILTINS
from api.imports import Progress, dataset_for, import_builtin, import_file
from api.store import datasets
from core.data.formats import ReadOptions
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


def test_an_upload_may_have_the_name_of_a_built_in(world: Any, storage: Storage) -> None:
    caller = world.caller()
    made = import_file(world.sessions, storage, caller, "digits", small())

    assert made.description is not None
    assert "builtin:digits the built-in one" in made.description.warnings[-1]
    assert dataset_for(world.sessions, storage, caller, "digits").id == made.id
    assert dataset_for(world.sessions, storage, caller, "builtin:digits").builtin
    assert dataset_for(world.sessions, storage, world.caller(), "digits").builtin
    with pytest.raises(UnknownKind, match="'mine'; expected one of: digits"):
        dataset_for(world.sessions, storage, caller, "builtin:mine")


def test_an_upload_and_a_built_in_are_described(world: Any, storage: Storage) -> None:
    caller = world.caller()
    made = import_file(world.sessions, storage, caller, "mine", small())
    builtin = import_builtin(world.sessions, storage, caller, "digits")

    for one, layout in ((made, "NHW"), (builtin, "NHW")):
        assert one.description is not None
        assert one.layout == one.description.layout == layout
        assert one.description.splits[0].examples == one.train_examples


def test_a_layout_may_be_given_with_an_upload(world: Any, storage: Storage) -> None:
    caller = world.caller()
    shapes = [
        import_file(world.sessions, storage, caller, "mine", small(), ReadOptions(layout=layout))
        for layout in ("NCL", "NLC")
    ]

    assert [made.layout for made in shapes] == ["NCL", "NLC"]
    assert [made.version for made in shapes] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine", io.BytesIO(b"hello"), "of no known format; expected .*an npz file"),
        ("mine", npz(x=np.zeros((20, 4, 4), np.uint8)), "found arrays"),
    ],
)
def test_a_refused_upload_leaves_nothing(world: Any, storage: Storage, name, content, message):
    caller = world.caller()
    with pytest.raises(InvalidDataset, match=message):
        import_file(world.sessions, storage, caller, name, content)
    with world.sessions.begin() as session:
        assert datasets.listing(session, caller).items == []


def test_content_whose_bytes_are_being_removed_is_stored_again(
    world: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep may remove the bytes between their upload and the row that needs them."""
    caller, put = world.caller(), Storage.put_file
    blobs = []

    def put_and_sweep(self: Storage, *arguments: Any) -> Any:
        blobs.append(put(self, *arguments))
        if len(blobs) == 1:
            self.delete(blobs[0])
        return blobs[-1]

    monkeypatch.setattr(Storage, "put_file", put_and_sweep)
    import_file(world.sessions, storage, caller, "mine", small())

    assert storage.get(blobs[0])


def test_the_steps_of_an_import_say_how_far_it_is(world: Any, storage: Storage) -> None:
    texts = io.BytesIO()
    with zipfile.ZipFile(texts, "w") as archive:
        for index in range(120):
            archive.writestr(f"{'ab'[index % 2]}/{index}.txt", f"word {index}")
    steps: list[str] = []

    import_file(
        world.sessions, storage, world.caller(), "mine", texts, progress=Progress(steps.append)
    )

    assert steps == [
        "reading the file",
        "read 100 of 120 texts",
        "writing the examples",
        "storing the data set",
    ]
