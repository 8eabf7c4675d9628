"""The commands on data sets, run against a real service."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tests.netmorph.commands.conftest import refused


def test_a_file_becomes_a_data_set(ask, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.array(["cat", "dog"] * 50)
    np.savez(tmp_path / "pets.npz", x=rng.integers(0, 255, (100, 8, 8), np.uint8), y=labels)
    made = ask("dataset", "add", tmp_path / "pets.npz")
    assert (made["name"], made["classes"], made["class_names"]) == ("pets", 2, ["cat", "dog"])
    assert made["id"] in [item["id"] for item in ask("dataset", "ls")]


def test_a_table_is_described_column_by_column(ask, netmorph, service, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    rows = [
        f"{k},{k * 7 % 40},{'xyz'[k % 3]},{k % 5},{'no' if k % 2 else 'yes'}" for k in range(60)
    ]
    path.write_text("\n".join(["id,age,plan,region,churned", *rows]))
    described = netmorph(
        "dataset", "describe", path, "--target", "churned", "--category", "region"
    ).stdout
    assert described.splitlines()[4:9] == [
        "column     'churned': target; 2 classes",
        "column     'id': left out; an identifier: its integers are all different and its name "
        "says so",
        "column     'age': number; integers from 0 to 39",
        "column     'plan': category, 3 features; 3 categories",
        "column     'region': category, 5 features; 5 categories",
    ]
    assert "Give --target COLUMN" in refused(netmorph("dataset", "describe", path))
    fewer = ("--leave-out", "age", "--leave-out", "plan")
    left = netmorph("dataset", "describe", path, "--target", "churned", *fewer).stdout
    assert "column     'age': left out; as requested" in left
    assert "column     'plan': left out; as requested" in left
    assert ask("dataset", "add", path, "--target", "churned", *fewer)["input_shape"] == [1]
    made = ask("dataset", "add", path, "--target", "churned", "--category", "region")
    assert (made["input_shape"], made["class_names"]) == ([9], ["no", "yes"])
    assert ask("dataset", "describe", "customers")["description"] == made["description"]


def test_a_data_set_is_shown_by_its_name_or_by_the_beginning_that_the_list_shows(
    ask, netmorph, service, tmp_path: Path
) -> None:
    table = tmp_path / "shown.csv"
    table.write_text("a,target\n" + "".join(f"{k * 7 % 11 / 4},{k % 2}\n" for k in range(40)))
    made = ask("dataset", "add", table)
    for text in (made["id"], made["id"][:8], "shown"):
        assert ask("dataset", "show", text) == made
    assert ask("dataset", "describe", made["id"][:8])["description"] == made["description"]
    dry = ask("search", "--dataset", made["id"][:8], "--dry-run")
    assert dry["dataset_id"] == made["id"]
    where = ("--data-dir", service.directory)
    shown = netmorph("dataset", "show", "shown", *where).stdout
    assert f"id         {made['id']}" in shown
    assert "'a': number" in shown
    assert ask("dataset", "rm", made["id"][:8])["id"] == made["id"]
    gone = refused(netmorph("dataset", "show", made["id"][:8], *where))
    assert "netmorph dataset ls" in gone


def test_a_file_that_is_no_data_set_is_an_error(netmorph, service, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"not a zip file")
    where = ("--data-dir", service.directory)
    assert refused(netmorph("dataset", "add", tmp_path / "bad.npz", *where))
    assert refused(netmorph("search", "--dataset", tmp_path / "bad.npz", *where))
    missing = netmorph("dataset", "add", tmp_path / "missing.npz", *where)
    assert "there is no file" in refused(missing)


def test_a_corrected_file_of_the_same_name_is_the_next_version(ask, tmp_path: Path) -> None:
    path = tmp_path / f"{'long ' * 40}.npz"
    made = []
    for value in (1, 2, 1):
        np.savez(path, x=np.full((20, 3), value) + np.arange(3), y=np.arange(20) % 2)
        made.append(ask("dataset", "add", path))
    first, second, third = made
    assert [one["version"] for one in made] == [1, 2, 1]
    assert first["id"] == third["id"] != second["id"]
    assert len(first["name"]) == 128
    assert ask("dataset", "describe", first["name"])["spec"]["id"] == first["id"]
    for deleted in (first, second):
        assert ask("dataset", "rm", first["name"])["id"] == deleted["id"]
    assert first["name"] not in [item["name"] for item in ask("dataset", "ls")]


def test_a_folder_named_as_a_built_in_is_not_taken_for_it(
    netmorph, service, tmp_path: Path
) -> None:
    (tmp_path / "fashion-mnist").mkdir()
    where = ("--data-dir", service.directory)
    ended = netmorph("search", "--dataset", "fashion-mnist", *where, cwd=tmp_path)
    assert "expected builtin:fashion-mnist or ./fashion-mnist" in refused(ended)


def test_any_file_name_is_taken(ask, netmorph, service, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9t\xe9\x1b.npz")
    np.savez(path, x=np.arange(80).reshape(20, 4), y=np.arange(20) % 2)
    assert ask("dataset", "add", path)["name"] == "�t��"
    missing = netmorph("dataset", "add", os.fsdecode(b"/\xe9t\xe9.npz"), "--data-dir", "/tmp/none")
    assert "there is no file or folder /�t�.npz" in refused(missing)


def test_a_folder_of_images_is_described_and_uploaded(ask, netmorph, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(6):
            Image.new("L", (4, 5), number).save(tmp_path / "pets" / label / f"{number}.png")
    said = netmorph("dataset", "describe", tmp_path / "pets").stdout
    assert said.splitlines()[0] == (
        "data       12 grey images of 5 × 4 pixels (axes NHWC: image files)"
    )
    assert "warning    2 of 2 test examples also occur in training" in said
    made = ask("dataset", "add", tmp_path / "pets", "--image-side", 3, "--name", "my pets")
    assert (made["input_shape"], made["name"]) == ([1, 3, 2], "my pets")
    stored = ask("dataset", "describe", "my pets")
    assert stored["description"] == made["description"]
