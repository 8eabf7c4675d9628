"""Searches as scikit-learn estimators: `fit` searches, trains and downloads, `predict` predicts.

    from netmorph import TabularClassifier

    model = TabularClassifier(minutes=5).fit(X, y)
    model.score(X_test, y_test)

Classifiers learn labels, regressors numbers, each of images, signals, texts or rows of a table.

The service is the one at `url`, or that of the data directory, which is started where none runs.
"""

import contextlib
import hashlib
import io
import tempfile
import warnings
import zipfile
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from netmorph import data_files, export, left_out, predictor, progress
from netmorph.answers import Dataset, Search
from netmorph.client import Client
from netmorph.data_directory import DataDirectory, default_path
from netmorph.errors import ClientError, RefusedRequest
from netmorph.predictor import Predictor
from netmorph.signal_lists import together
from netmorph.target import Target

_INVALID = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_DEFAULT_TRIALS = 12
_BUDGETS = {"trials": (1, 100_000), "minutes": (0.2, 30 * 24 * 60)}
_LEAST_LABEL = 0.5  # probability from which a label is predicted
_KEY_ARRAYS = {"group": "groups", "time": "time"}  # of an npz file
_CALLER = 5  # calls between a warning about the data and the line that calls `fit`
_MOST_CHANNELS = 4  # of images whose layout is not given


@dataclass(frozen=True, slots=True)
class _Upload:
    """A data set as a file to upload."""

    content: bytes
    suffix: str
    fields: dict[str, str | list[str]] = field(default_factory=dict)  # further ones of the form


@dataclass(frozen=True, slots=True)
class _SplitKeys:
    """What divides the examples."""

    kind: str  # "group" or "time", as the field of an upload
    values: NDArray[Any]  # one for each example


@dataclass(frozen=True, slots=True)
class _Examples:
    """Examples as given and as checked, and their class numbers or targets."""

    given: ArrayLike
    x: NDArray[Any]
    y: NDArray[Any]


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """A search; each kind of examples says how they are checked and sent."""

    _task: ClassVar[str]  # what the labels are for
    _has_labels = False  # whether y has several labels for each example
    _has_columns = False  # whether X has columns that can be left out
    _left_out: tuple[int, ...] = ()  # indices of those that were left out of the fit
    _checks: ClassVar[dict[str, Any]]  # of scikit-learn, on X

    def __init__(
        self,
        *,
        trials: int | None = None,
        minutes: float | None = None,
        random_state: int = 0,
        strategy: str = "bayesian",
        max_parameters: int | None = None,
        ensemble: int | None = None,
        metric: str | None = None,
        class_weights: str | None = None,
        training: dict[str, Any] | None = None,
        layout: str | None = None,
        leave_out: str | int | Sequence[str | int] | None = None,
        split_seed: int | None = None,
        workers: int = 1,
        url: str | None = None,
        key: str | None = None,
        data_dir: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        """Store the parameters of the search.

        Args:
            trials: Budget: number of trials; 12 if `minutes` is not given either.
            minutes: Budget: minutes, the final fit included.
            random_state: Seed of all random choices of the search.
            strategy: Search strategy.
            max_parameters: Upper bound for the parameters of a network.
            ensemble: Number of networks that are averaged; None: chosen for the budget.
            metric: What is optimised, such as "balanced-accuracy" or "mae"; None: accuracy or R².
            class_weights: "balanced": all classes count equally in training; only of classifiers.
            training: Further fields of `training` in `POST /v1/searches`, such as `epochs`.
            layout: The axes of X, such as "NHWC" or "NCL"; None: by their number and size.
            leave_out: Columns of X that are not learned from and not sent to the service, such as
                identifiers: names in a data frame, or positions from 0; only of tables.
            split_seed: Seed of the test split and of the validation splits; None: always the same
                test split, and `random_state`.
            workers: Workers of a service that is started for this fit.
            url: Address of a running service; None: the service of the data directory.
            key: API key for the service at `url`.
            data_dir: Data directory of the local service; None: the default one.
            verbose: Whether to print the progress.
        """
        self.trials = trials
        self.minutes = minutes
        self.random_state = random_state
        self.strategy = strategy
        self.max_parameters = max_parameters
        self.ensemble = ensemble
        self.metric = metric
        self.class_weights = class_weights
        self.training = training
        self.layout = layout
        self.leave_out = leave_out
        self.split_seed = split_seed
        self.workers = workers
        self.url = url
        self.key = key
        self.data_dir = data_dir
        self.verbose = verbose

    def export(self, folder: str | Path) -> Path:
        """Write the exported network with its program and its card to a folder; return it."""
        check_is_fitted(self)
        with tempfile.NamedTemporaryFile(suffix=".zip") as archive:
            archive.write(self._archive)
            archive.flush()
            export.unpack(Path(archive.name), Path(folder))
        return Path(folder)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_archive")

    @abstractmethod
    def _upload(
        self, train: _Examples, validation: _Examples | None, keys: _SplitKeys | None
    ) -> _Upload:
        """The examples with their class numbers or targets as a file."""

    @abstractmethod
    def _inputs(self, network: Predictor, given: ArrayLike, x: NDArray[Any]) -> NDArray[Any]:
        """The examples as an array that the network reads."""

    def _fit(
        self,
        train: _Examples,
        validation: tuple[ArrayLike, ArrayLike] | None,
        keys: _SplitKeys | None,
    ) -> Self:
        """Search for a network that learns y from x, train it and load it."""
        self._left_out = self._to_leave_out(train)
        _check_budget(trials=self.trials, minutes=self.minutes)
        upload = self._upload(train, self._validation(validation), keys)
        self.search_, self._archive = self._search(upload, train.x.shape)
        assert self.search_["final"] is not None
        self.test_score_ = self.search_["final"]["test_metric"]
        return self

    def _to_leave_out(self, train: _Examples) -> tuple[int, ...]:
        """The indices of the columns that `leave_out` names; raises ValueError where it cannot."""
        if self.leave_out is None:
            return ()
        if not self._has_columns:
            raise ValueError(
                f"found leave_out {self.leave_out!r}; expected None, as only rows of a table have "
                "columns to leave out: TabularClassifier and TabularRegressor"
            )
        return left_out.indices(self.leave_out, train.given, train.x.shape[1])

    def _validation(self, given: tuple[ArrayLike, ArrayLike] | None) -> _Examples | None:
        """The examples to validate on, checked as those of a prediction.

        Raises:
            ValueError: there are not two arrays of one length.
        """
        if given is None:
            return None
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ValueError("validation is not a pair; expected (X, y)")
        _check_kinds(X=given[0], y=given[1])
        X, y = self._given(given[0]), given[1]
        x = self._checked(X)
        targets = self._targets(np.asarray(y))
        if len(targets) != len(x):
            raise ValueError(
                f"validation has {len(x)} examples and {len(targets)} values of y; expected one "
                "for each example"
            )
        return _Examples(X, x, targets)

    def _given(self, X: ArrayLike) -> ArrayLike:
        """The examples in a form that scikit-learn can check."""
        return X

    def _checked(self, X: ArrayLike) -> NDArray[Any]:
        """The examples as an array; raises ValueError where they are unlike those of `fit`."""
        return np.asarray(validate_data(self, X, reset=False, **self._checks))

    @abstractmethod
    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """The class numbers of labels, or numbers to predict, as the service gets them."""

    @contextlib.contextmanager
    def _loaded(self, X: ArrayLike) -> Iterator[tuple[Predictor, NDArray[Any]]]:
        """The network, and the examples of a prediction as it reads them."""
        check_is_fitted(self)
        _check_kinds(X=X)
        X = self._given(X)
        x = self._checked(X)
        network = predictor.load(self._archive)
        with predictor.wrong_input_is_value_error():
            yield network, self._inputs(network, X, x)

    def _search(self, upload: _Upload, shape: tuple[int, ...]) -> tuple[Search, bytes]:
        """Run the search on this file to its end; return it and the archive of its export."""
        with self._client() as client, tempfile.TemporaryDirectory() as folder:
            name = f"fit-{hashlib.sha256(upload.content).hexdigest()[:12]}"
            path = Path(folder) / f"{name}{upload.suffix}"
            path.write_bytes(upload.content)
            with _refusals_are_value_errors(shape):
                seed = {} if self.split_seed is None else {"split_seed": str(self.split_seed)}
                task = "multi-label" if self._has_labels else self._task
                fields = {"task": task, **seed, **upload.fields}
                dataset = client.add_dataset(path, name, fields)
            _warn_of(dataset)
            with _refusals_are_value_errors():
                created = client.create_search(self._request(dataset["id"]))
            ended = self._followed(client, created)
            archive = Path(folder) / "export.zip"
            client.download_export(ended["id"], archive)
            return ended, archive.read_bytes()

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        path = Path(self.data_dir) if self.data_dir is not None else default_path()
        target = Target(DataDirectory(path.absolute()), self.url, self.key)
        with (
            target.on_demand(workers=self.workers) as running,
            Client(running.url, running.key) as client,
        ):
            yield client

    def _request(self, dataset: str) -> dict[str, Any]:
        """The body of `POST /v1/searches`."""
        trials = _DEFAULT_TRIALS if self.trials is None and self.minutes is None else self.trials
        seconds = None if self.minutes is None else 60 * self.minutes
        chosen = {
            "ensemble": self.ensemble,
            "class_weights": self.class_weights,
            "split_seed": self.split_seed,
        }
        training = {name: value for name, value in chosen.items() if value is not None}
        bounds = None if self.max_parameters is None else {"parameters": self.max_parameters}
        return {
            "dataset": dataset,
            "metric": self.metric,
            "budget": {"trials": trials, "seconds": seconds},
            "seed": self.random_state,
            "strategy": self.strategy,
            "parallelism": max(1, self.workers),
            "training": training | (self.training or {}),
        } | ({} if bounds is None else {"bounds": bounds})

    def _followed(self, client: Client, search: Search) -> Search:
        """Wait for the end of the search; it is stopped if the wait is interrupted.

        Raises:
            ClientError: it ended without a network.
        """
        out = Console(stderr=True, quiet=not self.verbose, highlight=False, markup=False)
        try:
            ended = progress.follow(client, search, out)
        except KeyboardInterrupt:
            client.stop(search["id"])
            raise
        if ended["status"] != "completed":
            reason = f": {ended['reason']}" if ended["reason"] else ""
            raise ClientError(
                f"the search {ended['id']} is {ended['status']}{reason}; expected completed"
            )
        return ended


class _Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A search for a classifier."""

    _task = "image-classification"

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        times: ArrayLike | None = None,
    ) -> Self:
        """Search for a network, train it and load it. A fifth of the examples is for the test.

        Args:
            X: The examples.
            y: Their labels, (N,), or 0 and 1 for each of several labels, (N, labels).
            groups: For each example its group, such as a patient; no group is in two splits.
            validation: Examples and labels (X, y) to validate on; None: some of X.
            times: For each example its time, a number or a date; the latest are for the test.

        Raises:
            ValueError: the examples, the labels or the parameters are invalid.
            ClientError: there is no service, or the search did not complete.
        """
        _check_kinds(X=X, y=y)
        X = self._given(X)
        keys = _split_keys(groups, times, X)
        if np.ndim(y) == 2 and np.shape(y)[1] > 1:
            return self._fit_labels(X, y, keys, validation)
        self._has_labels = False
        _check_one_type(y)
        x, y = validate_data(self, X, y, **self._checks)
        check_classification_targets(y)
        self.classes_, indices = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("expected at least two classes; found 1 class")
        return self._fit(_Examples(X, x, indices.astype(np.int64)), validation, keys)

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        if self._has_labels:
            return _label_sets(y, len(self.classes_))
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"validation has the label {unknown[0]!r}, which y does not have")
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _fit_labels(
        self,
        X: ArrayLike,
        y: ArrayLike,
        keys: _SplitKeys | None,
        validation: tuple[ArrayLike, ArrayLike] | None,
    ) -> Self:
        """Learn several labels for each example: y is a matrix of 0 and 1, (N, labels)."""
        x, sets = validate_data(self, X, y, multi_output=True, **self._checks)
        self._has_labels, self.classes_ = True, np.arange(sets.shape[1])
        return self._fit(_Examples(X, x, self._targets(sets)), validation, keys)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, in the order of `classes_`: (N, ...) -> (N, classes).

        Of several labels, for which each row of y had 0 and 1, those of the labels.
        """
        with self._loaded(X) as (network, inputs):
            found = network.probabilities(inputs).astype(np.float64)
        if self._has_labels:
            return np.asarray(found)
        order = [network.classes.index(str(k)) for k in range(len(self.classes_))]
        ordered = found[:, order]
        return np.asarray(ordered / ordered.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each example; of several labels 0 and 1, (N, labels)."""
        probabilities = self.predict_proba(X)
        if self._has_labels:
            return np.asarray(probabilities >= _LEAST_LABEL, np.int64)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])


def _label_sets(y: NDArray[Any], labels: int) -> NDArray[np.int64]:
    """Several labels of each example: a matrix of 0 and 1, (N, labels)."""
    if y.ndim != 2 or y.shape[1] != labels or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"found y of shape {y.shape} with values other than 0 and 1, or of other than {labels} "
            "labels; expected labels (N,), or a matrix of 0 and 1 for several labels of an example"
        )
    return np.asarray(y, np.int64)


class _Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A search for a network that predicts numbers."""

    _task = "regression"

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        times: ArrayLike | None = None,
    ) -> Self:
        """Search for a network, train it and load it. A fifth of the examples is for the test.

        Args:
            X: The examples.
            y: The numbers, (N,); of images and signals also (N, targets), for several numbers.
            groups: For each example its group, such as a patient; no group is in two splits.
            validation: Examples and numbers (X, y) to validate on; None: some of X.
            times: For each example its time, a number or a date; the latest are for the test.

        Raises:
            ValueError: the examples, the targets or the parameters are invalid.
            ClientError: there is no service, or the search did not complete.
        """
        _check_kinds(X=X, y=y)
        X = self._given(X)
        keys = _split_keys(groups, times, X)
        several = get_tags(self).target_tags.multi_output
        x, y = validate_data(self, X, y, multi_output=several, y_numeric=True, **self._checks)
        self._y_axes = np.ndim(y)
        return self._fit(_Examples(X, x, self._targets(np.asarray(y))), validation, keys)

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        if y.dtype.kind in "mM":
            raise ValueError(f"y is of type {y.dtype}; expected numbers, such as days since a date")
        return np.asarray(y, np.float64)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The predicted numbers in the units of y: (N, ...) -> (N,) or (N, targets)."""
        with self._loaded(X) as (network, inputs):
            found = network.values(inputs)
        return found[:, 0] if self._y_axes == 1 else found


class _Arrays(_Estimator):
    """Examples are arrays, whose axes are arranged by their kind."""

    _checks: ClassVar[dict[str, Any]] = {"allow_nd": True, "dtype": "numeric"}

    def _upload(
        self, train: _Examples, validation: _Examples | None, keys: _SplitKeys | None
    ) -> _Upload:
        arranged, layout = self._arranged(train.x)
        arrays = {"x": arranged, "y": train.y, "layout": np.array(layout)}
        if keys is not None:
            arrays[_KEY_ARRAYS[keys.kind]] = keys.values
        if validation is not None:
            arrays |= {"x_val": self._arranged(validation.x)[0], "y_val": validation.y}
        return _Upload(data_files.npz(arrays), ".npz")

    def _inputs(self, network: Predictor, given: ArrayLike, x: NDArray[Any]) -> NDArray[Any]:
        return self._arranged(x)[0]

    @abstractmethod
    def _arranged(self, x: NDArray[Any]) -> tuple[NDArray[Any], str]:
        """The examples with channels first, in a type that the service stores, and their layout."""


class _Images(_Arrays):
    """Examples are images, or vectors where X has two axes."""

    def _arranged(self, x: NDArray[Any]) -> tuple[NDArray[Any], str]:
        x = _stored(x)
        if x.ndim == 2:
            return x, "NF"
        if x.ndim == 3:
            return x[:, None], "NCHW"
        if x.ndim != 4:
            raise ValueError(f"expected images with 2 to 4 axes; found {x.ndim} (shape {x.shape})")
        return (x if self._is_channels_first(x) else x.transpose(0, 3, 1, 2)), "NCHW"

    def _is_channels_first(self, x: NDArray[Any]) -> bool:
        if self.layout in ("NHWC", "NCHW"):
            return self.layout == "NCHW"
        if self.layout is not None:
            raise ValueError(f"unknown layout {self.layout!r}; expected 'NHWC' or 'NCHW'")
        return bool(x.shape[3] > _MOST_CHANNELS >= x.shape[1])


class _Signals(_Arrays):
    """Examples are signals, of which shorter ones end with NaN."""

    _checks: ClassVar[dict[str, Any]] = _Arrays._checks | {"ensure_all_finite": "allow-nan"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _given(self, X: ArrayLike) -> ArrayLike:
        return together(X, self.layout)

    def _checked(self, X: ArrayLike) -> NDArray[Any]:
        """The signals; the network checks their shape, as their length may differ."""
        return np.asarray(check_array(X, **self._checks))

    def _inputs(self, network: Predictor, given: ArrayLike, x: NDArray[Any]) -> NDArray[Any]:
        if network.padded is None and x.dtype.kind == "f" and np.isnan(x).any():
            raise ValueError(
                f"found signals of different lengths, or NaN; expected finite ones of the length "
                f"{network.shape[-1]}, as all signals of fit had it"
            )
        return super()._inputs(network, given, x)

    def _arranged(self, x: NDArray[Any]) -> tuple[NDArray[Any], str]:
        if self.layout not in (None, "NL", "NCL", "NLC"):
            raise ValueError(f"unknown layout {self.layout!r}; expected 'NL', 'NCL' or 'NLC'")
        x = _stored(x)
        if x.ndim == 2:
            return x[:, None], "NCL"
        if x.ndim != 3:
            raise ValueError(f"expected signals with 2 or 3 axes; found {x.ndim} (shape {x.shape})")
        return (x.transpose(0, 2, 1) if self.layout == "NLC" else x), "NCL"


class _Rows(_Estimator):
    """Examples are the rows of a table."""

    _checks: ClassVar[dict[str, Any]] = {"dtype": None, "ensure_all_finite": "allow-nan"}
    _fields: ClassVar[dict[str, str | list[str]]] = {}  # of the upload's form
    _has_columns = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def _upload(
        self, train: _Examples, validation: _Examples | None, keys: _SplitKeys | None
    ) -> _Upload:
        if self.layout is not None:
            raise ValueError(f"found layout {self.layout!r}; expected None, as rows have none")
        tables = {"train": train, **({} if validation is None else {"validation": validation})}
        found = {part: self._table(one.given, one.x) for part, one in tables.items()}
        targets = _target_names(found["train"], train.y)
        fields: dict[str, str | list[str]] = {"target": ",".join(targets), **self._fields}
        for part, one in tables.items():
            for target, values in zip(targets, one.y.reshape(len(one.y), -1).T, strict=True):
                found[part] = found[part].append_column(target, pa.array(values.tolist()))
        if keys is not None:
            if validation is not None:
                raise ValueError(
                    f"found {keys.kind}s and validation; expected one of them for a table"
                )
            name = fields[keys.kind] = _new_name(keys.kind, found["train"])
            found["train"] = found["train"].append_column(name, pa.array(keys.values))
        files = {part: data_files.parquet(table) for part, table in found.items()}
        if len(files) == 1:
            return _Upload(files["train"], ".parquet", fields)
        return _Upload(
            _zip({f"{part}.parquet": one for part, one in files.items()}), ".zip", fields
        )

    def _inputs(self, network: Predictor, given: ArrayLike, x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(network.table.encode_arrow(self._table(given, x)))

    def _table(self, given: ArrayLike, x: NDArray[Any]) -> pa.Table:
        """The examples as a table, without their targets and what is left out.

        Raises ValueError for a column of lists, as the service would learn from it alone.
        """
        table = _table(given, x, self._left_out)
        for name, kind in zip(table.column_names, table.schema.types, strict=True):
            if pa.types.is_nested(kind):
                raise ValueError(
                    f"column {name!r} holds values of type {kind}; expected numbers, texts, truth "
                    "values or dates: leave it out by leave_out, or give lists of numbers as "
                    "signals to SignalClassifier or SignalRegressor"
                )
        return table


def _target_names(table: pa.Table, y: NDArray[Any]) -> list[str]:
    """Names of target columns that no column has: one for y (N,), several for (N, targets)."""
    name = "target"
    while any(column.startswith(name) for column in table.column_names):
        name += "_"
    return [name] if y.ndim == 1 else [f"{name}{k}" for k in range(y.shape[1])]


def _new_name(name: str, table: pa.Table) -> str:
    """A name that no column has."""
    while name in table.column_names:
        name += "_"
    return name


def _zip(files: dict[str, bytes]) -> bytes:
    """The files as an archive; equal files are equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _split_keys(
    groups: ArrayLike | None, times: ArrayLike | None, examples: ArrayLike
) -> _SplitKeys | None:
    """The groups or times; raises ValueError for both, or where there is not one an example."""
    if groups is not None and times is not None:
        raise ValueError("found groups and times; expected one of them")
    given = groups if times is None else times
    if given is None:
        return None
    found, count = np.asarray(given), len(examples)  # type: ignore[arg-type]
    if found.shape != (count,):
        raise ValueError(
            f"{'groups' if times is None else 'times'} have shape {found.shape}; expected "
            f"({count},), one for each example"
        )
    if times is None:
        return _SplitKeys("group", found.astype(str) if found.dtype == object else found)
    return _SplitKeys("time", _dates(found) if found.dtype.kind in "OUSM" else found)


def _dates(times: NDArray[Any]) -> NDArray[Any]:
    """Dates, also as texts, as the service reads them: without an offset from UTC."""
    if times.dtype.kind in "OUS":
        times = np.array([_utc(one) for one in times.tolist()], object)
    try:
        return times.astype("datetime64[us]")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"times hold {str(times[0])!r}; expected numbers or dates as 2024-12-31: {error}"
        ) from None


def _utc(one: Any) -> Any:
    """A time with an offset from UTC as the time in UTC; everything else as it is."""
    found = one
    if isinstance(one, str):
        with contextlib.suppress(ValueError):  # numpy reads further forms, and refuses the others
            found = datetime.fromisoformat(one)
    if not isinstance(found, datetime) or found.tzinfo is None:
        return one
    return found.astimezone(UTC).replace(tzinfo=None)


class _Texts(_Rows):
    """Examples are texts, which are sent as the only column of a table."""

    _checks: ClassVar[dict[str, Any]] = {"dtype": None, "ensure_2d": False}
    _fields: ClassVar[dict[str, str | list[str]]] = {"text": "text"}
    _has_columns = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags

    def _inputs(self, network: Predictor, given: ArrayLike, x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(network.text.encode(_listed(x))[0])

    def _table(self, given: ArrayLike, x: NDArray[Any]) -> pa.Table:
        return pa.table({"text": pa.array(_listed(x), pa.string())})


def _listed(x: NDArray[Any]) -> list[str]:
    """The texts in an array (N,); raises ValueError for anything else."""
    texts: list[str] = x.tolist()
    if x.ndim != 1 or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"found X of shape {x.shape} and type {x.dtype}; expected texts (N,)")
    return texts


def _table(given: Any, x: NDArray[Any], without: Collection[int]) -> pa.Table:
    """The rows as an Arrow table; the columns of an array are named by their positions.

    The columns of the indices in `without` are left out.

    Raises:
        ValueError: a column holds values of several types, or of none that Arrow knows.
    """
    if data_files.is_frame(given):
        return data_files.table_of(given, without)
    kept = [k for k in range(x.shape[1]) if k not in without]
    try:
        return pa.table({f"column {k}": pa.array(x[:, k].tolist()) for k in kept})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise data_files.mixed_types(error) from None


class ImageClassifier(_Classifier, _Images):
    """A search for a classifier of images, (N, height, width) with or without channels.

    X with two axes, (N, features), holds vectors. Of four axes the last holds the channels, unless
    it is longer than four and the second is not; `layout` ("NHWC", "NCHW") says it otherwise.

    Attributes:
        classes_: The labels, sorted.
        test_score_: The accuracy on the fifth of the examples that was looked at once.
        search_: The search as the service describes it.
    """


class SignalClassifier(_Classifier, _Signals):
    """A search for a classifier of signals, (N, length) or (N, channels, length).

    `layout="NLC"` is for (N, length, channels). Signals of different lengths are a list of arrays,
    or an array in which the shorter ones end with NaN in all channels. The attributes are those of
    `ImageClassifier`.
    """


class TabularClassifier(_Classifier, _Rows):
    """A search for a classifier of rows of a table: a data frame, or an array (N, columns).

    Columns may hold numbers, texts, truth values, dates and categories; None and NaN are missing
    values. The description of the data set `search_["dataset"]` says how each was understood. Rows
    to predict have the columns of `fit`, those that `leave_out` names among them. There is no
    `layout`; the attributes are those of `ImageClassifier`.
    """


class TextClassifier(_Classifier, _Texts):
    """A search for a classifier of texts: a list, an array or a series of strings, (N,).

    The vocabulary is learned from the texts of `fit`. For a few thousand texts a linear model on
    TF-IDF features is often as good or better. There is no `layout`; the attributes are those of
    `ImageClassifier`.
    """


class ImageRegressor(MultiOutputMixin, _Regressor, _Images):  # type: ignore[misc]
    """A search for a network that predicts numbers from images; X is as for `ImageClassifier`.

    Attributes:
        test_score_: R² on the fifth of the examples that was looked at once.
        search_: The search as the service describes it.
    """


class SignalRegressor(MultiOutputMixin, _Regressor, _Signals):  # type: ignore[misc]
    """A search for a network that predicts numbers from signals; X is as for `SignalClassifier`.

    The attributes are those of `ImageRegressor`.
    """


class TextRegressor(_Regressor, _Texts):
    """A search for a network that predicts a number from texts; X is as for `TextClassifier`.

    The attributes are those of `ImageRegressor`.
    """


class TabularRegressor(_Regressor, _Rows):
    """A search for a network that predicts numbers from rows; X is as for `TabularClassifier`.

    It predicts one number; for several from vectors (N, features) take `ImageRegressor`. On tables
    of unrelated features, boosted trees are often better and always faster. The attributes are
    those of `ImageRegressor`.
    """


def _stored(x: NDArray[Any]) -> NDArray[Any]:
    """The examples in a type that the service reads without loss of what matters."""
    if x.dtype == np.bool_:
        return x.astype(np.uint8)
    if x.dtype.kind in "iu" and x.size and x.min() >= 0 and x.max() <= 255:
        return x.astype(np.uint8)
    return x.astype(np.float64) if x.dtype.kind in "iu" else x


def _check_kinds(**given: object) -> None:
    """Raise ValueError for values that are no arrays, or whose mask would be lost."""
    for name, values in given.items():
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            raise ValueError(
                f"{name} is a masked array, whose mask would be lost; expected a plain array: "
                f"{name}.filled(np.nan) where missing values are allowed"
            )
        is_sparse = hasattr(values, "toarray")  # some of scipy's are mappings as well
        if isinstance(values, Iterator | Set | Mapping) and not is_sparse:
            raise ValueError(
                f"{name} is a {type(values).__name__}; expected an array, a list or a data frame"
                + f", as list({name})" * isinstance(values, Iterator)
            )
        if hasattr(values, "collect") and not hasattr(values, "__len__"):
            raise ValueError(
                f"{name} is a {type(values).__name__}; expected a data frame: {name}.collect()"
            )
        if name == "X" and data_files.is_frame(values):
            _check_names(data_files.column_names(values))
        if name == "y" and is_sparse:
            raise ValueError("y is sparse; expected an array: y.toarray()")


def _check_budget(**given: float | None) -> None:
    """Raise ValueError for a budget that no search has, in the unit of its parameter."""
    for name, value in given.items():
        least, most = _BUDGETS[name]
        if value is not None and not least <= value <= most:
            raise ValueError(f"{name} is {value}; expected {least} to {most:,}")


def _check_names(names: list[Any]) -> None:
    """Raise ValueError where two columns have one name."""
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(
            f"X has {names.count(twice[0])} columns {twice[0]!r}; expected a name of its own for "
            "each column"
        )


def _check_one_type(y: ArrayLike) -> None:
    """Raise ValueError for labels that cannot be sorted, as texts and None."""
    labels = np.asarray(y)
    if labels.dtype != object:
        return
    found = labels.ravel().tolist()
    try:
        sorted(set(found))
    except TypeError:
        types = ", ".join(sorted({type(one).__name__ for one in found}))
        raise ValueError(
            f"y holds labels of the types {types}; expected one type, and a label for each example"
        ) from None


def _warn_of(dataset: Dataset) -> None:
    """Warn of what may be wrong with the data, as the service found it."""
    description = dataset["description"]
    for text in () if description is None else description["warnings"]:
        warnings.warn(f"the data: {text}", stacklevel=_CALLER)


@contextlib.contextmanager
def _refusals_are_value_errors(shape: tuple[int, ...] | None = None) -> Iterator[None]:
    """Raise ValueError, which scikit-learn expects, for data and parameters that are refused.

    Of data that are refused, the message says the shape.
    """
    try:
        yield
    except RefusedRequest as problem:
        if problem.status not in _INVALID:
            raise
        found = (
            "" if shape is None else f"; X has {shape[0]} sample(s) of {prod(shape[1:])} feature(s)"
        )
        raise ValueError(f"{problem}{found}") from problem
