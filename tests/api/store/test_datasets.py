"""Data sets are their content; a name means the version that was uploaded last."""

import threading
from typing import Any

import pytest

from api.models.searches import Search
from api.store import datasets, discarded
from api.store.errors import Conflict, NotFound


def add(world: Any, caller: Any, content: str, name: str = "mine", **values: Any) -> Any:
    spec = world.dataset_spec().model_copy(update=values.pop("spec", {}))
    with world.sessions.begin() as session:
        return datasets.add(
            session, caller, name=name, spec=spec, blob=world.blob("datasets", content),
            builtin=values.get("builtin", False),
        )  # fmt: skip


def named(world: Any, caller: Any, name: str = "mine") -> Any:
    with world.sessions.begin() as session:
        return datasets.row(session, caller, name).id


@pytest.mark.parametrize("builtin", [False, True])
def test_other_content_under_a_name_is_its_next_version(world: Any, builtin: bool) -> None:
    caller = world.caller()
    first, second = (add(world, caller, content, builtin=builtin) for content in "ab")

    assert (first.version, second.version) == (1, 2)
    assert first.id != second.id
    assert named(world, caller) == second.id
    with world.sessions.begin() as session:
        assert datasets.get(session, caller, first.id).version == 1
        assert len(datasets.listing(session, caller).items) == 2


def test_the_same_content_again_is_the_same_data_set_and_what_its_name_means(world: Any) -> None:
    caller = world.caller()
    first = add(world, caller, "a")
    add(world, caller, "b")

    again = add(world, caller, "a")

    assert (again.id, again.version, again.created_at) == (first.id, 1, first.created_at)
    assert again.uploaded_at > first.uploaded_at
    assert named(world, caller) == first.id


def test_content_understood_in_another_way_is_another_version(world: Any) -> None:
    caller = world.caller()
    first, second = (add(world, caller, "a", spec={"layout": axes}) for axes in ("NHW", "NHWC"))

    assert (first.version, second.version) == (1, 2)


def test_names_of_other_people_and_other_names_count_for_themselves(world: Any) -> None:
    caller, other = world.caller(), world.caller()
    made = [add(world, caller, "a"), add(world, other, "b"), add(world, caller, "a", name="theirs")]

    assert [one.version for one in made] == [1, 1, 1]
    assert len({one.id for one in made}) == 3


def test_uploads_at_the_same_time_get_versions_of_their_own(world: Any) -> None:
    caller = world.caller()
    made: list[Any] = []
    start = threading.Barrier(4)

    def upload(content: str) -> None:
        start.wait()
        made.append(add(world, caller, content))

    threads = [threading.Thread(target=upload, args=[content]) for content in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.version for one in made) == [1, 2, 3, 4]


def remove(world: Any, caller: Any, dataset: Any) -> set[str]:
    """Delete a data set; the keys of the blobs that may then be removed."""
    with world.sessions.begin() as session:
        datasets.remove(session, caller, dataset.id)
    with world.sessions.begin() as session:
        return {blob.key for blob in discarded.unneeded(session)}


def test_a_deleted_version_leaves_the_others_and_its_bytes_may_be_removed(world: Any) -> None:
    caller = world.caller()
    first, second = (add(world, caller, content) for content in "ab")

    assert remove(world, caller, second) == {world.blob("datasets", "b").key}
    assert named(world, caller) == first.id
    with pytest.raises(NotFound):
        remove(world, caller, second)
    assert add(world, caller, "c").version == 2


def test_bytes_that_another_data_set_has_stay(world: Any) -> None:
    caller = world.caller()
    first = add(world, caller, "a")
    add(world, caller, "a", name="also")

    assert remove(world, caller, first) == set()


def test_content_that_comes_back_is_no_longer_noted_for_removal(world: Any) -> None:
    caller = world.caller()
    assert remove(world, caller, add(world, caller, "a"))

    add(world, caller, "a")

    with world.sessions.begin() as session:
        assert not discarded.are_there(session)


def test_a_data_set_that_is_used_or_built_in_or_another_persons_stays(world: Any) -> None:
    caller = world.caller()
    search = world.search(caller)
    used = world.get_search(search).dataset_id
    with world.sessions.begin() as session:
        with pytest.raises(Conflict, match="searches that use the data set: 1; expected none"):
            datasets.remove(session, caller, used)
        with pytest.raises(NotFound):
            datasets.remove(session, world.caller(), used)
    builtin = add(world, caller, "a", builtin=True)
    with world.sessions.begin() as session, pytest.raises(Conflict, match="is built in"):
        datasets.remove(session, caller, builtin.id)
    with world.sessions.begin() as session:
        assert session.get_one(Search, search).dataset_id == used
