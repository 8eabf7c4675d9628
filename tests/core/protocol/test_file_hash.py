"""A file is hashed in pieces, and a stop between two of them costs nothing."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.protocol.file_hash import FileHash
from core.protocol.storage import Storage

MIB = 2**20


class Stopped(Exception):
    """The reader is to stop."""


class Stop:
    """Raises after some calls, once."""

    def __init__(self, after: int) -> None:
        self.left, self.calls = after, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.left:
            raise Stopped


def content(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(size=st.integers(0, 5 * MIB), stops=st.lists(st.integers(1, 3), max_size=4))
def test_the_hash_is_that_of_the_file_wherever_it_was_stopped(
    tmp_path: Path, size: int, stops: list[int]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(size))
    found, pieces = FileHash(path), 0
    for after in stops:
        stop = Stop(after)
        try:
            found.finish(stop)
        except Stopped:
            pieces += stop.calls
        else:
            break
    else:
        last = Stop(0)
        expected = hashlib.sha256(content(size)).hexdigest()
        assert found.finish(last) == (size, expected)
        assert pieces + last.calls == -(-size // MIB)  # none is read twice


def test_a_file_that_was_changed_meanwhile_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(3 * MIB))
    found = FileHash(path)
    with pytest.raises(Stopped):
        found.finish(Stop(2))

    (tmp_path / "new").write_bytes(content(3 * MIB)[::-1])
    os.replace(tmp_path / "new", path)

    expected = hashlib.sha256(content(3 * MIB)[::-1]).hexdigest()
    assert found.finish(Stop(0)) == (3 * MIB, expected)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_check_that_was_stopped_goes_on_with_the_next_call(tmp_path: Path, kind: str) -> None:
    url = {"file": f"file://{tmp_path}/blobs", "memory": f"memory://{tmp_path.name}"}[kind]
    storage, cache = Storage(url), tmp_path / "cache"
    data = content(5 * MIB)
    blob = storage.put("datasets", data, "bin")
    with pytest.raises(Stopped):
        storage.local_path(blob, cache, Stop(3))

    rest, again = Stop(0), Stop(0)
    path = storage.local_path(blob, cache, rest)
    storage.local_path(blob, cache, again)

    assert path.read_bytes() == data
    # From elsewhere: the two pieces that had not arrived, and the hash of all five.
    assert (rest.calls, again.calls) == ({"file": 2, "memory": 7}[kind], 0)
    assert not list(path.parent.glob(".*"))  # nothing of the first try is left
