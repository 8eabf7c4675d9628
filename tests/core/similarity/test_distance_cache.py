"""The cache of distances changes none of them."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.morphisms import sample
from core.similarity import distance_cache
from core.similarity.distance_cache import Memory, Table, memory
from core.similarity.edit_distance import Encoder
from core.surrogate.kernels import Geometry, Points
from tests.strategies import SMALL, architectures, generators, morphism_chains

keys = st.lists(st.integers(0, 40).map(lambda number: bytes([number])), max_size=12)


def truth(rows: list[bytes], columns: list[bytes]) -> np.ndarray:
    """A stand-in for a distance: a number of its own for each pair."""
    values = [100.0 * row[0] + column[0] for row in rows for column in columns]
    return np.array(values).reshape(len(rows), len(columns))


@pytest.mark.parametrize("room", [1, 50, 10_000])
@given(questions=st.lists(st.tuples(keys, keys), max_size=8))
def test_a_table_returns_the_measured_distances_whatever_its_size(room, questions):
    table = Table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance_cache, "MAX_CELLS", room)
        for rows, columns in questions:
            found = table.distances(
                rows,
                columns,
                lambda i, j, rows=rows, columns=columns: truth(
                    [rows[k] for k in i], [columns[k] for k in j]
                ),
            )
            assert (found == truth(rows, columns)).all()


def test_known_distances_are_not_measured_again():
    table, measured = Table(), []
    rows, columns = [b"a", b"b", b"c"], [b"x", b"y"]

    def measure(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        measured.append((i.tolist(), j.tolist()))
        return np.zeros((len(i), len(j)))

    table.distances(rows, columns, measure)
    table.distances(rows, columns, measure)
    table.distances([*rows, b"d"], columns, measure)
    table.distances([*rows, b"d"], [*columns, b"z"], measure)
    assert measured == [([0, 1, 2], [0, 1]), ([3], [0, 1]), ([0, 1, 2, 3], [2])]


@settings(max_examples=30)
@given(chain=morphism_chains(length=4), others=st.lists(architectures(), min_size=1, max_size=4))
def test_remembered_distances_are_those_of_a_new_encoder(chain, others):
    shared, new = memory(), Encoder()
    for some in (chain.architectures, [*chain.architectures, *others]):
        old = [shared.encoder.encode(them) for them in (some, others)]
        assert (shared.layer_distances(*old) == new.layer_distances(*_in(new, some, others))).all()
        assert (shared.skip_distances(*old) == new.skip_distances(*_in(new, some, others))).all()


def _in(encoder, *groups):
    return [encoder.encode(group) for group in groups]


@settings(max_examples=30)
@given(chain=morphism_chains(length=3), landmarks=st.lists(architectures(), max_size=3),
       rng=generators)  # fmt: skip
def test_children_have_the_same_points_with_and_without_their_parent(chain, landmarks, rng):
    geometry = Geometry([*landmarks, chain.architectures[0]])
    for parent in chain.architectures:
        children = [child for _, child in sample(parent, SMALL, rng, 6)]
        assert_same(geometry.points(children, parent), geometry.points(children))


def assert_same(one: Points, other: Points) -> None:
    for name in ("names", "layers", "skips", "subtrees", "sizes"):
        assert (getattr(one, name) == getattr(other, name)).all()


def test_a_cache_with_too_many_layers_is_replaced(monkeypatch):
    before = memory()
    assert memory() is before
    monkeypatch.setattr(distance_cache, "MAX_LAYERS", len(before.encoder) - 1)
    assert memory() is not before


def test_each_thread_remembers_on_its_own():
    found: list[Memory] = []
    thread = threading.Thread(target=lambda: found.append(memory()))
    thread.start()
    thread.join()
    assert found[0] is not memory()
