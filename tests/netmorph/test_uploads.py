"""Files and folders of any name become one file and a name that can be sent and shown."""

import gzip
import os
import resource
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netmorph import uploads
from netmorph.errors import ClientError
from netmorph.uploads import Options, check_size, describe, label_of, packed, path_in

BAD = os.fsdecode(b"\xe9t\xe9")  # a name that is not UTF-8


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 3)).save(path)


COCO = '{"images": [{"id": 1, "file_name": "1.png"}], "annotations": []}'


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(5):
            picture(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("my data.npz", "my data"),
        ("a.b.npz", "a.b"),
        (f"{'x' * 200}.npz", "x" * 127 + "…"),
        (f"{BAD}.npz", "�t�"),
        ("a\x1b[31m\nb.npz", "a�[31m�b"),
        ("\u202egnp.npz", "�gnp"),
        ("e\u0301.npz", "é"),
        (" .npz", "data"),
    ],
)
def test_any_file_name_gives_a_readable_name(name: str, label: str) -> None:
    assert label_of(Path("folder") / name) == label
    label.encode()


def test_a_folder_gives_its_name_also_where_it_is_the_current_one(pets, monkeypatch) -> None:
    monkeypatch.chdir(pets)

    assert label_of(Path()) == label_of(Path("../pets/")) == "pets"


def test_paths_and_names_are_distinguished(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()

    assert path_in("here") == Path("here")
    assert path_in("digits") is None
    assert path_in("builtin:digits") is None
    for missing in ("a/b", "x.npz", "x.zip", BAD + ".npz"):
        with pytest.raises(ClientError, match="there is no file or folder"):
            path_in(missing)


def test_a_pipe_is_refused_with_what_to_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ClientError, match="neither a file nor a folder: save its content"):
        describe(tmp_path / "pipe.csv", Options())


def test_tables_beside_images_are_uploaded_with_them(tmp_path: Path) -> None:
    rows = ["file,breed"]
    for number in range(12):
        picture(tmp_path / "pets" / "train" / f"{number}.png")
        rows.append(f"{number},{'cat' if number % 2 else 'dog'}")
    (tmp_path / "pets" / "labels.csv").write_text("\n".join(rows))

    answer = describe(tmp_path / "pets", Options())

    assert answer["description"]["format"] == "labelled-images"
    assert answer["spec"]["class_names"] == ["cat", "dog"]
    with pytest.raises(ClientError, match="no column 'age' for the target"):
        describe(tmp_path / "pets", Options(target="age"))


@pytest.mark.parametrize(
    ("files", "form"),
    [
        (
            {"a/instances_train.json": COCO + " " * 99, "a/captions.json": COCO, "a/0.txt": ""},
            "COCO",
        ),
        ({"labels/0.txt": "", "labels/1.txt": "3 .5 .5 .1 .1", "README.txt": "pets"}, "YOLO"),
        ({"a/0.xml": "<annotation><object/></annotation>", "a/1.xml": ""}, "Pascal VOC"),
    ],
)
def test_annotations_of_objects_in_a_folder_are_refused_by_one_small_file(
    pets: Path, files: dict[str, str], form: str
) -> None:
    for name, text in files.items():
        (pets / name).parent.mkdir(exist_ok=True)
        (pets / name).write_text(text)
    with packed(pets) as file, zipfile.ZipFile(file) as archive:
        (added,) = [one for one in archive.namelist() if not one.endswith(".png")]
    with pytest.raises(ClientError, match=f"as of {form}, in '{added}'. Netmorph does not detect"):
        describe(pets, Options())


def test_a_folder_becomes_an_archive_of_its_data(pets: Path) -> None:
    (pets / "README.txt").write_text("no data")
    (pets / ".hidden").mkdir()
    picture(pets / ".hidden" / "1.png")
    (pets / "loop").symlink_to(pets)
    picture(pets / "cat" / f"{BAD}.png")

    with packed(pets) as file, zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}

    assert not file.exists()
    assert names[:5] == [f"cat/{n}.png" for n in range(5)]
    assert names[5:] == ["cat/5.png"] + [f"dog/{n}.png" for n in range(5)]


def test_equal_folders_are_equal_archives(pets: Path) -> None:
    archives = []
    for _ in range(2):
        with packed(pets) as file:
            archives.append(file.read_bytes())
        os.utime(pets / "cat" / "1.png", (1e9, 1e9))

    assert archives[0] == archives[1]


def test_a_folder_with_one_npz_file_is_that_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros(3))

    with packed(tmp_path) as file:
        assert file == tmp_path / "d.npz"


def test_hidden_tables_of_a_folder_are_left_out(tmp_path: Path) -> None:
    for name in ("d.csv", "._d.csv", ".ipynb_checkpoints/d-checkpoint.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x,y\n1,2\n")

    with packed(tmp_path) as file:
        assert file == tmp_path / "d.csv"


def test_folders_that_cannot_be_packed_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ClientError, match="holds no data; expected a folder of PNG"),
        packed(tmp_path),
    ):
        pass
    (tmp_path / "yes.WAV").write_bytes(b"RIFF")
    with (
        pytest.raises(ClientError, match=r"sounds, such as .*yes\.WAV; .*samples as signals.*NL"),
        packed(tmp_path),
    ):
        pass
    picture(tmp_path / BAD / "1.png")
    with (
        pytest.raises(ClientError, match="'�t�' is not UTF-8; it names a class"),
        packed(tmp_path),
    ):
        pass


def test_the_one_table_of_a_folder_is_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "notes.txt").write_text("about it")

    with packed(tmp_path) as file:
        assert file == tmp_path / "a.csv"
    (tmp_path / "b.parquet").touch()
    with (
        pytest.raises(ClientError, match=r"holds 2 tables \(a.csv, b.parquet\); expected one file"),
        packed(tmp_path),
    ):
        pass


def test_the_parts_of_a_data_set_become_one_archive(pets: Path, tmp_path: Path) -> None:
    table, arrays = "x,y\n" + "1,a\n2,b\n" * 5, tmp_path / "d.npz"
    for name in ("a.csv", "b.csv.gz", "folder/train.csv", "folder/test.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        content = table.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name[-1] == "z" else content)
    np.savez_compressed(arrays, x=np.eye(12), y=np.arange(12) % 2)

    def names(*paths: Path) -> list[str]:
        with packed(*paths) as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()

    a, b = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    assert names(a, b, a) == ["train/a.csv", "validation/b.csv.gz", "test/a.csv"]
    assert names(tmp_path / "folder") == ["test.csv", "train.csv"]
    assert names(arrays, arrays) == ["x.npy", "y.npy", "validation/x.npy", "validation/y.npy"]
    assert names(pets, None, pets)[::10] == ["train/cat/0.png", "test/cat/0.png"]
    for files, given in ((a, Options(test=b)), (arrays, Options(validation=arrays, test=arrays))):
        splits = describe(files, given)["description"]["splits"]
        assert len({one["examples"] for one in splits if one["given"]}) == 1
    with pytest.raises(ClientError, match="is no part of a data set; expected a table, an npz"):
        names(a, pets / "cat" / "1.png")


def test_a_file_that_is_too_large_is_refused_with_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(bytes(3 * 2**20))

    check_size(tmp_path / "d.npz", 3 * 2**20)
    with pytest.raises(ClientError, match=r"has 3\.0 MiB; the service accepts at most 2\.0 MiB"):
        check_size(tmp_path / "d.npz", 2 * 2**20)


def test_a_description_needs_no_service(pets: Path) -> None:
    found = describe(pets, Options(image_side=2))

    assert found["spec"]["input_shape"] == [1, 2, 2]
    assert found["description"]["summary"][1] == "2 classes of 5 examples: cat, dog"
    with pytest.raises(ClientError, match="layout is 'XY'; expected one of"):
        describe(pets, Options(layout="XY"))


def test_spellings_of_a_label_are_merged_before_anything_is_uploaded(tmp_path: Path) -> None:
    rows = "".join(f"{k * 7 % 31},{('Yes', 'no', 'yes', 'no')[k % 4]}\n" for k in range(40))
    (tmp_path / "answers.csv").write_text(f"age,label\n{rows}")

    found = describe(tmp_path / "answers.csv", Options(merge_labels=True))

    assert found["spec"]["class_names"] == ["Yes", "no"]
    assert Options(merge_labels=True).fields() == {"merge_labels": ["true"]}
    assert Options().fields() == {}


def test_a_message_shows_any_path() -> None:
    assert uploads.shown(Path(BAD)) == "�t�"


def test_each_packed_file_is_reported(pets: Path) -> None:
    said: list[str] = []
    with packed(pets, report=said.append):
        assert said[0] == "packed 1 of 10 files"
        assert said[-1] == "packed 10 of 10 files"
        assert len(said) == 10


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch) -> Path:
    """An empty temporary folder of its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_an_interrupted_packing_leaves_no_file(pets: Path, temporary: Path) -> None:
    def interrupt(_: str) -> None:
        assert list(temporary.glob("*/data.zip"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), packed(pets, report=interrupt):
        pass
    assert not list(temporary.iterdir())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Files of this process cannot grow beyond this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_temporary_folder_is_named_with_what_to_do(pets: Path, temporary: Path) -> None:
    np.save(pets / "cat" / "large.npy", np.zeros(300_000))

    with files_of_at_most(2**20), pytest.raises(ClientError) as refused, packed(pets):
        pass
    assert f"does not fit into the temporary folder {temporary}" in str(refused.value)
    assert "TMPDIR" in str(refused.value)
    assert not list(temporary.iterdir())
