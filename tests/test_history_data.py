"""The tables of trained networks that are shipped."""

import numpy as np
import pytest

from benchmarks import tables
from benchmarks.surrogate import DATA

TABLES = sorted(DATA.glob("*.jsonl.gz"))


def test_they_are_there():
    assert [path.name for path in TABLES] == ["digits.jsonl.gz", "fashion-mnist.jsonl.gz"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_their_networks_are_many_and_different(path):
    entries = tables.read(path)
    assert len(entries) >= 150
    assert len({entry.architecture.fingerprint for entry in entries}) == len(entries)
    assert sum(bool(entry.repeats) for entry in entries) >= 30
    values = [entry.value for entry in entries]
    assert 0 <= min(values) < max(values) <= 1
    assert np.std(values) > 0.01
