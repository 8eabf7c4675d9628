"""Garbage collection over random histories, against an oracle that follows the promises alone."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, text

from api.controller.collection import Retention
from api.controller.sweeper import Sweeper
from api.models.searches import Search
from api.store import discarded, searches
from core.protocol.contracts.blobs import BlobRef
from core.protocol.states import SearchStatus
from core.protocol.storage import Storage
from tests.waiting import wait_for

KEEP = 2
HOUR = 3600.0


@dataclass
class History:
    """Searches with trials, and the files that must be there after a collection."""

    world: Any
    storage: Storage
    rng: Random
    stored: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)

    def add_search(self) -> None:
        """A search of any status, sometimes with a trial in flight, a final fit, or deleted."""
        caller = self.world.caller()
        status = self.rng.choice([*SearchStatus])
        search = self.world.search(caller)
        trials = [self._trial(search, number) for number in range(self.rng.randint(0, 6))]
        final, members = self._final(search, trials)
        in_flight = self.rng.random() < 0.2
        if in_flight:
            self.world.trial(search, status="running")
        with self.world.sessions.begin() as session:
            if status is SearchStatus.FINISHING or status.value in {"completed", "failed"}:
                searches.move(session, search, SearchStatus.FINISHING)
            searches.move(session, search, status)
        if self.rng.random() < 0.2:
            with self.world.sessions.begin() as session:
                searches.remove(session, caller, search)
            return
        has_ended = status.value in {"completed", "stopped", "failed"}
        best = sorted(trials, key=lambda trial: (-trial[1], trial[0]))[:KEEP]
        for number, _, weights in trials:
            is_kept = (number, weights) in [(one[0], one[2]) for one in best]
            if not has_ended or in_flight or is_kept or number in members:
                self.needed.add(weights.key)
        self.needed |= final

    def _trial(self, search: Any, number: int) -> tuple[int, float, BlobRef]:
        """Number, value and weights of a completed trial; some share their bytes with others."""
        weights = self.put("weights", self.rng.randint(0, 40))
        value = self.rng.randint(0, 4) / 4  # often equal
        columns = {"weights_key": weights.key, "weights_bytes": weights.bytes, "value": value}
        self.world.trial(search, status="completed", ended_at=_now(), report_digest=b"1", **columns)
        return number, value, weights

    def _final(self, search: Any, trials: list[Any]) -> tuple[set[str], set[int]]:
        """The files of a final fit, if there is one, and the numbers that it continues."""
        if not trials or self.rng.random() < 0.4:
            return set(), set()
        members = self.rng.sample(range(len(trials)), min(len(trials), self.rng.randint(1, 2)))
        parent = self.world.trials(search)[members[0]].id
        weights, export = (self.put(kind, self.rng.random()) for kind in ("weights", "exports"))
        self.world.trial(
            search, kind="final", status="completed", parent_id=parent, ended_at=_now(),
            members=members if len(members) > 1 else [], report_digest=b"1",
            weights_key=weights.key, weights_bytes=weights.bytes,
            export_key=export.key, export_bytes=export.bytes,
        )  # fmt: skip
        return {weights.key, export.key}, set(members)

    def put(self, kind: Any, content: object) -> BlobRef:
        """Store bytes."""
        blob = self.storage.put(kind, str(content).encode(), "safetensors")
        self.stored.add(blob.key)
        return blob

    def there(self) -> set[str]:
        """The files in storage, relative to its folder."""
        root = folder(self.storage)
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def _now() -> Any:
    return text("now()")


def folder(storage: Storage) -> Path:
    return Path(storage.url.removeprefix("file://"))


def let_pass(storage: Storage, seconds: float) -> None:
    """Let the files be older."""
    then = time.time() - seconds
    for path in folder(storage).rglob("*"):
        os.utime(path, (then, then))


@pytest.mark.parametrize("seed", range(4))
def test_a_collection_keeps_what_is_needed_and_nothing_else(world, tmp_path, seed) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    history = History(world, storage, Random(seed))
    for _ in range(8):
        history.add_search()
    dataset = history.put("datasets", "unused upload")
    (folder(storage) / "weights" / f".{dataset.sha256}.safetensors.1234").write_bytes(b"half")
    let_pass(storage, 2 * HOUR)
    recent = history.put("weights", "a result that is being reported")
    sweeper = Sweeper(storage, world.sessions, 0.001, retention=Retention(KEEP, HOUR))

    before = history.there()
    found = sweeper.survey()
    assert history.there() == before  # a survey changes nothing
    given_up = found.superseded.blobs + found.orphans.blobs + found.discarded.blobs
    assert given_up >= len(history.stored - history.needed - {recent.key})

    sweeper.sweep()

    assert history.there() == history.needed | {recent.key}
    for trial in (one for search in all_searches(world) for one in world.trials(search)):
        assert trial.weights_key is None or trial.weights_key in history.needed
    again = sweeper.survey()
    assert (again.superseded.blobs, again.orphans.blobs, again.discarded.blobs) == (0, 0, 0)


def test_the_networks_of_an_ensemble_keep_their_weights(world, tmp_path) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    search = world.search()
    kept = []
    for number, value in enumerate((0.9, 0.8, 0.7, 0.6)):
        weights = storage.put("weights", str(number).encode(), "safetensors")
        kept.append(weights.key)
        world.trial(
            search, status="completed", ended_at=_now(), report_digest=b"1", value=value,
            weights_key=weights.key, weights_bytes=weights.bytes,
        )  # fmt: skip
    best = world.trials(search)[0].id
    world.trial(
        search, kind="final", status="completed", parent_id=best, members=[0, 3],
        ended_at=_now(), report_digest=b"1",
    )  # fmt: skip
    with world.sessions.begin() as session:
        searches.move(session, search, SearchStatus.FINISHING)
        searches.move(session, search, SearchStatus.COMPLETED)
    let_pass(storage, 2 * HOUR)
    Sweeper(storage, world.sessions, 0.001, retention=Retention(KEEP, HOUR)).sweep()
    left = [(folder(storage) / key).exists() for key in kept]
    assert left == [True, True, False, True]  # two are the best ones, and one is a member


def test_the_files_of_another_database_stay(world, tmp_path, caplog) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    files = {storage.put("weights", str(n).encode(), "safetensors").key for n in range(12)}
    let_pass(storage, 2 * HOUR)
    sweeper = Sweeper(storage, world.sessions, 0.001, retention=Retention(None, HOUR))
    sweeper.sweep()
    assert {f"weights/{path.name}" for path in (folder(storage) / "weights").iterdir()} == files
    assert "none of the 12 files" in caplog.text


def test_storage_is_not_listed_each_time_that_one_file_is_due(world, tmp_path) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    root = folder(storage)
    sweeper = Sweeper(storage, world.sessions, 0.001, retention=Retention(None, HOUR))
    orphan = storage.put("weights", b"orphan", "safetensors")
    checkpoint = storage.put("checkpoints", b"replaced", "pt")
    let_pass(storage, 2 * HOUR)
    sweeper.start()
    try:
        wait_for(lambda: not (root / orphan.key).exists())
        storage.put("weights", b"orphan", "safetensors")
        let_pass(storage, 2 * HOUR)
        with world.sessions.begin() as session:
            discarded.add(session, checkpoint)
        sweeper.wake()
        wait_for(lambda: not (root / checkpoint.key).exists())
        assert (root / orphan.key).exists()
        sweeper.collect()
        wait_for(lambda: not (root / orphan.key).exists())
    finally:
        sweeper.stop()


def test_files_and_folders_of_others_stay_and_do_not_end_a_collection(world, tmp_path) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    storage.put("weights", b"orphan", "safetensors")
    weights = folder(storage) / "weights"
    (weights / ".snapshot").mkdir()
    (weights / "README").write_text("of the operator")
    let_pass(storage, 2 * HOUR)
    Sweeper(storage, world.sessions, 0.001, retention=Retention(None, HOUR)).sweep()
    assert {path.name for path in weights.iterdir()} == {".snapshot", "README"}


def test_a_file_that_a_killed_process_left_unfinished_goes_after_a_day(world, tmp_path) -> None:
    """Whole files without a reference stay for a week."""
    storage = Storage((tmp_path / "storage").as_uri())
    storage.put("datasets", b"whole", "safetensors")
    with storage.draft("datasets", "safetensors") as path:
        path.write_bytes(b"half")
        let_pass(storage, 23 * HOUR)
        sweeper = Sweeper(storage, world.sessions, 0.001, retention=Retention())
        sweeper.sweep()
        assert path.exists()
        let_pass(storage, 25 * HOUR)
        sweeper.sweep()
        assert not path.exists()
    assert len([*folder(storage).rglob("*.safetensors")]) == 1


def all_searches(world: Any) -> list[Any]:
    with world.sessions.begin() as session:
        return list(session.scalars(select(Search.id)))


def test_all_weights_are_kept_unless_a_setting_says_otherwise(world, tmp_path) -> None:
    storage = Storage((tmp_path / "storage").as_uri())
    weights = storage.put("weights", b"1", "safetensors")
    search = world.search(status=SearchStatus.STOPPED)
    trial = world.trial(
        search, status="completed", ended_at=_now(), value=0.5, report_digest=b"1",
        weights_key=weights.key, weights_bytes=weights.bytes,
    )  # fmt: skip
    let_pass(storage, 2 * HOUR)
    Sweeper(storage, world.sessions, 0.001, retention=Retention(None, HOUR)).sweep()
    assert storage.get(weights) == b"1"
    assert world.get(trial).weights_key == weights.key
