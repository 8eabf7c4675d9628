"""The section of the model card about the ONNX file."""

from collections.abc import Iterator

from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.export.onnx_model import input_axes, layout_of

_INTRODUCTION = (
    "`model.onnx` is the network for other runtimes and languages. It normalises the examples "
    "itself; {results} Its results for training examples were compared with those of the network."
)
_RESULTS = {  # by whether classes are predicted
    True: "its metadata has the names of the classes.",
    False: "its results are numbers in the units of the data set (float64), and its metadata has "
    "their names.",
}
_TABLE = (
    "Its input is not the rows of a table but the features of each row, {features} numbers that "
    "`predict.py` computes. `table` of `preprocess.json` has their order: the `columns`, one after "
    "the other.",
    "",
    "- A number is one feature, and so is a date, as the days since 1970. A missing one counts as "
    "`fill`.",
    "- A category is several features, one for each of `categories` and, where `other` is true, "
    "one for all other categories: 1 for the category of the row, else 0. All are 0 where it is "
    "missing.",
    "- Where `missing` is true, the column ends with a feature that is 1 in rows without a value, "
    "else 0.",
    "",
)
_TEXT = (
    "Its input is not texts but the numbers of their tokens, int32 (N, {length}), that "
    "`predict.py` computes. Other programs follow these rules, with `text` of `preprocess.json`:",
    "",
    "- A text is put in lower case and in Unicode's form NFC, and cut into words (letters, digits, "
    "underscores and the marks on letters) and single other characters; white space is left out.",
    "- Each word, with “▁” before it, is cut from its start into the longest of the `pieces`. The "
    "number of a piece is its position in the list plus 2; a character that begins no piece is 1.",
    "- The first {length} numbers are the example; 0 fills the rest of a shorter text.",
    "",
)
_ARRAY = ('examples = numpy.load("examples.npy")  # {axes}',)
_ROWS = (
    'model = predict.Model(pathlib.Path("."))',
    'rows = predict.Reader(model).source(pathlib.Path("new.csv"))',
    'examples = rows.read(0, rows.count).astype("{dtype}")  # {axes}',
)
_TEXTS = (
    'model = predict.Model(pathlib.Path("."))',
    'texts = predict.Reader(model).source(pathlib.Path("new.csv"))',
    'examples = texts.read(0, texts.count)[:, 0].astype("{dtype}")  # {axes}',
)
_SHOWN = {  # by whether classes are predicted
    True: (
        'classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
        '(probabilities,) = session.run(None, {"examples": examples})',
        "print([classes[k] for k in probabilities.argmax(axis=1)])",
    ),
    False: (
        'targets = json.loads(session.get_modelmeta().custom_metadata_map["targets"])',
        '(values,) = session.run(None, {"examples": examples})',
        "print(targets, values.tolist())",
    ),
}

_LABELS_SHOWN = (
    *_SHOWN[True][:-1],
    "print([[classes[k] for k in (row >= 0.5).nonzero()[0]] for row in probabilities])",
)


def onnx_section(spec: DatasetSpec, missing: str) -> list[str]:
    """The lines of Markdown: how to use the ONNX file, or why it is missing."""
    if missing:
        return ["## ONNX", "", f"There is no `model.onnx`: {missing}.", ""]
    return ["## ONNX", "", *_description(spec), "```python", *_program(spec), "```", ""]


def _description(spec: DatasetSpec) -> Iterator[str]:
    """What the file reads and gives."""
    yield _INTRODUCTION.format(results=_RESULTS[spec.classes > 0])
    yield ""
    if spec.table is not None:
        yield from (line.format(features=spec.input_shape[0]) for line in _TABLE)
    if spec.text is not None:
        yield from (line.format(length=spec.text.length) for line in _TEXT)


def _program(spec: DatasetSpec) -> Iterator[str]:
    """A complete program that prints predictions."""
    axes = f"{spec.dtype} {tuple(input_axes(spec))}, axes {layout_of(spec)}".replace("'", "")
    is_table = spec.table is not None or spec.text is not None
    yield "# pip install onnxruntime"
    yield f"import json, {'pathlib' if is_table else 'numpy'}, onnxruntime"
    yield from ["import predict  # of this folder; it computes what the file reads"] * is_table
    yield from ("", 'session = onnxruntime.InferenceSession("model.onnx")')
    lines = _TEXTS if spec.text is not None else (_ARRAY, _ROWS)[is_table]
    yield from (line.format(axes=axes, dtype=spec.dtype) for line in lines)
    yield from _LABELS_SHOWN if spec.multi_label else _SHOWN[spec.classes > 0]
