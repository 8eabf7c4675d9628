"""Searches as scikit-learn estimators, on a real service with a worker."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyarrow import parquet as pq
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.protocol.contracts.datasets import SplitKind
from examples.docstrings import texts_of
from netmorph import (
    ImageClassifier,
    ImageRegressor,
    SignalClassifier,
    SignalRegressor,
    TabularClassifier,
    TabularRegressor,
    TextClassifier,
    TextRegressor,
)
from netmorph.errors import ClientError
from netmorph.estimators import _Arrays, _Examples, _split_keys
from netmorph.signal_lists import together
from tests.netmorph.samples import SEARCH, answering

ROWS = np.arange(120.0).reshape(30, 4)
KINDS = np.arange(30) % 2
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "python.md"
NOTEBOOK = Path(__file__).parents[2] / "examples" / "digits.ipynb"
TINY: dict[str, Any] = {"trials": 1, "training": {"epochs": 2, "final_epochs": 3}}

#: Checks that fit once or a few times and are quick enough for every run; the others are slow.
QUICK = {
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
}
#: Checks without a search.
WITHOUT_FIT = {
    "check_classifiers_one_label",
    "check_classifiers_regression_target",
    "check_complex_data",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
}
EXPECTED_TO_FAIL = {
    "check_methods_subset_invariance": "in single precision the size of a batch changes the "
    "seventh digit of a probability"
}


@pytest.fixture(scope="module")
def digits() -> Any:
    """The digits: images (N, 8, 8) and labels."""
    return load_digits()


def name_of(check: Any) -> str:
    """The name of one of scikit-learn's checks."""
    return str(getattr(check, "func", check).__name__)


def checks(kind: Any, quick_ones: set[str]) -> Iterator[Any]:
    """Each check of scikit-learn that applies; those that search more than a few times are slow."""
    seen: set[str] = set()
    for _, check in estimator_checks_generator(kind(**TINY)):
        name = name_of(check)
        quick = name in WITHOUT_FIT or (name in quick_ones and name not in seen)
        marks = [] if quick else [pytest.mark.slow]
        if name in EXPECTED_TO_FAIL:
            marks.append(pytest.mark.xfail(reason=EXPECTED_TO_FAIL[name]))
        seen.add(name)
        yield pytest.param(kind, check, id=f"{kind.__name__}-{name}-{len(seen)}", marks=marks)


@pytest.mark.parametrize(
    ("kind", "check"), [*checks(ImageClassifier, QUICK), *checks(TabularRegressor, set())]
)
@pytest.mark.filterwarnings("ignore")  # checks use what scikit-learn has deprecated itself
def test_a_check_of_scikit_learn_passes(data_dir, kind, check) -> None:
    check(kind(data_dir=data_dir, **TINY))


def test_digits_are_learned_and_exported(data_dir, digits, tmp_path, capsys) -> None:
    model = ImageClassifier(data_dir=data_dir, verbose=True, **TINY)
    names = np.array(list("abcdefghij"))[digits.target]

    assert model.fit(digits.images[:1200], names[:1200]) is model

    assert list(model.classes_) == list("abcdefghij")
    assert "completed" in capsys.readouterr().err
    assert model.score(digits.images[1200:], names[1200:]) > 0.8
    assert 0.8 < model.test_score_ <= 1
    probabilities = model.predict_proba(digits.images[1200:1210])
    assert probabilities.shape == (10, 10)
    assert model.search_["status"] == "completed"

    folder = model.export(tmp_path / "net")
    np.save(tmp_path / "x.npy", digits.images[1200:1210])
    command = [sys.executable, str(folder / "predict.py"), str(tmp_path / "x.npy")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    with pytest.raises(ValueError, match="expected \\(N, 1, 8, 8\\)"):
        model.predict(np.zeros((2, 8, 9)))
    ours = model.predict(digits.images[1200:1210])
    assert [list("abcdefghij")[int(k)] for k in said] == list(ours)


def test_a_small_search_on_a_real_table_is_as_good_as_ridge_regression(data_dir, tmp_path) -> None:
    """442 patients: R² of boosted trees is 0.44 on the same split, that of the mean below zero."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:350], order[350:]
    training = {"epochs": 25, "final_epochs": 25}
    model = TabularRegressor(data_dir=data_dir, trials=2, training=training)

    model.fit(X[train], y[train])

    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 11)))
    found, expected = model.score(X[test], y[test]), ridge.fit(X[train], y[train])
    assert found > max(0.25, expected.score(X[test], y[test]) - 0.1)  # its standard error: 0.08
    assert 0.1 < model.test_score_ < 1
    assert model.search_["metric"] == "R²"
    assert model.search_["final"]["test_measures"]["RMSE"] < y.std()

    folder = model.export(tmp_path / "net")
    assert "| test RMSE |" in (folder / "README.md").read_text()
    write_rows(tmp_path / "x.csv", [[f"column {k}" for k in range(10)], *X[test][:9].tolist()])
    command = [sys.executable, str(folder / "predict.py"), str(tmp_path / "x.csv")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    np.testing.assert_allclose(np.array(said, float), model.predict(X[test][:9]), rtol=1e-5)
    with pytest.raises(ValueError, match="10 features"):
        model.predict(X[:, :9])


def test_several_labels_of_rows_are_learned_by_the_metric_that_is_chosen(data_dir, digits) -> None:
    X = digits.data
    labels = np.stack([digits.target % 2 == 0, digits.target < 5, digits.target == 9], axis=1)
    model = TabularClassifier(
        data_dir=data_dir, metric="exact-match", class_weights="balanced", **TINY
    )

    model.fit(X[:1000], labels[:1000], validation=(X[1000:1200], labels[1000:1200]))

    found, p = model.predict(X[1200:]), model.predict_proba(X[1200:])
    assert (found == (p >= 0.5)).all()
    assert (found == labels[1200:]).mean() > 0.8
    assert model.search_["task"] == "multi-label"
    assert (model.search_["metric"], model.search_["larger_is_better"]) == ("exact match", True)
    assert model.search_["best"]["value"] > 0.5
    assert "mean average precision" in model.search_["final"]["test_measures"]
    assert "log-loss" not in model.search_["final"]["test_measures"]


def test_what_may_be_wrong_with_the_data_is_a_warning_at_the_line_of_fit(data_dir, digits) -> None:
    y = digits.target[:300] + digits.images[:300].mean(axis=(1, 2))
    y[7] = 1e12
    with pytest.warns(UserWarning, match="target 'y' has 1e") as found:
        ImageRegressor(data_dir=data_dir, **TINY).fit(digits.images[:300], y)

    assert found[0].filename == __file__


def test_a_metric_of_which_less_is_better_is_shown_as_it_is(data_dir, digits) -> None:
    model = ImageClassifier(data_dir=data_dir, metric="log-loss", **TINY)

    model.fit(digits.images[:600], digits.target[:600])

    found = model.search_
    assert (found["metric"], found["larger_is_better"]) == ("log-loss", False)
    assert 0 < found["best"]["value"] < 2.3
    assert 0 < found["final"]["test_metric"] < 2.3
    assert found["final"]["comparison"]["before"] > 0
    assert {"accuracy", "balanced accuracy"} < {*found["final"]["test_measures"]}
    with pytest.raises(ValueError, match="metric: the metric 'rmse' does not fit what is learned"):
        ImageClassifier(data_dir=data_dir, metric="rmse", **TINY).fit(
            digits.images[:600], digits.target[:600]
        )


@pytest.mark.slow
def test_both_digits_of_an_image_are_found_far_better_than_by_a_forest(data_dir, digits) -> None:
    """Two digits side by side; no digit of the test is in training."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.target))
    pairs = [rng.choice(order[:1400], (1500, 2)), rng.choice(order[1400:], (300, 2))]
    (x, y), (x_test, y_test) = (
        (
            np.concatenate([digits.images[both[:, 0]], digits.images[both[:, 1]]], axis=2),
            np.eye(10)[digits.target[both]].max(axis=1),
        )
        for both in pairs
    )
    training = {"epochs": 15, "final_epochs": 20}
    model = ImageClassifier(data_dir=data_dir, trials=1, training=training).fit(x, y)
    forest = RandomForestClassifier(100, random_state=0).fit(x.reshape(1500, -1), y)

    found = (model.predict(x_test) == y_test).all(axis=1).mean()
    assert found > 0.8
    assert found > (forest.predict(x_test.reshape(300, -1)) == y_test).all(axis=1).mean() + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ImageRegressor, SignalRegressor])
def test_several_numbers_are_predicted_from_images_and_signals(data_dir, digits, kind) -> None:
    x = digits.images if kind is ImageRegressor else digits.data
    y = np.stack([1e3 + digits.data[:, 26:30].sum(axis=1), 1e-6 * digits.target], axis=1)
    model = kind(data_dir=data_dir, trials=1, training={"epochs": 8, "final_epochs": 8})

    model.fit(x[:1200], y[:1200])

    assert model.predict(x[1200:1210]).shape == (10, 2)
    assert model.score(x[1200:], y[1200:]) > 0.6


def test_the_examples_of_the_page_run(data_dir, tmp_path, monkeypatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    code = "\n".join(blocks).replace("minutes=2", f"data_dir={str(data_dir)!r}, **TINY")
    assert code.count("TINY") == 2
    monkeypatch.chdir(tmp_path)
    url = json.loads((data_dir / "service.json").read_text())["url"]
    key = json.loads((data_dir / "keys.json").read_text())["admin"]
    names = {"TINY": TINY, "url": url, "key": key}

    exec(code, names)

    assert (tmp_path / "exports" / "digits" / "predict.py").exists()


def test_the_notebook_runs(data_dir, tmp_path, monkeypatch, capsys) -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    cells = ["".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "code"]
    code = "\n".join(cells).replace("minutes=2", "**TINY")
    assert code.count("TINY") == 1
    monkeypatch.chdir(tmp_path)
    service = json.loads((data_dir / "service.json").read_text())
    monkeypatch.setenv("NETMORPH_URL", service["url"])
    monkeypatch.setenv("NETMORPH_KEY", json.loads((data_dir / "keys.json").read_text())["admin"])

    exec(code, {"TINY": TINY})

    assert "0 completed" in capsys.readouterr().out
    assert (tmp_path / "exports" / "digits" / "predict.py").exists()
    assert not any(one.get("outputs") for one in notebook["cells"])  # they would be out of date


@pytest.fixture(scope="module")
def wine() -> tuple[NDArray[Any], NDArray[Any]]:
    """Measurements of wines with a text column and missing values, and the cultivars."""
    bunch, rng = load_wine(), np.random.default_rng(0)
    x = bunch.data.astype(object)
    x[rng.random(x.shape) < 0.03] = None
    colour = np.where(bunch.target == 1, "rosé, pale", "red")
    return np.column_stack([x, colour]), bunch.target_names[bunch.target]


def test_rows_of_a_table_are_learned(data_dir, wine) -> None:
    x, y = wine
    model = TabularClassifier(data_dir=data_dir, trials=1, training={"epochs": 4})

    model.fit(x[::2], y[::2], groups=np.arange(len(x) // 2) // 3)

    assert model.score(x[1::2], y[1::2]) > 0.8
    with zipfile.ZipFile(io.BytesIO(model._archive)) as archive:
        (card,) = [name for name in archive.namelist() if name.endswith("README.md")]
        assert "no group is in two splits" in archive.read(card).decode()
    with pytest.raises(ValueError, match="X has 13 features, but TabularClassifier is expecting"):
        model.predict(x[:, 1:])
    with pytest.raises(ValueError, match="found layout 'NF'; expected None"):
        TabularClassifier(layout="NF", data_dir=data_dir).fit(x, y)
    with pytest.raises(ValueError, match="no single type that a table can hold"):
        model.fit(np.array([[1], ["a"]] * 20, dtype=object), y[::4][:40])


@pytest.mark.slow
def test_texts_are_learned(data_dir) -> None:
    found = [(text, name) for name in ("asyncio", "email") for text in sorted({*texts_of(name)})]
    texts, labels = map(np.array, zip(*found, strict=True))
    model = TextClassifier(data_dir=data_dir, trials=1, training={"epochs": 8})

    model.fit(texts[::2], labels[::2])

    assert model.score(texts[1::2], labels[1::2]) > 0.75  # half of them by chance
    with pytest.raises(ValueError, match=r"expected texts \(N,\)"):
        model.predict([[1.0, 2.0]])


@pytest.mark.slow
def test_numbers_are_learned_from_texts(data_dir) -> None:
    """The share of "the" among the words of a text, which no bag of two words would miss."""
    texts = np.array(sorted({*texts_of("asyncio"), *texts_of("email")}))
    shares = np.array([text.lower().split().count("the") / len(text.split()) for text in texts])
    model = TextRegressor(data_dir=data_dir, trials=1, training={"epochs": 20})

    model.fit(texts[::2], 100 * shares[::2])

    assert model.score(texts[1::2], 100 * shares[1::2]) > 0.3  # R²; 0 is the mean of all
    assert model.predict(list(texts[:3])).shape == (3,)


def test_texts_and_their_numbers_are_sent_as_a_table() -> None:
    texts = np.array([f"word {k} {'x ' * k}" for k in range(20)], object)
    train = _Examples(texts, texts, np.arange(20) / 2)

    upload = TextRegressor()._upload(train, None, None)

    options = ReadOptions(**upload.fields, task=TextRegressor._task)
    found = intake.read(io.BytesIO(upload.content), ReadLimits(), options)
    assert (found.arrays.task, found.spec.target_names) == ("regression", ("target",))
    assert found.spec.text.column == upload.fields["text"]
    both = np.concatenate([found.arrays.y_train, found.arrays.y_test])[:, 0]
    np.testing.assert_array_equal(np.sort(both), train.y)


def test_a_file_of_a_table_is_searched_and_its_export_predicts_another(
    data_dir, netmorph, wine, tmp_path
) -> None:
    x, y = wine
    names = [f"column {k}" for k in range(x.shape[1])]
    rows = [["" if value is None else value for value in row] for row in x.tolist()]
    labelled = [[*row, one] for row, one in zip(rows, y, strict=True)]
    header = [[*names, "cultivar"]]
    write_rows(tmp_path / "wine.csv", header + [one for k, one in enumerate(labelled) if k % 4])
    write_rows(tmp_path / "wine-test.csv", header + labelled[::4])
    write_rows(tmp_path / "new.tsv", [names[::-1], *[row[::-1] for row in rows]], "\t")

    ended = netmorph(
        *("search", "--dataset", tmp_path / "wine.csv", "--target", "cultivar", "--trials", 1),
        *("--data-dir", data_dir, "--export", tmp_path / "net"),
        *("--test", tmp_path / "wine-test.csv", "--split-seed", 3),
    )
    said = subprocess.run(
        [sys.executable, tmp_path / "net" / "predict.py", tmp_path / "new.tsv"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "178 rows of 15 columns: the target 'cultivar', 13 numbers, 1 category" in ended.stderr
    assert "133 examples to train on, 45 to test on (as in the files)" in ended.stderr
    assert "at random with seed 3 |" in (tmp_path / "net" / "README.md").read_text("utf-8")
    assert np.mean(np.array(said.stdout.split()) == y) > 0.9
    assert "beyond" not in said.stderr


def write_rows(path: Path, rows: list[list[Any]], separator: str = ",") -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)


@pytest.mark.parametrize(
    ("estimator", "shape", "arranged", "layout"),
    [
        (ImageClassifier(), (5, 7), (5, 7), "NF"),
        (ImageClassifier(), (5, 7, 6), (5, 1, 7, 6), "NCHW"),
        (ImageClassifier(), (5, 7, 6, 3), (5, 3, 7, 6), "NCHW"),
        (ImageClassifier(), (5, 3, 7, 6), (5, 3, 7, 6), "NCHW"),
        (ImageClassifier(layout="NCHW"), (5, 9, 7, 3), (5, 9, 7, 3), "NCHW"),
        (ImageClassifier(layout="NHWC"), (5, 3, 7, 6), (5, 6, 3, 7), "NCHW"),
        (SignalClassifier(), (5, 7), (5, 1, 7), "NCL"),
        (SignalClassifier(), (5, 3, 7), (5, 3, 7), "NCL"),
        (SignalClassifier(layout="NLC"), (5, 7, 3), (5, 3, 7), "NCL"),
        (ImageRegressor(), (5, 7, 6, 3), (5, 3, 7, 6), "NCHW"),
        (SignalRegressor(), (5, 7), (5, 1, 7), "NCL"),
    ],
)
def test_examples_are_arranged_with_channels_first(
    estimator: _Arrays, shape, arranged, layout
) -> None:
    found, name = estimator._arranged(np.zeros(shape))
    assert (found.shape, name) == (arranged, layout)


def waves(count: int, channels: int = 1, seed: int = 0) -> tuple[list[NDArray[Any]], Any]:
    """Slow and fast waves of different lengths, and which they are."""
    rng = np.random.default_rng(seed)
    y, lengths = np.arange(count) % 2, rng.integers(12, 33, count)
    phases = rng.uniform(0, 6, count)
    found = [
        np.sin(phase + np.arange(n) * (0.4, 1.3)[fast]) + rng.normal(0, 0.1, (channels, n))
        for fast, n, phase in zip(y, lengths, phases, strict=True)
    ]
    return [one[0] if channels == 1 else one for one in found], y


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_signals_of_different_lengths_are_learned(data_dir, tmp_path, channels) -> None:
    x, y = waves(240, channels)
    names = np.array(["slow", "fast"])[y]
    training = {"epochs": 12, "final_epochs": 12}
    model = SignalClassifier(data_dir=data_dir, trials=1, training=training)

    model.fit(x[:160], names[:160], validation=(x[160:180], names[160:180]))

    assert model.score(x[180:], names[180:]) > 0.9
    new, labels = waves(30, channels, seed=1)
    new.append(np.concatenate([new[0]] * 4, axis=-1))  # longer than all of training
    found = model.predict_proba(new)
    assert (model.classes_[found.argmax(axis=1)][:-1] == np.array(["slow", "fast"])[labels]).all()
    as_array = together(new, None)
    np.testing.assert_array_equal(model.predict_proba(as_array), found)
    np.testing.assert_allclose(model.predict_proba(new[:1]), found[:1], atol=1e-5)
    folder = model.export(tmp_path / "net")
    np.save(tmp_path / "x.npy", as_array)
    layout = ["--layout", "NL"] if channels == 1 else []
    command = [sys.executable, str(folder / "predict.py"), str(tmp_path / "x.npy"), *layout]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert [model.classes_[int(k)] for k in said] == model.predict(new).tolist()
    as_array[0, ..., 2] = np.nan
    with pytest.raises(ValueError, match="NaN only at the end of all channels"):
        model.predict(as_array)
    with pytest.raises(ValueError, match="or let NaN stand only at the end of all channels"):
        model.fit(as_array, np.arange(31) % 2)


def test_signals_of_one_length_predict_no_others(data_dir) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 2, 9)), np.arange(40) % 2
    model = SignalRegressor(data_dir=data_dir, **TINY).fit(list(x), y + x[:, 0, 0])

    assert model.predict(x[:3]).shape == (3,)
    with pytest.raises(ValueError, match="signals of different lengths, or NaN; expected finite"):
        model.predict([x[0], x[1, :, :5]])
    with pytest.raises(ValueError, match=r"expected \(N, 2, 9\)"):
        model.predict(x[:, :, :8])


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    channels=st.integers(0, 3),
    layout=st.sampled_from([None, "NCL", "NLC"]),
    as_objects=st.booleans(),
)
def test_signals_in_a_list_are_one_array_with_nan_at_the_end(
    lengths: list[int], channels: int, layout: str | None, as_objects: bool
) -> None:
    """0 channels: the signals have one axis."""
    shape = {"NLC": lambda n: (n, channels)}.get(str(layout), lambda n: (channels, n))
    arrays = [np.random.default_rng(n).normal(size=shape(n) if channels else n) for n in lengths]
    given_: Any = [one.tolist() for one in arrays]
    if as_objects:
        given_ = np.empty(len(arrays), object)
        for k, one in enumerate(arrays):
            given_[k] = one

    found = np.asarray(together(given_, layout))

    axis = 0 if not channels or layout == "NLC" else 1
    assert found.shape[1 + axis] == max(lengths)
    for one, row in zip(arrays, found, strict=True):
        there, gap = np.split(row, [one.shape[axis]], axis=axis)
        np.testing.assert_array_equal(there, one)
        assert np.isnan(gap).all()


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ([[1.0, 2.0], []], r"signal 1 is empty, of shape \(0,\)"),
        ([[1.0, 2.0], ["a"]], "signal 1 has shape \\(1,\\) and type <U1; expected numbers"),
        ([[[1.0], [2.0]], [[1.0], [2.0, 3.0]]], "signal 1 has shape .* all channels of one length"),
        (
            [[[1.0], [2.0]], [[1.0, 2.0]]],
            r"signal 1 has shape \(1, 2\), signal 0 has \(2, 1\); exp",
        ),
        ([[1.0, 2.0], [[1.0, 2.0]]], r"signal 1 has shape \(1, 2\), signal 0 has \(2,\)"),
    ],
)
def test_other_lists_are_no_signals(signals: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SignalClassifier().fit(signals, [0, 1])


@pytest.mark.parametrize("estimator", [ImageClassifier(), TabularClassifier(), ImageRegressor()])
def test_groups_and_examples_to_validate_on_are_sent_with_the_others(estimator: Any) -> None:
    x = np.random.default_rng(0).permutation(np.arange(60.0)).reshape(30, 2)
    y = np.arange(30) % 3
    estimator.classes_, estimator.n_features_in_ = np.arange(3), 2

    def read(validation: Any, groups: Any, times: Any = None) -> intake.Intake:
        train = _Examples(x, x, estimator._targets(y))
        given = estimator._validation(validation)
        upload = estimator._upload(train, given, _split_keys(groups, times, x))
        known = {name: upload.fields.get(name) for name in ("target", "group", "time")}
        options = ReadOptions(task=estimator._task, **known)
        return intake.read(io.BytesIO(upload.content), ReadLimits(), options)

    assert read(None, [f"g{k // 2}" for k in range(30)]).spec.split.test is SplitKind.GROUP
    days = np.datetime64("2024-01-01") + np.arange(30)
    berlin = timezone(timedelta(hours=1))
    zoned = [datetime(2024, 1, 1 + k, 0, 30, tzinfo=berlin) for k in range(30)]
    zoned_texts = [one.isoformat() for one in zoned]
    for times in (
        *(np.arange(30), days, days.astype(str), list(days.astype(object))),
        *(zoned, zoned_texts, [text.replace("+01:00", "Z") for text in zoned_texts]),
    ):
        found = read(None, None, times)
        assert found.spec.split.test is SplitKind.TIME
        np.testing.assert_array_equal(found.arrays.x_test, x[24:])
    found = read((x[:4] + 0.5, y[:4]), None)
    assert (found.spec.split.validation_examples, found.spec.split.test) == (4, SplitKind.RANDOM)
    np.testing.assert_array_equal(found.arrays.x_train[-4:], x[:4] + 0.5)
    for validation, groups, message in (
        ((x, y[1:]), None, "validation has 30 examples and 29 values of y"),
        ((x[:, :1], y), None, "X has 1 features"),
        (x, None, "validation is not a pair"),
        (None, y[1:], r"groups have shape \(29,\); expected \(30,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            read(validation, groups)
    for groups, times, message in (
        (y, y, "found groups and times"),
        (None, y[1:], r"times have shape \(29,\); expected \(30,\)"),
        (None, ["May"] * 30, "times hold 'May'; expected numbers or dates"),
        (None, ["May"] * 29 + zoned_texts[:1], "times hold 'May'; expected numbers or dates"),
    ):
        with pytest.raises(ValueError, match=message):
            read(None, groups, times)


NAMES = ("patient", "age", "weight")


def rows_without(leave_out: Any, given: Any, x: NDArray[Any]) -> pa.Table:
    """The table that a fit of these rows sends, and that a prediction reads without its target."""
    estimator = TabularRegressor(leave_out=leave_out)
    train = _Examples(given, x, np.arange(len(x)) / 2)
    estimator._left_out = estimator._to_leave_out(train)
    sent = pq.read_table(io.BytesIO(estimator._upload(train, None, None).content))
    assert sent.column_names[-1] == "target"
    assert estimator._table(given, x).equals(sent.drop_columns("target"))
    return sent


@pytest.mark.parametrize(
    ("leave_out", "kept"),
    [
        ("patient", ["age", "weight"]),
        (["weight", "patient"], ["age"]),
        (["patient", "patient"], ["age", "weight"]),
        (np.array(["age"]), ["patient", "weight"]),
        (0, ["age", "weight"]),
        ([np.int64(-1), 0], ["age"]),
        ([], ["patient", "age", "weight"]),
    ],
)
def test_columns_to_leave_out_are_neither_sent_nor_read(leave_out: Any, kept: list[str]) -> None:
    columns = [["p1", 7, None] * 10, list(range(30)), [0.5] * 30]
    x = np.array(columns, object).T
    frame = pa.table([list(map(str, columns[0])), *columns[1:]], names=NAMES)

    assert rows_without(leave_out, frame, x).column_names[:-1] == kept
    if not (isinstance(leave_out, str) or np.asarray(leave_out).dtype.kind == "U"):
        positions = [f"column {NAMES.index(name)}" for name in kept]
        as_array = x if "patient" not in kept else ROWS[:, :3]  # no table holds mixed values
        assert rows_without(leave_out, as_array, as_array).column_names[:-1] == positions


@pytest.mark.parametrize(
    ("leave_out", "named", "message"),
    [
        (["Age"], True, "'Age', which X does not have; expected some of 'patient', 'age', 'w"),
        (["age"], False, "names 'age', but X is no data frame; expected positions of its 3"),
        ([3], False, "position 3, but X has 3 columns; expected 0 to 2"),
        (-4, True, "position -4, but X has 3 columns"),
        ([True, False, False], True, "names True, which X does not have"),
        (1.5, True, "leave_out is 1.5; expected names or positions"),
        ([2, 1, 0], True, "all 3 columns of X; expected one to learn from"),
    ],
)
def test_columns_to_leave_out_must_be_there(leave_out: Any, named: bool, message: str) -> None:
    x = ROWS[:, :3]
    given = pa.table(list(x.T), names=NAMES) if named else x
    with pytest.raises(ValueError, match=message):
        TabularClassifier(leave_out=leave_out).fit(given, KINDS)


@pytest.mark.parametrize("kind", [ImageClassifier, SignalRegressor, TextClassifier])
def test_only_rows_have_columns_to_leave_out(kind: Any) -> None:
    x = [f"word {k}" for k in KINDS] if kind is TextClassifier else ROWS
    with pytest.raises(ValueError, match="found leave_out 0; expected None, as only rows"):
        kind(leave_out=0).fit(x, KINDS)


@pytest.mark.parametrize(
    ("estimator", "shape", "message"),
    [
        (ImageClassifier(), (5, 3, 7, 6, 2), "found 5"),
        (ImageClassifier(layout="HWC"), (5, 3, 7, 6), "'NHWC' or 'NCHW'"),
        (SignalClassifier(), (5, 3, 7, 6), "found 4"),
        (SignalClassifier(layout="LC"), (5, 3), "'NL', 'NCL' or 'NLC'"),
    ],
)
def test_other_shapes_and_layouts_are_refused(estimator, shape, message) -> None:
    with pytest.raises(ValueError, match=message):
        estimator._arranged(np.zeros(shape))


class LazyFrame:
    """A frame that is computed when it is collected, as polars has it."""

    def collect(self) -> pa.Table:
        return pa.table({"a": KINDS})


@pytest.mark.parametrize(
    ("estimator", "X", "y", "message"),
    [
        (
            TabularClassifier,
            np.ma.masked_greater(ROWS, 2),
            KINDS,
            r"X is a masked.*X\.filled\(np\.nan",
        ),
        (TabularRegressor, ROWS, np.ma.masked_equal(KINDS, 1), "y is a masked array"),
        (TabularClassifier, iter(ROWS), KINDS, r"X is a .*; expected .*, as list\(X\)"),
        (SignalClassifier, (row for row in ROWS), KINDS, "X is a generator; expected an array"),
        (TextClassifier, {"a", "b"}, KINDS, "X is a set; expected an array"),
        (TabularClassifier, LazyFrame(), KINDS, r"X is a LazyFrame; .*: X\.collect\(\)"),
        (
            TabularRegressor,
            ROWS,
            np.arange(30).astype("datetime64[D]"),
            r"y is of type datetime64\[D\]; expected numbers",
        ),
        (
            TabularClassifier,
            pa.table([KINDS, KINDS, KINDS], names=["a", "b", "a"]),
            KINDS,
            "X has 2 columns 'a'; expected a name of its own",
        ),
        (
            TabularClassifier,
            pa.table({"a": KINDS, "series": ROWS.tolist()}),
            KINDS,
            r"column 'series' holds values of type list.*leave it out by leave_out",
        ),
        (
            TabularClassifier,
            pa.table({"a": pa.DictionaryArray.from_arrays(KINDS, [{"left": 0.5}, {"left": 1.5}])}),
            KINDS,
            r"column 'a' holds categories of type struct.*astype\(str\), or leave it out",
        ),
        (TabularClassifier, {"a": ROWS[:, 0]}, KINDS, "X is a dict; expected .* a data frame"),
        (TabularClassifier, ROWS, (k for k in KINDS), "y is a generator"),
        (TabularClassifier, ROWS, csr_array(np.eye(30, 3)), r"y is sparse; .*y\.toarray\(\)"),
        (
            ImageClassifier,
            ROWS,
            ["a", None] * 15,
            "labels of the types NoneType, str; expected one",
        ),
    ],
)
def test_values_that_are_no_arrays_are_refused_with_what_to_do(
    estimator: Any, X: Any, y: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimator(**TINY).fit(X, y)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"trials": 0}, "trials is 0; expected 1 to 100,000"),
        ({"minutes": 0.1}, "minutes is 0.1; expected 0.2 to 43,200"),
        ({"minutes": float("nan")}, "minutes is nan"),
    ],
)
def test_an_impossible_budget_is_refused_in_its_unit(budget: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageClassifier(**budget).fit(ROWS, KINDS)


def test_refused_parameters_are_value_errors(data_dir, digits) -> None:
    with pytest.raises(ValueError, match=r"unknown strategy 'luck'; known are: .*reinforce$"):
        ImageClassifier(strategy="luck", data_dir=data_dir).fit(digits.images, digits.target)


def test_a_search_without_a_network_is_an_error() -> None:
    failed = SEARCH | {"status": "failed", "reason": "no trial has a value"}
    with answering(failed) as client, pytest.raises(ClientError, match="failed: no trial has"):
        ImageClassifier()._followed(client, SEARCH)  # type: ignore[arg-type]
