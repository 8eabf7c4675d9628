"""Predict with an exported network: python predict.py EXAMPLES... [--json]

Needs numpy, torch and safetensors, and the other files of this folder; Pillow for pictures, pyarrow
for Parquet. EXAMPLES are .npy and .npz files, .jsonl and .parquet files with a column of lists,
pictures, and folders of pictures; where the network was trained on a table, .csv, .tsv, .jsonl and
.parquet files with columns of the same names; where it was trained on texts, these, .txt files of
one text each, and folders of such files. "-" is a table or array on the standard input, in any of
these forms. An array holds raw values as in the data set that the
network was trained on, with its axes in the same order: `layout` of preprocess.json, or the option
--layout. Axes of length one may be left out or added. Where the network was trained on pictures
from files, any picture is prepared as those were.
"""

import argparse
import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import sys
import tokenize
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

try:
    import numpy as np
    import torch
    import torch.nn.functional as functional
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import Tensor
except ImportError as error:
    sys.exit(f"error: {error}; install what it needs: pip install -r requirements.txt")
try:
    from PIL import Image, ImageOps
except ImportError:  # it is needed for pictures only
    Image = None  # type: ignore[assignment]
try:
    import pyarrow as arrow
    from pyarrow import compute, parquet
except ImportError:  # it is needed for Parquet files only
    arrow = compute = parquet = None

Array = np.ndarray[Any, Any]
Layer = dict[str, Any]
Parameters = dict[str, Tensor]
Kind = Callable[[Layer, Parameters, list[Tensor]], Tensor]

BATCH = 128  # examples that are predicted at once; the values of more leave a CPU's cache
#: The possible orders of axes, by the number of axes of one example; the first is the network's.
LAYOUTS = {1: ("NF",), 2: ("NCL", "NLC", "NL"), 3: ("NCHW", "NHWC", "NHW")}
#: Words in the names of arrays of examples in .npz files.
IMAGE_KEYS = {"x", "image", "images", "imgs", "img", "data", "examples", "features", "inputs",
              "input", "samples", "signals", "series", "arr_0"}  # fmt: skip
PICTURES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
PICTURE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels
UNLIKE = 4.0  # times the contrast of any training example: an example that is scaled otherwise
FEW_VALUES = 4  # of one example: with fewer its contrast says nothing
#: Standard deviations: training examples that vary less have equal features, but for rounding.
LEAST_CONTRAST = 1e-2
WIDE = 100.0  # the range of a channel beside which values of at most one are another scale
WATCHED_VALUES = 1 << 20  # at once
BLANKS = " \t\n\v\f\r"  # left out around the cells of a table
#: Cells without a value.
MISSING = {
    "", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "?", "N/A", "NA", "NULL", "NaN", "NaT",
    "None", "n/a", "nan", "null",
}  # fmt: skip
JSON_LINE = re.compile(rb"(\xef\xbb\xbf)?\s*\{\s*[\"}]")  # the start of a file of such lines
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]+([eE][+-]?[0-9]+)?)")
#: A day or a time, in UTC where no zone is given, as pandas and databases write it, up to
#: nanoseconds.
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999, since 1970
SEPARATORS = ",;\t|"  # of the columns of a text file
CHOOSE = "choose them by --key NAME of predict.py"
LONGEST_CELL = 1 << 20  # characters
LARGEST_UNPACKED = 1 << 29  # bytes of a packed file
UNKNOWN, FIRST_PIECE = 1, 2  # token numbers: of an unknown character, of the first piece
LONGEST_TEXT, LONGEST_WORD = 20_000, 100  # characters; further ones are not read
#: Words, with the marks on letters, which Python does not count as parts of words; and symbols.
WORD = re.compile(
    r"[\w\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    r"\u0900-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece\u0f18-\u0fbc\u102b-\u109d\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]+|[^\w\s]"
)
#: What files that are damaged, or written to do harm, raise where they are read.
UNREADABLE = (
    *(ValueError, KeyError, SyntaxError, EOFError, OSError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, MemoryError, OverflowError, TypeError, tokenize.TokenError),
)


#: Stands for the standard input on the command line, and what messages call that.
DASH, STANDARD_INPUT = Path("-"), Path("standard input")


class InputError(Exception):
    """Examples, or files of this folder, that cannot be used; the message says why."""


# --- the layers -------------------------------------------------------------------------------


def _batch_norm(x: Tensor, p: Parameters) -> Tensor:
    return functional.batch_norm(
        x, p["running_mean"], p["running_var"], p["weight"], p["bias"], eps=1e-5
    )


def _sum(inputs: list[Tensor]) -> Tensor:
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total


def _padded(x: Tensor, layer: Layer, value: float = 0.0) -> Tensor:
    """The values with the pads of a layer: those before each axis, then those after."""
    pads = layer.get("pads", ())
    axes = len(pads) // 2
    ends = [pads[at] for axis in reversed(range(axes)) for at in (axis, axes + axis)]
    return functional.pad(x, ends, value=value) if ends else x


def _convolved(function: Callable[..., Tensor], depthwise: bool) -> Kind:
    """A convolution padded by half its kernel, unless it has pads.

    A depthwise one has a group for each channel.
    """
    return lambda layer, p, x: function(
        _padded(x[0], layer),
        p["weight"],
        p.get("bias"),
        layer["stride"],
        0 if "pads" in layer else layer["kernel"] // 2,
        groups=x[0].shape[1] if depthwise else 1,
    )


def _max_pooled(function: Callable[..., Tensor]) -> Kind:
    return lambda layer, p, x: function(
        _padded(x[0], layer, -np.inf),
        layer["size"],
        layer["stride"],
        layer.get("padding", 0),
        layer.get("dilation", 1),
        ceil_mode=layer.get("ceil_mode", False),
    )


def _avg_pooled(function: Callable[..., Tensor]) -> Kind:
    def mean(layer: Layer, x: Tensor) -> Tensor:
        return function(
            _padded(x, layer),
            layer["size"],
            layer["stride"],
            layer.get("padding", 0),
            ceil_mode=layer.get("ceil_mode", False),
            count_include_pad=layer.get("count_include_pad", False),
        )

    def pooled(layer: Layer, p: Parameters, x: list[Tensor]) -> Tensor:
        if "pads" not in layer or layer.get("count_include_pad"):
            return mean(layer, x[0])
        return mean(layer, x[0]) / mean(layer, x[0].new_ones((1, 1, *x[0].shape[2:])))

    return pooled


def _zeros(x: Tensor, stride: int) -> Tensor:
    sides = [-(-side // stride) for side in x.shape[2:]]
    return x.new_zeros((*x.shape[:2], *sides))


def _embedded(x: Tensor, weight: Tensor) -> Tensor:
    tokens = x.squeeze(1).round().clamp(0, len(weight) - 1).long()
    return functional.embedding(tokens, weight).transpose(1, 2).contiguous()


def _scaled(x: Tensor, factors: Tensor) -> Tensor:
    return x * factors.view(*factors.shape, *[1] * (x.dim() - factors.dim()))


# By kind of layer, its function of (its description, its parameters, its inputs).
KINDS: dict[str, Kind] = {
    "input": lambda layer, p, x: x[0],
    "output": lambda layer, p, x: x[0],
    "conv1d": _convolved(functional.conv1d, depthwise=False),
    "conv2d": _convolved(functional.conv2d, depthwise=False),
    "depthwise_conv1d": _convolved(functional.conv1d, depthwise=True),
    "depthwise_conv2d": _convolved(functional.conv2d, depthwise=True),
    "dense": lambda layer, p, x: functional.linear(x[0], p["weight"], p.get("bias")),
    "embedding": lambda layer, p, x: _embedded(x[0], p["weight"]),
    "batch_norm": lambda layer, p, x: _batch_norm(x[0], p),
    "relu": lambda layer, p, x: functional.relu(x[0]),
    "relu6": lambda layer, p, x: functional.relu6(x[0]),
    "silu": lambda layer, p, x: functional.silu(x[0]),
    "gelu": lambda layer, p, x: functional.gelu(x[0]),
    "sigmoid": lambda layer, p, x: torch.sigmoid(x[0]),
    "hard_sigmoid": lambda layer, p, x: functional.hardsigmoid(x[0]),
    "hard_swish": lambda layer, p, x: functional.hardswish(x[0]),
    "tanh": lambda layer, p, x: torch.tanh(x[0]),
    "zero": lambda layer, p, x: _zeros(x[0], layer["stride"]),
    "gate": lambda layer, p, x: 2 * torch.sigmoid(x[0]),
    "max_pool1d": _max_pooled(functional.max_pool1d),
    "max_pool2d": _max_pooled(functional.max_pool2d),
    "avg_pool1d": _avg_pooled(functional.avg_pool1d),
    "avg_pool2d": _avg_pooled(functional.avg_pool2d),
    "global_avg_pool1d": lambda layer, p, x: x[0].mean(dim=2),
    "global_avg_pool2d": lambda layer, p, x: x[0].mean(dim=(2, 3)),
    "flatten": lambda layer, p, x: x[0].flatten(1),
    "dropout": lambda layer, p, x: x[0],
    "add": lambda layer, p, x: _sum(x),
    "concat": lambda layer, p, x: torch.cat(x, dim=1),
    "scale": lambda layer, p, x: _scaled(x[0], x[1]),
}


# --- the network ------------------------------------------------------------------------------


class Model:
    """The network of an exported folder."""

    def __init__(self, folder: Path) -> None:
        self.nodes = _read(folder / "model.json")["nodes"]
        self.classes: list[str] = _read(folder / "classes.json")
        self.preprocess = _read(folder / "preprocess.json")
        self.targets: dict[str, Any] | None = self.preprocess.get("targets")  # of regression
        self.threshold: float | None = self.preprocess.get("threshold")  # of several labels
        self.shape = tuple(self.preprocess["input_shape"])  # of one example, channels first
        self.layout: str = self.preprocess["layout"] or LAYOUTS[len(self.shape)][0]
        #: The axes of signals of different lengths, of which shorter ones end with NaN.
        self.padded: str | None = self.preprocess.get("padded")
        table = self.preprocess.get("table")
        self.table = Table(table) if table else None
        text = self.preprocess.get("text")
        self.text = Text(text) if text else None
        self.parameters: dict[int, Parameters] = {}
        for key, tensor in _weights(folder / "weights.safetensors").items():
            node, _, name = key.partition(".")
            self.parameters.setdefault(int(node), {})[name] = tensor
        dtype = torch.float64 if self.preprocess["in_float64"] else torch.float32
        self.mean = self._by_channel("mean").to(dtype)
        self.scale = 1 / self._by_channel("std").to(dtype)

    def arrange(self, x: Array, layout: str | None = None) -> Array:
        """Examples with axes in the order of a layout as a view (N, channels, ...)."""
        layout = layout or self.padded or self.layout
        if layout not in LAYOUTS[len(self.shape)]:
            possible = ", ".join(LAYOUTS[len(self.shape)])
            raise InputError(f"the layout is {layout!r}; expected one of {possible}")
        if self.padded:
            return self._with_mask(x, layout)
        sizes = dict(zip(LAYOUTS[len(self.shape)][0][1:], self.shape, strict=True))
        full = [sizes[axis] for axis in layout[1:]]
        given, expected = ([size for size in shape if size != 1] for shape in (x.shape, full))
        if given not in (expected, [*given[:1], *expected]):
            raise InputError(
                f"examples have shape {x.shape}; expected (N, {', '.join(map(str, full))}), the "
                f"axes {layout}; for another order of axes give the layout (option --layout)"
            )
        x = x.reshape(1 if given == expected else given[0], *full)
        if "C" in layout:
            return np.moveaxis(x, layout.index("C"), 1)
        return x.reshape(len(x), *self.shape)

    def _with_mask(self, x: Array, layout: str) -> Array:
        """Signals of any lengths, of which shorter ones end with NaN, as those of training.

        Shorter ones are continued by their last values, longer ones cut. The last channel is 1
        where there are values, and 0 behind them. Signals that have it already stay as they are.
        """
        channels, length = self.shape[0] - 1, self.shape[1]
        x = x[None] if x.ndim == len(layout) - 1 else x
        found = x[:, None] if layout == "NL" and x.ndim == 2 else x
        found = found.swapaxes(1, 2) if layout == "NLC" and x.ndim == 3 else found
        if found.shape[1:] == self.shape:
            return found
        if found.ndim != 3 or found.shape[1] != channels or not found.shape[2]:
            raise InputError(
                f"examples have shape {x.shape}; expected signals of {channels} channels with the "
                f"axes {layout}, of any length"
            )
        found = found.astype(found.dtype if found.dtype.kind == "f" else np.float64)[..., :length]
        is_there = ~np.isnan(found).all(axis=1)
        known = (found.shape[2] - is_there[:, ::-1].argmax(axis=1))[:, None]
        steps = np.arange(length)
        is_within = steps[: found.shape[2]] < known
        if not is_there.any(axis=1).all() or (np.isfinite(found) != is_within[:, None]).any():
            raise InputError(
                "examples hold values that are NaN or infinite; expected finite numbers, and NaN "
                "only at the end of all channels of shorter signals"
            )
        last = np.minimum(steps, known - 1)
        filled = np.take_along_axis(found, last[:, None], axis=2)
        return np.concatenate([filled, (steps < known)[:, None]], axis=1, dtype=found.dtype)

    def together(self, examples: Sequence[Any], layout: str | None = None) -> Array:
        """Signals of different lengths as one array, in which shorter ones end with NaN."""
        try:
            arrays = [np.asarray(one, np.float64) for one in examples]
        except (TypeError, ValueError):
            raise InputError(
                "an example holds lists of different lengths or no numbers; expected signals whose "
                "channels end together"
            ) from None
        axis = (layout or self.padded or self.layout).index("L") - 1
        if not arrays or any(one.ndim <= axis for one in arrays):
            raise InputError("an example has too few axes; expected signals")
        longest = max(one.shape[axis] for one in arrays)
        gaps = [
            [(0, longest - one.shape[k] if k == axis else 0) for k in range(one.ndim)]
            for one in arrays
        ]
        pairs = zip(arrays, gaps, strict=True)
        return np.stack([np.pad(one, gap, constant_values=np.nan) for one, gap in pairs])

    def normalise(self, x: Array) -> Tensor:
        """The values that the network reads, (N, channels, ...), of arranged examples."""
        stored = self.preprocess["stored_dtype"]
        with np.errstate(over="ignore"):  # gives infinite values, which are found below
            copy = np.array(x, stored if stored != "uint8" else _dtype_of(self.mean), order="C")
            tensor = torch.from_numpy(copy).to(self.mean.dtype)
        z = ((tensor - self.mean) * self.scale).to(torch.float32)
        return z.flatten().view(z.shape)  # the strides of its shape, also for axes of length one

    @torch.inference_mode()
    def outputs(self, x: Tensor) -> Tensor:
        """The outputs (logits) for one batch of prepared examples."""
        values: dict[int, Tensor] = {}
        for node in self.nodes:
            inputs = [values[source] for source in node["inputs"]] or [x]
            run = KINDS[node["kind"]]
            values[node["id"]] = run(node, self.parameters.get(node["id"], {}), inputs)
        return values[self.nodes[-1]["id"]]

    def probabilities(self, x: Array, layout: str | None = None, batch: int = BATCH) -> Array:
        """Of each class, or of each label where an example may have several: (N, ...) -> (N, K)"""
        if self.targets:
            raise InputError("the network predicts numbers, not classes: use `values`")
        return self.probabilities_of(self._all_outputs(x, layout, batch), "index {}".format)

    def values(self, x: Array, layout: str | None = None, batch: int = BATCH) -> Array:
        """The predicted numbers in the units of the data set: (N, ...) -> (N, targets)"""
        return self.restored(self._all_outputs(x, layout, batch), "index {}".format)

    def predict(self, x: Array, layout: str | None = None) -> list[str] | list[list[str]] | Array:
        """The most probable class of each example, or its labels; of regression the numbers."""
        if self.targets:
            return self.values(x, layout)
        if self.threshold is not None:
            return [self.labels(row) for row in self.probabilities(x, layout)]
        return [self.classes[k] for k in self.probabilities(x, layout).argmax(axis=1)]

    def labels(self, probabilities: Array) -> list[str]:
        """The labels of one example: those with a probability from the threshold on."""
        pairs = zip(self.classes, probabilities, strict=True)
        return [name for name, p in pairs if self.threshold is not None and p >= self.threshold]

    def probabilities_of(self, outputs: Tensor, name: Callable[[int], str]) -> Array:
        """The probabilities that outputs mean; raises InputError if one is undefined."""
        if self.threshold is None:
            return probabilities_of(outputs, name)
        check_outputs(outputs, name)
        found: Array = outputs.sigmoid().numpy()
        return found

    def restored(self, outputs: Tensor, name: Callable[[int], str]) -> Array:
        """Outputs as numbers in the units of the data set; raises InputError for infinite ones."""
        if not self.targets:
            raise InputError("the network predicts classes, not numbers: use `probabilities`")
        check_outputs(outputs, name)
        std, mean = (np.array(self.targets[name]) for name in ("std", "mean"))
        return np.asarray(outputs.numpy().astype(np.float64) * std + mean)

    def _all_outputs(self, x: Array, layout: str | None, batch: int) -> Tensor:
        """The outputs for any number of raw examples."""
        check_values(x, may_end=self.padded is not None)
        x = self.arrange(x, layout)
        starts = range(0, max(len(x), 1), batch)
        return torch.cat([self.outputs(self.normalise(x[k : k + batch])) for k in starts])

    def _by_channel(self, name: str) -> Tensor:
        """Values of preprocess.json in the shape that goes with a batch."""
        values = torch.tensor(self.preprocess[name], dtype=torch.float64)
        return values.view(1, -1, *[1] * (len(self.shape) - 1))


def probabilities_of(outputs: Tensor, name: Callable[[int], str]) -> Array:
    """The probabilities of the classes, (N, classes); raises InputError if one is undefined."""
    check_outputs(outputs, name)
    found: Array = outputs.softmax(dim=1).numpy()
    return found


def check_outputs(outputs: Tensor, name: Callable[[int], str]) -> None:
    """Raise InputError unless all outputs are finite."""
    if not outputs.isfinite().all():
        index = int((~outputs.isfinite()).any(dim=1).nonzero()[0])
        raise InputError(
            f"the network has no finite output for the example at {name(index)}: its values are "
            "far beyond those that the network was trained on"
        )


def _dtype_of(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}; export the network again") from None


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        # Copies start at even addresses, for which libraries add in the order of training.
        return {key: tensor.clone() for key, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}; export the network again") from None


# --- the examples -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Examples that are read one batch after the other."""

    path: Path
    count: int
    read: Callable[[int, int], Array]  # from, to -> (N, channels, ...)
    names: list[str] | None = None  # of pictures: their files
    warnings: tuple[str, ...] = ()  # about cells of a table

    def batches(self) -> Iterator[tuple[int, Array]]:
        """(index of the first example, examples)"""
        for start in range(0, self.count, BATCH):
            yield start, self.read(start, min(start + BATCH, self.count))

    def name(self, index: int) -> str:
        """The name of one example in messages."""
        return self.names[index] if self.names else f"{self.path} at index {index}"


@dataclass(frozen=True)
class Reader:
    """Opens files of examples for a network."""

    model: Model
    layout: str | None = None
    key: str | None = None  # of an array in a .npz file
    resize: bool = False  # pictures of another size

    def source(self, path: Path) -> Source:
        """The examples in a file or folder, or on the standard input, which "-" stands for."""
        if path == DASH:
            return self._source(STANDARD_INPUT, _unpacked(STANDARD_INPUT, _piped()))
        if not path.exists():
            raise InputError(f"there is no file or folder {path}")
        if self.model.text is not None and (path.is_dir() or path.suffix.lower() == ".txt"):
            return self._text_files(path)
        if path.is_dir():
            return self._pictures(_pictures_in(path))
        return self._source(path, _opened(path))

    def _source(self, path: Path, opened: Path | io.BytesIO) -> Source:
        """The examples in a file; the path names them in messages."""
        if self.model.text is not None:
            return self._texts(path, opened, self.model.text)
        start = _start(opened)
        if self.model.table is not None:
            return self.table_source(path, _cells(path, opened, start, self.model.table))
        if start.startswith(b"\x93NUMPY"):
            return self.array_source(path, _mapped(path, opened), self.layout)
        if start.startswith(b"PK\x03\x04"):
            return self.array_source(path, *self._of_archive(path, opened))
        if start.startswith(b"PAR1") or JSON_LINE.match(start):
            return self.array_source(path, self._of_lists(path, opened, start), self.layout)
        if path == STANDARD_INPUT:
            raise InputError(
                "the standard input holds no .npy, .npz, .jsonl or .parquet file; expected one: "
                "give pictures as files or folders"
            )
        return self._pictures([path])

    def array_source(self, path: Path, x: Array, layout: str | None) -> Source:
        """The examples in an array; the path names them in messages."""
        try:
            check_values(x, may_end=self.model.padded is not None)
            arranged = self.model.arrange(x, layout)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return Source(path, len(arranged), lambda start, end: arranged[start:end])

    def table_source(self, path: Path, cells: "Cells") -> Source:
        """The rows of a table; the path names them in messages."""
        assert self.model.table is not None
        try:
            x, warnings = self.model.table.encode(cells)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return Source(path, len(x), lambda start, end: x[start:end], warnings=warnings)

    def text_source(self, path: Path, texts: Sequence[str], names: list[str] | None) -> Source:
        """Texts; the path, or their names, name them in messages."""
        assert self.model.text is not None
        x, warnings = self.model.text.encode(texts)
        return Source(path, len(x), lambda start, end: x[start:end], names, warnings)

    def _text_files(self, path: Path) -> Source:
        """The texts in a text file, or in a folder of text files."""
        if not path.is_dir():
            opened = _opened(path)
            data = opened.getvalue() if isinstance(opened, io.BytesIO) else opened.read_bytes()
            return self.text_source(path, [_decoded(data)], [str(path)])
        files = _visible_files(path, (".txt",))
        if not files:
            raise InputError(f"there are no .txt files in {path}")
        texts = [_decoded(one.read_bytes()) for one in files]
        return self.text_source(path, texts, [str(one) for one in files])

    def _texts(self, path: Path, opened: Path | io.BytesIO, text: "Text") -> Source:
        """The texts in a table."""
        cells = _cells(path, opened, _start(opened), text)
        if text.column not in cells.columns:
            raise InputError(
                f"{path} has no column {text.column!r}; expected one with texts, a .txt file, or a "
                f"folder of .txt files; found {_quoted(list(cells.columns))}"
            )
        return self.text_source(path, cells.columns[text.column], None)

    def _of_archive(self, path: Path, opened: Path | io.BytesIO) -> tuple[Array, str | None]:
        """The examples in a .npz file, and its `layout` where it has one."""
        with opened.open("rb") if isinstance(opened, Path) else opened as file:
            try:
                archive = np.load(file, allow_pickle=False)
                key = self.key or _images_key(path, archive.files)
                if key not in archive.files:
                    raise InputError(
                        f"{path} has no array {key!r}; it has {_listed(archive.files)}"
                    )
                layout = archive["layout"].ravel().tolist() if "layout" in archive.files else []
                return archive[key], self.layout or "".join(map(str, layout)) or None
            except UNREADABLE as error:
                raise _unreadable(path, error) from None

    def _of_lists(self, path: Path, opened: Path | io.BytesIO, start: bytes) -> Array:
        """The examples in a column of lists of a Parquet or JSON Lines file."""
        try:
            columns = _list_columns(opened, start)
            found = _quoted([*columns]) or "none"
            if self.key is None and len(columns) != 1:
                raise InputError(
                    f"expected one column of lists; found {found}: give the examples alone, or "
                    f"{CHOOSE}"
                )
            key = self.key or next(iter(columns))
            if key not in columns:
                raise InputError(f"there is no column of lists {key!r}; found {found}")
            if absent := [k for k, one in enumerate(columns[key]) if not one]:
                raise InputError(f"the list at index {absent[0]} is missing or empty")
            if self.model.padded:
                return self.model.together(columns[key], self.layout)
            return np.array(columns[key])
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except UNREADABLE as error:
            raise _unreadable(path, error) from None

    def _pictures(self, paths: list[Path]) -> Source:
        can_read = self._trained_mode() or self.model.shape[0] in PICTURE_MODES
        if len(self.model.shape) != 3 or not can_read:
            raise InputError(
                f"{paths[0]} is no .npy or .npz file, and the network does not read pictures: "
                f"one example has shape {self.model.shape}"
            )

        def read(start: int, end: int) -> Array:
            return np.stack([self._picture(path) for path in paths[start:end]])

        return Source(paths[0], len(paths), read, [str(path) for path in paths])

    def _picture(self, path: Path) -> Array:
        """One picture, (channels, height, width)."""
        if Image is None:
            raise InputError(f"{path}: pictures need Pillow: pip install pillow")
        channels, height, width = self.model.shape
        mode = self._trained_mode()
        try:
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened)
                if mode:
                    return _as_trained(picture, mode, (width, height))
                is_deep = picture.mode[0] in "IF"  # more than 8 bits
                picture = picture if is_deep else picture.convert(PICTURE_MODES[channels])
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{path} is no readable .npy, .npz or picture: {error}") from None
        if picture.size != (width, height):
            if not self.resize:
                found = f"{picture.width} × {picture.height}"
                raise InputError(
                    f"{path} is {found} pixels; expected {width} × {height}; predict.py resizes "
                    "pictures with --resize"
                )
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        x = np.asarray(picture)
        x = np.repeat(x[..., None], channels, axis=2) if x.ndim == 2 else x
        return x.transpose(2, 0, 1)

    def _trained_mode(self) -> str | None:
        """The mode of the pictures that the network was trained on, if it was."""
        mode: str | None = self.model.preprocess.get("image_mode")
        return mode


# --- tables -----------------------------------------------------------------------------------


Column = dict[str, Any]  # its name, its kind, and what was learned from the training rows


@dataclass(frozen=True)
class Cells:
    """The cells of a table as texts, by column; an empty text is a missing value."""

    columns: dict[str, Sequence[str]]
    decimal_comma: bool = False  # whether "1,5" is a number

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


class Table:
    """The columns of the table that the network was trained on, and the features they become."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.columns: list[Column] = description["columns"]
        self.target: str = description["target"]
        self.names = [column["name"] for column in self.columns]
        #: The column of each feature.
        self.features = [name for one in self.columns for name in [one["name"]] * _width(one)]
        #: Whether each feature is a number of the table, and not 1 in some rows and else 0.
        self.measured = [
            one["kind"] != "category" and k == 0 for one in self.columns for k in range(_width(one))
        ]

    def encode(self, cells: Cells) -> tuple[Array, tuple[str, ...]]:
        """(features of the rows (N, features), warnings about cells)"""
        if absent := [name for name in self.names if name not in cells.columns]:
            raise InputError(
                f"the table has no column {_quoted(absent)}; expected columns "
                f"{_quoted(self.names)}, in any order; found {_quoted(list(cells.columns))}"
            )
        blocks, warnings = [], []
        for column in self.columns:
            block, warning = _encoded(column, cells)
            blocks.append(block)
            warnings += [f"column {column['name']!r}: {warning}"] if warning else []
        return np.concatenate(blocks, axis=1), tuple(warnings)

    def encode_arrow(self, table: Any) -> Array:
        """The features of the rows of an Arrow table, (N, features)."""
        return self.encode(_of_arrow(table, self))[0]


class Text:
    """The pieces of words that the network knows, and texts as their numbers.

    A text becomes lower-case words and single symbols; each word is cut into the longest pieces,
    from its start on. 0 fills the rest of a short text; 1 is a character that begins no piece.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.column: str = description["column"] or "text"
        self.names = [self.column]
        self.columns: list[Column] = [{"name": self.column, "kind": "text"}]
        self.length: int = description["length"]
        self._numbers = {piece: k for k, piece in enumerate(description["pieces"], FIRST_PIECE)}
        self._longest = max(map(len, self._numbers))
        self._pieces = lru_cache(maxsize=100_000)(self._cut)

    def encode(self, texts: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
        """(token numbers of texts (N, 1, length), warnings about texts)"""
        x = np.zeros((len(texts), 1, self.length), np.int32)
        cut = empty = unknown = 0
        for row, text in zip(x, texts, strict=True):
            tokens = self._tokens(text)
            row[0, : len(tokens[: self.length])] = tokens[: self.length]
            cut += len(tokens) > self.length
            empty += not tokens
            unknown += 2 * tokens.count(UNKNOWN) > len(tokens)
        warnings = {
            f"texts of more than {self.length} tokens, of which only the start is read": cut,
            "texts without any word": empty,
            "texts of mostly unknown characters": unknown,
        }
        return x, tuple(f"{what}: {count}" for what, count in warnings.items() if count)

    def _tokens(self, text: str) -> list[int]:
        """The numbers of the first pieces of a text, at least one more than are read."""
        found: list[int] = []
        text = unicodedata.normalize("NFC", text[:LONGEST_TEXT].lower())
        for word in WORD.findall(text):
            found += self._pieces("▁" + word[:LONGEST_WORD])
            if len(found) > self.length:
                break
        return found

    def _cut(self, word: str) -> list[int]:
        """The longest pieces from the start of a word on."""
        found, start = [], 0
        while start < len(word):
            ends = range(min(start + self._longest, len(word)), start, -1)
            end = next((end for end in ends if word[start:end] in self._numbers), 0)
            found.append(self._numbers[word[start:end]] if end else UNKNOWN)
            start = end or start + (2 if start == 0 else 1)  # the mark belongs to the first letter
        return found


def _width(column: Column) -> int:
    """How many features a column becomes."""
    values = len(column["categories"]) + column["other"] if column["kind"] == "category" else 1
    return int(values + column["missing"])


def _encoded(column: Column, cells: Cells) -> tuple[Array, str]:
    """(features of one column, (N, features), a warning about its cells)"""
    texts = [text.strip(BLANKS) for text in cells.columns[column["name"]]]
    is_missing = np.array([text in MISSING for text in texts], bool)
    x = np.zeros((len(texts), _width(column)))
    if column["kind"] == "category":
        index = {category: k for k, category in enumerate(column["categories"])}
        rest = len(index) if column["other"] else -1
        found = np.array([index.get(category_of(text), rest) for text in texts], int)
        unknown = (found < 0) & ~is_missing
        rows = np.flatnonzero((found >= 0) & ~is_missing)
        x[rows, found[rows]] = 1
        warning = _about(unknown, texts, "categories that training did not have")
    else:
        read = _days if column["kind"] == "date" else partial(_number, comma=cells.decimal_comma)
        values = np.array([read(text) for text in texts], float)
        is_wrong = np.isnan(values) & ~is_missing
        is_missing = np.isnan(values)
        x[:, 0] = np.where(is_missing, column["fill"], values)
        warning = _about(is_wrong, texts, f"cells that are no {column['kind']} count as missing")
    if column["missing"]:
        x[:, -1] = is_missing
    elif is_missing.any() and not warning:
        warning = f"cells without a value, of which training had few or none: {is_missing.sum()}"
    return x, warning


def category_of(text: str) -> str:
    """The category that a text means: truth values and whole numbers are written in two ways."""
    if (lowered := text.lower()) in ("true", "false"):
        return lowered
    return text.removesuffix(".0") if re.fullmatch(r"-?[0-9]+\.0", text) else text


def _number(text: str, comma: bool) -> float:
    """The number that a text is, NaN where it is none."""
    if comma and (found := DECIMAL_COMMA.fullmatch(text)):
        text = f"{found[1]}.{found[2]}"
    value = float(text) if NUMBER.fullmatch(text) else np.nan
    return value if np.isfinite(value) else np.nan


def _days(text: str) -> float:
    """The days since 1970 of a date, NaN where the text is none."""
    try:
        time = datetime.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        return np.nan
    if time is not None and time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return np.nan if time is None else time.timestamp() / 86_400


def _about(flags: Array, texts: list[str], what: str) -> str:
    """A warning about the flagged cells; empty where there are none."""
    if not flags.any():
        return ""
    first = int(flags.argmax())
    return f"{what}: {int(flags.sum())}, the first {texts[first][:40]!r} at index {first}"


def _quoted(names: list[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(repr(name) for name in names[:20]) + more


def _cells(path: Path, opened: Path | io.BytesIO, start: bytes, table: Table | Text) -> Cells:
    """The cells of a CSV, JSON Lines or Parquet file."""
    if start.startswith(b"PAR1"):
        return _of_parquet(path, opened, table)
    if start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"\x89PNG")):
        raise InputError(
            f"{path} is no table: expected a CSV, TSV, JSONL or Parquet "
            f"file with columns {_quoted(table.names)}"
        )
    data = opened.getvalue() if isinstance(opened, io.BytesIO) else opened.read_bytes()
    try:
        text = _decoded(data)
        return (_of_json if re.match(r"\s*\{\s*[\"}]", text) else _of_text)(text, table)
    except (InputError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from None


def _decoded(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or Windows-1252."""
    is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    raise InputError("the file is neither UTF-8 nor Windows-1252 text")


def _of_json(text: str, table: Table | Text) -> Cells:
    """The cells of lines with an object each; a name that an object does not have is missing."""
    rows = _objects(text)
    if absent := [name for name in table.names if not any(name in row for row in rows)]:
        raise InputError(f"no line has {_quoted(absent)}; expected columns {_quoted(table.names)}")
    return Cells({name: [_as_text(row.get(name)) for row in rows] for name in table.names})


def _list_columns(opened: Path | io.BytesIO, start: bytes) -> dict[str, list[Any]]:
    """The columns of a Parquet or JSON Lines file whose cells are lists."""
    if start.startswith(b"PAR1"):
        if parquet is None:
            raise InputError("Parquet files need pyarrow: pip install pyarrow")
        table = parquet.read_table(opened)
        names = [
            field.name for field in table.schema if "list" in str(field.type).partition("<")[0]
        ]
        return {name: table.column(name).to_pylist() for name in names}
    data = opened.getvalue() if isinstance(opened, io.BytesIO) else opened.read_bytes()
    rows = _objects(_decoded(data))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: cells
        for name, cells in columns.items()
        if any(isinstance(one, list) for one in cells)
    }


def _objects(text: str) -> list[dict[str, Any]]:
    """The objects in lines of JSON."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"line {number} is no object {{column: value}}")
        rows.append(row)
    return rows


def _of_text(text: str, table: Table | Text) -> Cells:
    """The cells of a text; the separator is the one that gives the columns of the table."""
    csv.field_size_limit(LONGEST_CELL)
    text = re.sub(r'\A"?sep=[,;\t|]"?[ \t]*\r?\n', "", text, flags=re.IGNORECASE)  # for Excel
    headers = {separator: _header(text, separator) for separator in SEPARATORS}
    best = max(headers, key=lambda one: len(set(table.names) & set(headers[one])))
    header = headers[best]
    if repeated := [name for name in table.names if header.count(name) > 1]:
        raise InputError(f"there are several columns {_quoted(repeated)}; expected one of each")
    rows = [row for row in _rows(text, best) if row][1:]
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(
                f"row {number} has {len(row)} cells; expected {len(header)}, as in the row of names"
            )
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return Cells(dict(zip(header, columns, strict=True)), best != ",")


def _header(text: str, separator: str) -> list[str]:
    """The names in the first row; a column without a name is named by its position."""
    try:
        row: list[str] = next((row for row in _rows(text, separator) if row), [])
    except csv.Error:  # of another separator
        return []
    return [name.strip(BLANKS) or f"column {k}" for k, name in enumerate(row, 1)]


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _of_parquet(path: Path, opened: Path | io.BytesIO, table: Table | Text) -> Cells:
    if parquet is None:
        raise InputError(f"{path}: Parquet needs pyarrow: pip install pyarrow")
    try:
        return _of_arrow(parquet.read_table(opened), table)
    except (arrow.ArrowException, *UNREADABLE) as error:
        raise _unreadable(path, error) from None


def _of_arrow(table: Any, trained: Table | Text) -> Cells:
    """The cells of an Arrow table, as a text file would have them, in the columns of training."""
    kinds = {column["name"]: column["kind"] for column in trained.columns}
    columns: dict[str, Sequence[str]] = {}
    for position, (given, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        name = given.strip(BLANKS) or f"column {position + 1}"
        if name in kinds:
            cells = _plain(column, kinds[name])
            columns[name] = [_as_text(value) for value in cells.to_pylist()]
        else:
            columns[name] = [""] * len(column)
    return Cells(columns)


def _plain(column: Any, kind: str) -> Any:
    """A column of Arrow whose values have the texts of training."""
    if "binary" in str(column.type):  # bytes in UTF-8, also of a dictionary
        return column.cast(arrow.string())
    if arrow.types.is_float32(column.type) and kind == "category":
        return column.cast(arrow.string())  # with the digits of single precision
    if arrow.types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("us"), safe=False)
    elif not arrow.types.is_date(column.type):
        return column
    since = column.cast(arrow.timestamp("us"), safe=False).cast(arrow.int64())
    first, last = (day * 86_400 * 10**6 for day in (FIRST_DAY, LAST_DAY + 1))
    is_known = compute.and_(compute.greater_equal(since, first), compute.less(since, last))
    return compute.if_else(is_known, column, None)  # no calendar has the others


def cells_of(rows: list[Any], names: list[str]) -> Cells:
    """The cells of rows that are objects, each with the columns of these names."""
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"the example at index {index} is no object {{column: value}}")
        if absent := [name for name in names if name not in row]:
            raise InputError(
                f"the example at index {index} has no {_quoted(absent)}; expected a value, or null "
                "where it is missing"
            )
    return Cells({name: [_as_text(row[name]) for row in rows] for name in names})


def _as_text(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return "" if value is None else str(value)


# --- pictures and arrays ----------------------------------------------------------------------


def _as_trained(picture: Any, mode: str, size: tuple[int, int]) -> Array:
    """A picture prepared as those for training: its mode, and its size with proportions kept."""
    is_grey = picture.mode in ("1", "L")
    if mode == "I;16" or picture.mode[0] == "I":
        values = np.asarray(picture.convert("L") if is_grey else picture, np.float32)
        values = values * 257 if is_grey else values
        picture = Image.fromarray(values if mode == "I;16" else np.asarray(values / 257, np.uint8))
    elif picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    picture = picture if mode == "I;16" else picture.convert(mode)
    if picture.size != size:
        picture = ImageOps.pad(picture, size, Image.Resampling.BILINEAR)
    x = np.asarray(picture)
    x = np.rint(x) if mode == "I;16" else x
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)


def check_values(x: Array, *, may_end: bool = False) -> None:
    """Raise InputError unless all values are finite real numbers.

    NaN is allowed where signals may end before the array does.
    """
    if x.dtype.kind == "c":
        raise InputError(
            f"examples are complex numbers ({x.dtype}); expected real ones: pass the real part, or "
            "whatever the network was trained on"
        )
    if x.dtype.kind not in "biuf":
        raise InputError(f"examples are of type {x.dtype}; expected numbers")
    count, first = 0, ""
    is_checked = x.ndim and x.dtype.kind == "f" and not may_end
    for start in range(0, len(x) if is_checked else 0, BATCH):
        bad = np.argwhere(~np.isfinite(x[start : start + BATCH]))
        if len(bad) and not count:
            first = str((start + int(bad[0][0]), *map(int, bad[0][1:])))
        count += len(bad)
    if count:
        raise InputError(
            f"examples hold {count} value{'s' * (count > 1)} that are NaN or infinite, the first "
            f"at index {first}; expected finite numbers"
        )


def _pictures_in(folder: Path) -> list[Path]:
    found = _visible_files(folder, PICTURES)
    if not found:
        raise InputError(f"there are no pictures in {folder}; expected {_listed(PICTURES)}")
    return found


def _visible_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files with such suffixes in a folder and below, in order; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _piped() -> io.BytesIO:
    """All bytes of the standard input."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            "the standard input is no file; expected one for -: predict.py - < FILE, or another "
            "program before it, as in: cat FILE | python predict.py -"
        )
    data = sys.stdin.buffer.read()
    if not data.strip():
        raise InputError("the standard input is empty; expected a table or array for -, once")
    return io.BytesIO(data)


def _opened(path: Path) -> Path | io.BytesIO:
    """A file, or the bytes of a pipe or of a packed file as they were before it was packed."""
    return _unpacked(path, path if path.is_file() else io.BytesIO(path.read_bytes()))


def _unpacked(path: Path, opened: Path | io.BytesIO) -> Path | io.BytesIO:
    """A file, or the bytes of a packed one; the path names it in messages."""
    start = _start(opened)
    unpack = next((one for magic, one in PACKED.items() if start.startswith(magic)), None)
    if unpack is None:
        return opened
    try:
        with unpack(opened) as file:
            data = file.read(LARGEST_UNPACKED + 1)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be unpacked: {error}") from None
    if len(data) > LARGEST_UNPACKED:
        raise InputError(
            f"{path} unpacks to more than {LARGEST_UNPACKED:,} bytes; unpack it yourself"
        )
    return io.BytesIO(data)


def _zstd(opened: Path | io.BytesIO) -> Any:
    if arrow is None:
        raise InputError("files packed by zstd need pyarrow: pip install pyarrow")
    return arrow.CompressedInputStream(str(opened) if isinstance(opened, Path) else opened, "zstd")


#: By the first bytes of a packed file, what opens it.
PACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstd,
}


def _start(opened: Path | io.BytesIO) -> bytes:
    """The first bytes, by which formats are recognised."""
    if isinstance(opened, io.BytesIO):
        return opened.getvalue()[:8]
    with opened.open("rb") as file:
        return file.read(8)


def _mapped(path: Path, opened: Path | io.BytesIO) -> Array:
    """The array of a .npy file; one on a disk is read when it is used."""
    mode: Literal["r"] | None = "r" if isinstance(opened, Path) else None
    try:
        found: Array = np.load(opened, mmap_mode=mode, allow_pickle=False)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None
    return found


def _unreadable(path: Path, error: Exception) -> InputError:
    what = str(error) or type(error).__name__
    if "Python objects" in what or "Object arrays" in what:
        what = "it holds Python objects, which could run a program; expected an array of numbers"
    return InputError(f"{path} cannot be read: {what}")


def _images_key(path: Path, keys: list[str]) -> str:
    """The name of the array in a .npz file that holds the examples."""
    if len(keys) == 1:
        return keys[0]
    parts = {key: set(key.lower().replace("-", "_").split("_")) | {key.lower()} for key in keys}
    found = [key for key in keys if parts[key] & IMAGE_KEYS and "labels" not in parts[key]]
    if len(found) != 1:
        raise InputError(f"{path} has {_listed(keys)}; give the examples alone, or {CHOOSE}")
    return found[0]


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


# --- what is unlike the training data ---------------------------------------------------------


Found = tuple[Array, Callable[[int], str]]  # flags of examples, and why one of them is flagged


@dataclass
class _Unlike:
    """Counts the examples that differ in one way from the training examples."""

    text: str
    advice: str  # unless they are pictures
    count: int = 0
    first: int = -1
    detail: str = ""

    def add(self, start: int, flags: Array, detail: Callable[[int], str]) -> None:
        """Count the flagged examples of a batch that begins at an index."""
        if self.first < 0 and flags.any():
            index = int(flags.argmax())
            self.first, self.detail = start + index, detail(index)
        self.count += int(flags.sum())


SCALE = "pass values on the scale of the training data"
NO_SUCH = "training had no such pictures"  # a picture's file is never on another scale


class RangeWatch:
    """Compares the values of examples with those of the training data.

    An example counts once: for values out of range, for fractions, for being of one colour, or for
    its contrast. Where no example does, all of an array may still lie between -1 and 1, as programs
    often scale images.
    """

    def __init__(self, preprocess: dict[str, Any]) -> None:
        self._preprocess = preprocess
        self._is_text = bool(preprocess.get("text"))  # whose numbers have no size
        self._low, self._high = (np.array(preprocess[name])[:, None] for name in ("low", "high"))
        size = np.maximum(np.abs(self._low), np.abs(self._high))
        self._margin = np.maximum(self._high - self._low, 1e-6 * size)  # on either side
        table = Table(preprocess["table"]) if preprocess.get("table") else None
        self._features = table and table.features
        if table:
            self._margin[~np.array(table.measured)] = np.inf
        self._least = self._low - self._margin
        if preprocess["stored_dtype"] == "uint8":  # bytes are never below zero
            self._least = np.maximum(self._least, 0.0)
        self._found = (
            _Unlike("hold values beyond those of the training data: {}", SCALE),
            _Unlike("hold fractions, such as {}; the training data has whole numbers", SCALE),
            _Unlike("have the same value at all positions: {}", "training had no such examples"),
            _Unlike("vary by {}", f"if they are scaled in another way, {SCALE}"),
        )
        # Of a vector one value a feature may well be small, such as the counts of a rare event.
        has_positions = len(preprocess["input_shape"]) > 1
        self._wide = (self._high - self._low)[:, 0] >= WIDE if has_positions else np.array([False])
        self._has_positions = has_positions
        # Of all examples so far: whether all values are small, whether some that vary are no
        # integers, as those of dark pictures are, and how many vary.
        self._is_small, self._is_scaled, self._varying = bool(self._wide.any()), False, 0

    def add(self, start: int, x: Array, z: Tensor) -> None:
        """Look at a batch that begins at an index: arranged examples, raw and normalised."""
        if self._is_text:
            return
        step = max(1, WATCHED_VALUES // max(1, x[:1].size))
        for part in range(0, len(x), step):
            self._add(start + part, x[part : part + step], z[part : part + step])

    def warnings(self, source: Source) -> Iterator[str]:
        """How examples of a source differ from the training examples, in sentences."""
        for unlike in self._found:
            if unlike.count:
                advice = unlike.advice if source.names is None else NO_SUCH
                yield (
                    f"{unlike.count} of {source.count} examples (first: "
                    f"{source.name(unlike.first)}) {unlike.text.format(unlike.detail)}. Their "
                    f"predictions may be wrong: {advice}"
                )
        if self._is_on_small_scale(source):
            low, high = self._low[self._wide].min(), self._high[self._wide].max()
            yield (
                f"{source.count} of {source.count} examples (first: {source.name(0)}) hold values "
                f"between -1 and 1 only; the training data has {low:g} to {high:g}. Their "
                f"predictions may be wrong: {SCALE}"
            )

    def _is_on_small_scale(self, source: Source) -> bool:
        """Whether an array seems to be divided by its largest value, or to hold zeros and ones.

        One that is constant may be black, and a single one of integers nearly black; of several
        that is hardly so. A picture's file is never scaled, so a dark one is dark.
        """
        is_named = any(unlike.count for unlike in self._found)
        is_scaled = self._is_scaled or self._varying > 1
        return self._is_small and is_scaled and source.names is None and not is_named

    def _add(self, start: int, x: Array, z: Tensor) -> None:
        values = np.asarray(x, np.float64).reshape(*x.shape[:2], -1)  # (N, channels, positions)
        rest = np.ones(len(x), bool)
        if self._is_small:
            wide = values[:, self._wide]
            self._is_small = bool((np.abs(wide) <= 1).all())
            varying = int((wide != wide[:, :, :1]).any(axis=(1, 2)).sum())
            self._varying += varying
            self._is_scaled |= bool(varying) and x.dtype.kind not in "iu"
        checks = (
            self._outside(values), self._fractions(x.dtype, values), *self._contrast(values, z),
        )  # fmt: skip
        for unlike, (flags, detail) in zip(self._found, checks, strict=True):
            unlike.add(start, flags & rest, detail)
            rest &= ~flags

    def _outside(self, values: Array) -> Found:
        low, high, margin = self._low, self._high, self._margin
        beyond = np.maximum(self._least - values, values - high - margin)

        def farthest(index: int) -> str:
            channel, position = np.unravel_index(beyond[index].argmax(), beyond[index].shape)
            return (
                f"{values[index, channel, position]:g} in {self._named(channel)}, where the "
                f"training data has {low[channel, 0]:g} to {high[channel, 0]:g}"
            )

        return (beyond > 0).any(axis=(1, 2)), farthest

    def _named(self, channel: Any) -> str:
        return f"column {self._features[channel]!r}" if self._features else f"channel {channel}"

    def _fractions(self, dtype: np.dtype[Any], values: Array) -> Found:
        if self._preprocess["stored_dtype"] != "uint8" or dtype.kind != "f":
            return np.zeros(len(values), bool), str
        is_fraction = values != np.round(values)
        flags = is_fraction.any(axis=(1, 2))
        return flags, lambda index: f"{values[index][is_fraction[index]][0]:g}"

    def _contrast(self, values: Array, z: Tensor) -> tuple[Found, Found]:
        """The examples that vary too little or too much: those of one colour, and the others."""
        least, most = self._preprocess["contrast"]
        found = z.flatten(1).std(dim=1, correction=0).numpy()
        is_unlike = (found * UNLIKE < least) | (found > UNLIKE * most)
        usual = f"standard deviations; training examples vary by {least:.3g} to {most:.3g}"
        is_meaningful = z[:1].numel() >= FEW_VALUES and most > LEAST_CONTRAST
        flags = is_unlike & is_meaningful
        is_even = (values == values[:, :, :1]).all(axis=(1, 2)) & self._has_positions
        return (
            (flags & is_even, lambda index: f"{values[index, 0, 0]:g} in channel 0"),
            (flags & ~is_even, lambda index: f"{found[index]:.3g} {usual}"),
        )


# --- the program ------------------------------------------------------------------------------


def predictions(model: Model, source: Source, watch: RangeWatch) -> Iterator[tuple[int, Array]]:
    """(index, probabilities of the classes, or numbers) of one example after the other."""
    found_in = model.restored if model.targets else model.probabilities_of
    for start, x in source.batches():
        z = model.normalise(x)
        watch.add(start, x, z)
        name = partial(_name_after, source, start)
        yield from enumerate(found_in(model.outputs(z), name), start)


def _name_after(source: Source, start: int, index: int) -> str:
    return source.name(start + index)


def as_json(model: Model, row: Array, name: str | None) -> dict[str, Any]:
    """One prediction as an object: class and probabilities, or numbers; the file of a picture."""
    if model.targets:
        numbers = zip(model.targets["names"], map(float, row), strict=True)
        found: dict[str, Any] = {"values": dict(numbers)}
    else:
        by_class = zip(model.classes, (round(float(p), 6) for p in row), strict=True)
        one = {"class": model.classes[int(row.argmax())]}
        predicted = one if model.threshold is None else {"labels": model.labels(row)}
        found = {**predicted, "probabilities": dict(by_class)}
    return found if name is None else {"file": name, **found}


def _printable(text: str) -> str:
    """A text on one line: unprintable characters are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _as_line(model: Model, row: Array, name: str | None) -> str:
    """The class, the labels or the numbers on one line, after the file of a picture."""
    found = _words(model, row)
    words = found if name is None else [name, *found]
    return "\t".join(_printable(word) for word in words)


def _words(model: Model, row: Array) -> list[str]:
    """The class, the labels or the numbers of one example."""
    if model.targets:
        return [*_numbers(model.targets, row)]
    if model.threshold is not None:
        return model.labels(row)
    return [model.classes[int(row.argmax())]]


def _numbers(targets: dict[str, Any], row: Array) -> Iterator[str]:
    """Numbers with the digits that mean something: seven of the target's standard deviation."""
    for value, mean, std in zip(row, targets["mean"], targets["std"], strict=True):
        size = max(abs(float(value)), abs(mean), std)
        yield f"{value:.{min(17, 7 + max(0, int(np.log10(size / std))))}g}"


def _print_all(model: Model, source: Source, *, json_lines: bool) -> None:
    """Print one line for each example, and then warnings about unusual values to stderr."""
    watch = RangeWatch(model.preprocess)
    is_ascii = not sys.stdout.encoding.lower().startswith("utf")
    for index, row in predictions(model, source, watch):
        name = source.names[index] if source.names else None
        if json_lines:
            found = as_json(model, row, name)
            print(json.dumps(found, ensure_ascii=is_ascii, allow_nan=False))
        else:
            print(_as_line(model, row, name))
    sys.stdout.flush()
    for warning in (*source.warnings, *watch.warnings(source)):
        print(f"warning: {warning}", file=sys.stderr)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Predict with an exported network.")
    parser.add_argument(
        "examples",
        type=Path,
        nargs="+",
        help="arrays, pictures, folders, tables or texts; - is a table or array on standard input",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("--key", help="the name of the examples in a file of several")
    parser.add_argument("--layout", help="the order of the axes, such as NHWC")
    parser.add_argument("--resize", action="store_true", help="resize pictures of another size")
    return parser.parse_args(arguments)


def main(folder: Path = Path(__file__).parent, arguments: list[str] | None = None) -> None:
    """Print the class, or the predicted numbers, of each example.

    The arguments are those of the command line, if None.
    """
    options = _options(arguments)
    if sys.stdout is None:
        sys.exit("error: the standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        model = Model(folder)
        reader = Reader(model, options.layout, options.key, options.resize)
        for source in [reader.source(path) for path in options.examples]:
            _print_all(model, source, json_lines=options.json)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # a closed pipe, a full disk, a file that may not be read
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that nothing more is written at the end
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"error: {error}")


if __name__ == "__main__":
    main()
