"""The tables of trained networks that are shipped."""

import numpy as np
import pytest

from benchmarks import tables
from benchmarks.spaces import SPACES
from benchmarks.surrogate import DATA

TABLES = sorted(DATA.glob("*.jsonl.gz"))


def test_every_table_is_shipped():
    assert [path.name.removesuffix(".jsonl.gz") for path in TABLES] == [
        "digits",
        "fashion-cells",
        "fashion-chains",
        "fashion-mnist",
    ]


@pytest.mark.parametrize("name", ["cells", "chains"])
def test_tables_of_complete_spaces_name_every_neighbour(name):
    """The neighbours are those of the space, in both directions."""
    entries = tables.read(DATA / f"fashion-{name}.jsonl.gz")
    made = SPACES[name].networks(entries[0].architecture.input_shape, 10)
    expected = {
        one.fingerprint: {made[other][0].fingerprint for other in others} for one, others in made
    }
    names = [entry.architecture.fingerprint for entry in entries]
    found = {
        name: {names[other] for other in entry.neighbours or ()}
        for name, entry in zip(names, entries, strict=True)
    }
    assert found == expected
    assert all(name in found[other] for name, others in found.items() for other in others)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_tables_have_many_different_networks(path):
    entries = tables.read(path)
    assert len(entries) >= 150
    assert len({entry.architecture.fingerprint for entry in entries}) == len(entries)
    assert sum(bool(entry.repeats) for entry in entries) >= 30
    values = [entry.value for entry in entries]
    assert 0 <= min(values) < max(values) <= 1
    assert np.std(values) > 0.01
