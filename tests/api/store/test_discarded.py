"""Blobs of deleted searches: noted with the deletion, and removed only where nothing needs them."""

import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from api.models.blobs import Discarded
from api.models.datasets import Dataset
from api.models.leases import Lease
from api.models.searches import Version
from api.models.trials import Trial
from api.store import discarded, searches
from core.protocol.contracts.blobs import BlobRef

_BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def remove(world: Any, search: UUID, owner: Any) -> None:
    """Delete a search."""
    with world.sessions.begin() as session:
        searches.remove(session, owner, search)


def noted(world: Any) -> set[str]:
    """The keys of the blobs that are noted."""
    with world.sessions.begin() as session:
        return set(session.scalars(select(Discarded.blob_key)))


def unneeded(world: Any, **limit: int) -> set[str]:
    """The keys of the noted blobs that may be removed."""
    with world.sessions.begin() as session:
        return {blob.key for blob in discarded.unneeded(session, **limit)}


@pytest.fixture
def owner(world: Any) -> Any:
    return world.caller()


@pytest.fixture
def search(world: Any, owner: Any) -> UUID:
    """A search to be deleted."""
    return world.search(owner)


@pytest.fixture
def trial_with(world: Any, search: UUID) -> Any:
    """Makes trials of the search that have weights."""

    def make(blob: BlobRef, **columns: Any) -> UUID:
        return world.trial(search, weights_key=blob.key, weights_bytes=blob.bytes, **columns)

    return make


def test_weights_and_exports_of_a_deleted_search_are_noted_with_their_sizes(
    world, owner, search, trial_with
) -> None:
    weights, export = world.blob(), world.blob("exports")
    parent = trial_with(weights)
    trial_with(weights)
    world.trial(
        search, kind="final", parent_id=parent, export_key=export.key, export_bytes=export.bytes
    )
    with world.sessions.begin() as session:
        assert not discarded.are_there(session)

    remove(world, search, owner)

    with world.sessions.begin() as session:
        assert discarded.are_there(session)
        found = discarded.unneeded(session)
    assert sorted(found, key=lambda blob: blob.key) == sorted(
        [weights, export], key=lambda blob: blob.key
    )


def test_a_deletion_that_is_rolled_back_notes_nothing(world, owner, search, trial_with) -> None:
    trial_with(world.blob())
    with world.sessions() as session:
        searches.remove(session, owner, search)
    assert noted(world) == set()


def test_two_searches_with_the_same_blob_may_be_deleted_before_a_sweep(
    world, owner, search, trial_with
) -> None:
    blob, other = world.blob(), world.search(owner)
    trial_with(blob)
    world.trial(other, weights_key=blob.key, weights_bytes=blob.bytes)

    remove(world, search, owner)
    assert (noted(world), unneeded(world)) == ({blob.key}, set())
    remove(world, other, owner)
    assert (noted(world), unneeded(world)) == ({blob.key}, {blob.key})


@pytest.mark.parametrize("column", ["weights_key", "export_key", "blob_key"])
def test_a_blob_that_another_row_refers_to_is_kept_and_its_note_deleted(
    world, owner, search, trial_with, column
) -> None:
    shared, own = world.blob(), world.blob()
    trial_with(shared)
    trial_with(own)
    if column == "blob_key":
        world.set(Dataset, world.dataset(owner), blob_key=shared.key)
    else:
        world.trial(world.search(owner), **{column: shared.key})
    remove(world, search, owner)

    with world.sessions.begin() as session:
        gone = discarded.unneeded(session)
        discarded.forget(session, gone)

    assert [blob.key for blob in gone] == [own.key]
    assert noted(world) == set()


def test_notes_of_blobs_that_are_still_to_be_removed_stay(world, owner, search, trial_with) -> None:
    blobs = [world.blob() for _ in range(3)]
    for blob in blobs:
        trial_with(blob)
    remove(world, search, owner)
    assert len(unneeded(world, limit=2)) == 2

    with world.sessions.begin() as session:
        discarded.forget(session, blobs[:1])

    assert noted(world) == unneeded(world) == {blob.key for blob in blobs[1:]}


def test_two_sweepers_never_remove_the_same_blob(world, owner, search, trial_with) -> None:
    trial_with(world.blob())
    remove(world, search, owner)
    with world.sessions.begin() as session:
        assert len(discarded.unneeded(session)) == 1
        assert unneeded(world) == set()  # locked, and nobody waits for the lock
    assert len(unneeded(world)) == 1


def test_a_deletion_and_a_report_wait_for_each_other_without_a_deadlock(
    world, owner, search, take
) -> None:
    """Both lock the lease first; a report that has locked it may go on to trial and version."""
    trial = world.trial(search)
    take()
    deleting = threading.Thread(target=remove, args=(world, search, owner))
    with world.sessions.begin() as reporting:
        reporting.execute(select(Lease).where(Lease.trial_id == trial).with_for_update())
        deleting.start()
        with world.engine.connect() as watching:
            while watching.scalar(_BLOCKED) == 0:
                assert deleting.is_alive()
        reporting.execute(update(Trial).where(Trial.id == trial).values(reason="reported"))
        reporting.execute(update(Version).where(Version.search_id == search).values(version=9))
    deleting.join()

    assert world.trials(search) == []
