"""The exported program reads what users have, and says clearly what it cannot read."""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.formats import npz
from tests.worker.orders import CLASSES, arrays
from worker.trainer.export import predict

X = arrays().x_test  # bytes, (30, 1, 6, 4)
FLOATS = X.astype(np.float64)


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Runs the program in a folder with some files; returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run_program(*arguments, exported=folder):
        monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, arguments)])
        code = 0
        try:
            predict.main(exported)
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        if isinstance(code, str):  # Python prints it and exits with 1
            code, err = 1, f"{err}{code}\n"
        assert "Traceback" not in err
        return code, out.splitlines(), err

    return run_program


@pytest.fixture(scope="session")
def expected(folder):
    return predict.Model(folder).predict(X)


def saved(name, array):
    """The path of a new .npy file in the working directory."""
    np.save(name, array)
    return name


def bad_values():
    x = FLOATS.copy()
    x[7, 0, 3, 2], x[9, 0, 0, 0] = np.nan, -np.inf
    return x


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (bad_values(), "2 values that are NaN or infinite, the first at index (7, 0, 3, 2); exp"),
        (np.full((6, 4), np.nan), "24 values that are NaN or infinite, the first at index (0, 0)"),
        (FLOATS.astype(complex), "complex numbers (complex128); expected real ones"),
        (np.array(["cat"]), "of type <U3; expected numbers"),
        (np.array([None]), "cannot be read: "),
        (np.zeros(3, [("a", "f4")]), "of type [('a', '<f4')]; expected numbers"),
        (np.zeros((30, 6, 4, 3)), "shape (30, 6, 4, 3); expected (N, 1, 6, 4), the axes NCHW; for"),
        (np.float64(3.0), "shape (); expected (N, 1, 6, 4)"),
        (FLOATS * 1e300, "no finite output for the example at x.npy at index 0: its values are f"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_arrays_that_cannot_be_predicted_are_refused(run, array, message, options):
    code, out, err = run(saved("x.npy", array), *options)
    assert (code, out) == (1, [])
    assert err.startswith("error: ")
    assert "x.npy" in err
    assert message in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", None, "error: there is no file or folder x.npy\n"),
        ("x.npy", b"", "error: x.npy is no readable .npy, .npz or picture: "),
        ("x.npy", b"1,2,3\n", "error: x.npy is no readable .npy, .npz or picture: "),
        ("x.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr'", "error: x.npy cannot be read: "),
        ("x.npz", b"PK\x03\x04 and no more", "error: x.npz cannot be read: "),
        ("x.png", b"\x89PNG\r\n\x1a\n1234", "error: x.png is no readable .npy, .npz or picture: "),
    ],
)
def test_files_that_cannot_be_read_are_named(run, name, content, message):
    if content is not None:
        Path(name).write_bytes(content)
    code, out, err = run(name)
    assert (code, out) == (1, [])
    assert err.startswith(message)


def on_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_arrays_on_the_standard_input_are_predicted_packed_ones_too(run, monkeypatch, expected):
    data = Path(saved("x.npy", X)).read_bytes()
    for content in (data, gzip.compress(data)):
        on_standard_input(monkeypatch, content)
        assert run("-") == (0, expected, "")
    assert run("x.npy", "-")[:2] == (1, [])  # it is empty now; nothing is printed before it is read


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the standard input is empty; expected a table or array for -, once"),
        (b" \n", "the standard input is empty"),
        (b"a,b\n1,2\n", "holds no .npy, .npz, .jsonl or .parquet file; expected one: give pict"),
        (b"\x89PNG\r\n\x1a\n1234", "the standard input holds no .npy"),
        (b"\x93NUMPY\x01\x00\x76\x00{'descr'", "standard input cannot be read: "),
    ],
)
def test_a_standard_input_that_cannot_be_predicted_is_refused(run, monkeypatch, data, message):
    on_standard_input(monkeypatch, data)
    code, out, err = run("-")
    assert (code, out) == (1, [])
    assert message in err


def test_a_terminal_or_nothing_as_the_standard_input_is_refused(run, monkeypatch):
    master, terminal = os.openpty()
    with open(master, "wb"), open(terminal) as stdin:
        for one in (stdin, None):
            monkeypatch.setattr(sys, "stdin", one)
            assert "expected one for -: predict.py - < FILE, or another program" in run("-")[2]


def with_header(header):
    """A .npy file with this header and a few values."""
    text = header.encode().ljust(64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(24)


WITH_SHAPE = "{{'descr': '<f8', 'fortran_order': False, 'shape': {}, }}".format


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "header",
    [
        "-" * 9000 + "1", "(" * 9000, "a" + ".a" * 4000, "{'descr': \'\'\'", WITH_SHAPE("("),
        WITH_SHAPE((10**15,)), WITH_SHAPE((10**22, 2)), WITH_SHAPE((-3,)),
    ],
)  # fmt: skip
def test_headers_that_are_written_to_do_harm_are_refused(run, header, packed):
    Path("x.npy").write_bytes(with_header(header))
    if packed:
        with zipfile.ZipFile("x.npz", "w") as archive:
            archive.write("x.npy")
    code, out, err = run("x.npz" if packed else "x.npy")
    assert (code, out) == (1, [])
    assert re.match(r"error: x\.np[yz] cannot be read: \S", err)


def test_an_encrypted_archive_is_refused(run):
    np.savez("x.npz", x=X)
    data = bytearray(Path("x.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of its entry
        data[data.index(mark) + offset] |= 1
    Path("x.npz").write_bytes(data)
    assert "error: x.npz cannot be read: " in run("x.npz")[2]


def test_an_array_that_is_cut_off_is_refused(run):
    data = Path(saved("x.npy", X)).read_bytes()
    Path("x.npy").write_bytes(data[:-10])
    assert run("x.npy")[2].startswith("error: x.npy cannot be read: ")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (X / 255, "30 of 30 examples (first: x.npy at index 0) hold fractions, such as 0."),
        (np.where(np.arange(30)[:, None, None, None] % 2, FLOATS / 255, FLOATS), "15 of 30 exam"),
        (X.astype(int) * 257, "in channel 0, where the training data has 0 to 199"),
        ((X.astype(int) - 128).astype(np.int8), "hold values beyond those of the training data: -"),
        (X.astype(int) - 1000, "hold values beyond those of the training data: -"),
        ((X > 80).astype(np.uint8), "vary by 0.00996 standard deviations; training examples vary"),
    ],
)
def test_values_unlike_those_of_the_training_data_are_warned_of(run, array, message):
    code, out, err = run(saved("x.npy", array), "--json")
    assert code == 0
    assert len([json.loads(line) for line in out]) == 30
    (warning,) = err.splitlines()
    assert warning.startswith("warning: ")
    assert message in warning


def test_the_training_data_is_not_warned_of(run):
    assert run(saved("x.npy", arrays().x_train))[2] == ""


@pytest.fixture
def folder_of_blank(folder, tmp_path):
    """The export of a network whose training data also has an image of one colour."""
    copy = shutil.copytree(folder, tmp_path / "of-blank")
    path = copy / "preprocess.json"
    preprocess = json.loads(path.read_text())
    path.write_text(json.dumps(preprocess | {"contrast": [0.0, preprocess["contrast"][1]]}))
    return copy


BINARY = (X > 80).astype(np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        *(BINARY, BINARY.astype(float), BINARY.astype(bool)),
        *(BINARY[:1].astype(float), BINARY[:1].astype(bool)),  # bytes may be nearly black
    ],
)
def test_zeros_and_ones_are_warned_of_where_contrast_says_nothing(run, folder_of_blank, array):
    code, out, err = run(saved("x.npy", array), exported=folder_of_blank)
    n = len(array)
    assert (code, len(out)) == (0, n)
    assert err == (
        f"warning: {n} of {n} examples (first: x.npy at index 0) hold values between -1 and 1 "
        "only; the training data has 0 to 199. Their predictions may be wrong: pass values on the "
        "scale of the training data\n"
    )


@pytest.mark.parametrize(
    "array",
    [
        np.zeros_like(X[:1]),  # black
        np.concatenate([np.zeros_like(X[:1]), np.ones_like(X[:1])]),  # nearly black, without a form
        BINARY[:1],  # nearly black
        BINARY[:1].astype(np.int64),
        np.concatenate([BINARY[:1], np.zeros_like(X[:5])]),
        np.full_like(X[:1], 255),  # white
        np.concatenate([BINARY, X]),
        2 * BINARY,
        X,
    ],
)
def test_a_black_image_and_one_on_the_usual_scale_are_not_warned_of(run, folder_of_blank, array):
    assert run(saved("x.npy", array), exported=folder_of_blank)[2] == ""


def test_a_dark_picture_is_not_warned_of(run, folder_of_blank):
    Image.fromarray(BINARY[0, 0]).save("x.png")
    assert run("x.png", exported=folder_of_blank)[2] == ""


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((6, 4), np.uint8), "have the same value at all positions: 0 in channel 0"),
        (np.full((6, 4), 255, np.uint8), "have the same value at all positions: 255 in channel 0"),
        (BINARY[0, 0], "vary by 0.00996 standard deviations; training examples vary by"),
    ],
)
def test_a_picture_that_is_black_white_or_dark_is_not_said_to_be_on_another_scale(
    run, array, found
):
    """Where all training examples vary, unlike the above."""
    np.save("x.npy", array)
    Image.fromarray(array).save("x.png")
    for name, advice in (("x.png", "training had no such pictures"), ("x.npy", "")):
        code, out, err = run(name)
        assert (code, len(out)) == (0, 1)
        (warning,) = err.splitlines()
        assert found in warning
        assert warning.endswith(f"Their predictions may be wrong: {advice}") == bool(advice)
        if name == "x.npy" and "same value" in found:
            assert warning.endswith("training had no such examples")


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        ((1, 6, 4), 0.0, 99.0),  # values of up to one are usual on such a scale
        ((24,), 0.0, 250.0),  # features, such as counts of rare events
    ],
)
def test_small_values_are_expected_of_some_training_data(folder, tmp_path, shape, low, high):
    preprocess = json.loads((folder / "preprocess.json").read_text())
    channels = shape[0]
    preprocess |= {"input_shape": shape, "low": [low] * channels, "high": [high] * channels}
    watch = predict.RangeWatch(preprocess | {"contrast": [0.0, 4.0]})
    x = BINARY.reshape(-1, *shape)
    watch.add(0, x, torch.from_numpy(x.astype(np.float32)))
    assert [*watch.warnings(predict.Source(tmp_path / "x.npy", len(x), lambda a, b: x[a:b]))] == []


def test_rounding_of_equal_features_is_not_taken_for_another_scale(folder, tmp_path):
    """Columns of a table may be the same date in several forms, each with a rounding of its own."""
    preprocess = json.loads((folder / "preprocess.json").read_text())
    preprocess |= {"input_shape": [4], "low": [0.0] * 4, "high": [9.0] * 4}
    watch = predict.RangeWatch(preprocess | {"contrast": [4.0e-15, 4.1e-15]})
    x = np.repeat(np.arange(9.0)[:, None], 4, axis=1)
    watch.add(0, x, torch.tensor(x + 1e-6 * np.arange(4), dtype=torch.float32))
    assert [*watch.warnings(predict.Source(tmp_path / "x.csv", len(x), lambda a, b: x[a:b]))] == []


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({"x": X}, []),
        ({"X": X, "y": np.arange(30)}, []),
        ({"test_images": X, "test_labels": np.arange(30)}, []),
        ({"anything": X}, []),
        ({"samples": X, "labels": np.arange(30)}, []),
        ({"x": X.transpose(0, 3, 2, 1), "layout": "NWHC"}, ["--layout", "NCHW"]),
        ({"x_train": X[:1], "x_test": X}, ["--key", "x_test"]),
        ({"images": X[:, 0], "layout": np.array(["NHW"])}, []),
    ],
)
def test_an_npz_file_holds_the_examples_under_a_usual_name(run, expected, more, options):
    if "--layout" in options:
        more = more | {"x": X}
    np.savez("x.npz", **more)
    assert run("x.npz", *options) == (0, expected, "")


def test_every_name_of_examples_that_a_data_set_may_have_is_known():
    assert {*npz._EXAMPLES} <= predict.IMAGE_KEYS


CHOOSE = "give the examples alone, or choose them by --key NAME of predict.py"


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["x_train", "x_test"], [], f"error: x.npz has x_test, x_train; {CHOOSE}\n"),
        (["a", "b"], [], f"error: x.npz has a, b; {CHOOSE}\n"),
        (["a", "b"], ["--key", "c"], "error: x.npz has no array 'c'; it has a, b\n"),
        (["x"], ["--layout", "NLC"], "error: x.npz: the layout is 'NLC'; expected one of NCHW, "),
    ],
)
def test_an_npz_file_that_is_not_clear_is_refused(run, names, options, message):
    np.savez("x.npz", **dict.fromkeys(names, X))
    assert run("x.npz", *options)[2].startswith(message)


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_an_array_of_python_objects_is_refused_with_what_is_expected(run, save):
    name = "x.npy" if save is np.save else "x.npz"
    save(name, np.array([{"a": 1}, None], dtype=object))
    code, _, message = run(name)
    assert code == 1
    assert "it holds Python objects" in message
    assert "expected an array of numbers" in message


@pytest.mark.parametrize("x", [X[4], X[4, 0], X[4:5, 0], X[4:5]])
def test_one_example_needs_no_axis_of_examples(run, expected, x):
    assert run(saved("x.npy", x)) == (0, expected[4:5], "")


def test_pictures_are_predicted_as_their_pixels(run, expected):
    folder = Path("pictures", "more")
    folder.mkdir(parents=True)
    paths = [folder.parent / f"{index}.png" for index in range(3)] + [folder / "é.PNG"]
    for path, x in zip(paths, X, strict=False):
        Image.fromarray(x[0]).save(path)
    named = [f"{path}\t{name}" for path, name in zip(paths, expected, strict=False)]
    assert run("pictures") == (0, named, "")
    assert run(paths[1]) == (0, named[1:2], "")
    _, out, _ = run(*paths[::-1], saved("x.npy", X[:1]), "--json")
    lines = [json.loads(line) for line in out]
    assert [line.get("file") for line in lines] == [*map(str, paths[::-1]), None]
    assert [line["class"] for line in lines] == [*expected[3::-1], expected[0]]


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: image.convert("RGB"),
        lambda image: image.convert("P"),
        lambda image: image.convert("RGBA"),
        lambda image: Image.fromarray(np.asarray(image).astype(np.uint16)),
    ],
)
def test_pictures_may_have_other_modes(run, expected, changed):
    changed(Image.fromarray(X[5, 0])).save("x.png")
    assert run("x.png") == (0, [f"x.png\t{expected[5]}"], "")


def test_a_turned_picture_is_turned_back(run, expected):
    exif = Image.Exif()
    exif[0x0112] = 8  # turned by a quarter
    Image.fromarray(np.rot90(X[5, 0], -1)).save("x.png", exif=exif)
    assert run("x.png") == (0, [f"x.png\t{expected[5]}"], "")


def test_a_picture_of_another_size_is_resized_on_demand(run):
    Image.fromarray(np.kron(X[0, 0], np.ones((3, 3), np.uint8))).save("x.png")
    assert run("x.png")[2] == (
        "error: x.png is 12 × 18 pixels; expected 4 × 6; "
        "predict.py resizes pictures with --resize\n"
    )
    code, out, _ = run("x.png", "--resize")
    assert (code, len(out)) == (0, 1)


def test_hidden_pictures_are_left_out(run, expected):
    Path(".home/pictures/.thumbnails").mkdir(parents=True)
    for name in ("1.png", ".thumbnails/1.png"):
        Image.fromarray(X[0, 0]).save(Path(".home/pictures", name))
    Path(".home/pictures/._1.png").write_bytes(b"written by a Mac")

    assert run(".home/pictures") == (0, [f".home/pictures/1.png\t{expected[0]}"], "")


def test_a_folder_without_pictures_is_refused(run):
    Path("none").mkdir()
    assert run("none")[2].startswith("error: there are no pictures in none; expected .bmp, ")


def test_pictures_need_pillow(run, monkeypatch):
    monkeypatch.setattr(predict, "Image", None)
    Path("x.png").write_bytes(b"\x89PNG")
    assert run("x.png")[2] == "error: x.png: pictures need Pillow: pip install pillow\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("name", ["über", "日本", "a\nb\x1b[2J\u202e"])
def test_any_terminal_can_show_any_class(folder, tmp_path, monkeypatch, encoding, name):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "classes.json").write_text(json.dumps([name, "b", "c"]))
    lines, path = {}, saved(str(tmp_path / "x.npy"), X)
    for options in ([], ["--json"]):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "argv", ["predict.py", path, *options])
        predict.main(copy)
        lines[bool(options)] = terminal.buffer.getvalue().decode(encoding).splitlines()
    assert len(lines[False]) == len(lines[True]) == 30
    assert {json.loads(line)["class"] for line in lines[True]} == {name, "b", "c"}
    assert all(line.isprintable() for line in lines[False])


def test_a_closed_pipe_ends_the_program_quietly(folder, tmp_path):
    path = saved(str(tmp_path / "x.npy"), np.tile(X, (400, 1, 1, 1)))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-P", folder / "predict.py", path, "--json"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("weights.safetensors", None, "error: No such file or directory: "),
        ("weights.safetensors", b"1234", "weights.safetensors is damaged: "),
        ("classes.json", b"[", "classes.json is damaged: "),
    ],
)
def test_an_incomplete_export_is_named(folder, tmp_path, monkeypatch, file, content, message):
    for path in folder.iterdir():
        if path.name != file:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises((predict.InputError, OSError)) as refused:
        predict.Model(tmp_path)
    assert message.removeprefix("error: ") in str(refused.value)


def test_a_large_file_is_read_in_batches(run, tmp_path):
    large = np.lib.format.open_memmap("x.npy", "w+", np.float64, (20_000, 1, 6, 4))
    large[:] = X[0]
    tracemalloc.start()
    code, out, _ = run("x.npy")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code == 0
    assert out.count(CLASSES[0]) == 20_000
    assert peak < 3e6  # bytes, the output included; the file has 3.8 million
