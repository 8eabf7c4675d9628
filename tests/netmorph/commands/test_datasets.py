"""The commands on data sets, run against a real service."""

from pathlib import Path

import numpy as np

from tests.netmorph.commands.conftest import refused


def test_a_file_becomes_a_data_set(ask, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.array(["cat", "dog"] * 50)
    np.savez(tmp_path / "pets.npz", x=rng.integers(0, 255, (100, 8, 8), np.uint8), y=labels)
    made = ask("dataset", "add", tmp_path / "pets.npz")
    assert (made["name"], made["classes"], made["class_names"]) == ("pets", 2, ["cat", "dog"])
    assert made["id"] in [item["id"] for item in ask("dataset", "ls")]


def test_a_file_that_is_no_data_set_is_an_error(netmorph, service, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"not a zip file")
    where = ("--data-dir", service.directory)
    assert refused(netmorph("dataset", "add", tmp_path / "bad.npz", *where))
    assert refused(netmorph("search", "--dataset", tmp_path / "bad.npz", *where))
    missing = netmorph("dataset", "add", tmp_path / "missing.npz", *where)
    assert "there is no file" in refused(missing)
