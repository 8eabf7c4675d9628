"""Names of searches that repeat another one."""

from uuid import uuid4

import pytest

from api.models.searches import Search
from api.store import search_names
from api.store.errors import NotFound


@pytest.mark.parametrize(
    ("name", "others", "expected"),
    [
        ("pets", [], "pets (2)"),
        ("pets", ["pets (2)", "pets (10)", "petsitters (40)", "pets (x)"], "pets (11)"),
        ("pets (2)", [], "pets (3)"),
        ("pets (2)", ["pets"], "pets (3)"),
        ("survey (2019)", [], "survey (2019) (2)"),
        ("a_c 100%", ["abc 100% (7)"], "a_c 100% (2)"),
        ("two\nlines", [], "two\nlines (2)"),
        ("x" * 128, [], "x" * 124 + " (2)"),
    ],
)
def test_a_copy_has_the_name_of_the_original_and_the_next_number(world, name, others, expected):
    caller = world.caller()
    first, *_ = [_named(world, caller, one) for one in (name, *others)]
    with world.sessions.begin() as session:
        assert search_names.after(session, caller, first) == expected


def _named(world, caller, name):
    search_id = world.search(caller)
    world.set(Search, search_id, name=name)
    return search_id


def test_names_of_other_owners_do_not_count_and_are_not_told(world):
    caller, other = world.caller(), world.caller()
    theirs = world.search(other)
    world.set(Search, theirs, name="pets", shared=True)
    with world.sessions.begin() as session:
        assert search_names.after(session, caller, theirs) == "pets"
        assert search_names.after(session, other, theirs) == "pets (2)"
    world.set(Search, theirs, shared=False)
    for unknown in (theirs, uuid4()):
        with world.sessions.begin() as session, pytest.raises(NotFound):
            search_names.after(session, caller, unknown)


def test_a_long_name_has_room_for_its_number():
    taken = {"x" * 128, "x" * 124 + " (2)"}
    assert search_names.next_name("x" * 124 + " (2)", taken) == "x" * 124 + " (3)"
