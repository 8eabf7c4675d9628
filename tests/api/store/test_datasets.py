"""Data sets are their content; a name means the version that was uploaded last."""

import threading
from typing import Any

import pytest

from api.store import datasets


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
