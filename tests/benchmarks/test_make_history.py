"""A table of trained networks can be made, also by an interrupted run."""

import gzip
import json

from benchmarks import make_history, tables
from benchmarks.make_history import Recipe, make
from core.protocol.contracts.bounds import Bounds

#: Networks and data for trainings of a fraction of a second.
SMALL = Recipe(200, 100, 1, Bounds(layers=60, width=32, flops=200_000))


def test_a_run_that_was_interrupted_makes_the_same_table(tmp_path, monkeypatch):
    monkeypatch.setitem(make_history.RECIPES, "digits", SMALL)
    make("digits", None, 3, 1, 0, tmp_path / "complete.jsonl.gz")
    make("digits", None, 2, 0, 0, tmp_path / "cut.jsonl")
    with (tmp_path / "cut.jsonl").open("a") as file:
        file.write('{"architecture": ')  # the machine died here
    make("digits", None, 3, 1, 0, tmp_path / "cut.jsonl")
    complete, cut = tables.read(tmp_path / "complete.jsonl.gz"), tables.read(tmp_path / "cut.jsonl")
    assert complete == cut
    assert len({entry.architecture.fingerprint for entry in complete}) == 3
    assert [len(entry.repeats) for entry in complete] == [1, 0, 0]
    assert all(0 <= entry.value <= 1 for entry in complete)
    first = json.loads(
        gzip.decompress((tmp_path / "complete.jsonl.gz").read_bytes()).splitlines()[0]
    )
    assert first["seconds"] > 0
