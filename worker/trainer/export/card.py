"""The model card: the network, its data, its test metric, and how the search found it.

After Mitchell et al. 2019, arXiv:1810.03993.
"""

from collections.abc import Mapping

from core.data.split_words import test_split_in_words, validation_split_in_words
from core.data.statistics import constant_in_words
from core.graph.architecture import Architecture
from core.layers import LAYERS
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.results import Comparison, TestMetrics
from core.search.comparison import sentence
from core.search.ensembles import in_words
from core.tasks import AbstractTask
from core.tasks.multi_label import THRESHOLD
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.export.detail import TestDetail
from worker.trainer.export.detail_card import detail_section
from worker.trainer.export.markdown import plain, table
from worker.trainer.export.onnx_card import onnx_section
from worker.trainer.export.origin_card import fact_rows, reproduction_section, use_section
from worker.trainer.train_job import TrainJob

_PREDICTED = {  # what the program prints
    "class": ("one class name a line", "with probabilities"),
    "labels": ("the labels of one example a line", "with probabilities"),
    "numbers": ("the predicted numbers, one example a line", "by name"),
}
_ARRAYS = (
    "python predict.py examples.npy           # {}",
    "python predict.py examples.npy --json    # {}",
    "python predict.py pictures/              # a folder of pictures, if it reads images",
)
_ROWS = (
    "python predict.py new.csv           # {}",
    "python predict.py new.csv --json    # {}",
)
_TEXTS = (
    "python predict.py new.txt           # {}",
    "python predict.py new.txt --json    # {}",
)
_TEXT_EXAMPLES = (
    "Examples are texts: one in a .txt file, several in a folder of such files, or the column {} "
    "of a CSV, TSV, Parquet or JSONL file. The program cuts them into tokens."
)
_EXAMPLES = {  # by whether they are rows of a table
    True: "Examples are rows with columns of the same names as in the data set, in any order, in a "
    "CSV, TSV or Parquet file; the program makes numbers of them.",
    False: "Examples are raw values as in the data set, with the same axes (`layout` in "
    "`preprocess.json`); the program normalises them.",
}


_CHOSEN_BY_TEST = (
    "Of several exports, one that is chosen by its test metric will do worse on new examples: "
    "choose by the validation metric."
)


def model_card(
    job: TrainJob,
    architecture: Architecture,
    inputs: TrainedInputs,
    test: TestMetrics,
    comparison: Comparison | None = None,
    seconds: float | None = None,
    onnx_missing: str = "",
    int8: str = "",
    detail: TestDetail | None = None,
) -> str:
    """The card as Markdown.

    `seconds` are those of the final fit; `onnx_missing` says why there is no ONNX file; `int8` is
    about the one of eight bits; `detail` are the test results beyond the metrics.
    """
    lines = [
        f"# {plain(str(job.history.get('search', 'A network')))}",
        "",
        f"A network that {_purpose(job.dataset_spec)}, for the data set "
        f"{plain(job.dataset_name)}, found by Netmorph.",
        "",
        *_facts(job, architecture, test, comparison, detail),
        *fact_rows(job, inputs),
        "",
        *_constant(job, inputs.normalisation),
        "The ± are standard errors from the number of examples.",
        "",
        *use_section(job.dataset_spec, test.examples),
        *(
            []
            if detail is None
            else detail_section(detail, multi_label=job.dataset_spec.multi_label)
        ),
        "## How it was found",
        "",
        *_lineage(job, comparison),
        *_final(job, comparison, seconds),
        "",
        *reproduction_section(job),
        "## Layers",
        "",
        *_layers(architecture),
        *_use(job),
        *onnx_section(job.dataset_spec, plain(onnx_missing)),
        *(["### Eight bits", "", int8, ""] if int8 else []),
    ]
    return "\n".join(lines)


def _use(job: TrainJob) -> list[str]:
    """The commands that predict, and what examples they take."""
    spec = job.dataset_spec
    is_table, text = spec.table is not None, spec.text
    printed = _PREDICTED[_predicted(spec)]
    lines = _TEXTS if text and text.column is None else _ROWS if is_table or text else _ARRAYS
    commands = "\n".join(lines).format(*printed)
    examples = _EXAMPLES[is_table]
    if text is not None:
        examples = _TEXT_EXAMPLES.format(plain(text.column or "text"))
    return [
        *("## Use", "", "```sh", *commands.split("\n"), "```", ""),
        "Install what it needs with `pip install -r requirements.txt`. "
        f"{examples} `python serve.py` predicts over HTTP; `docker build .` makes an "
        "image of it. `python torch_program.py` writes `model.pt2` for `torch.export.load`. "
        "`manifest.json` says how the files were checked.",
        "",
    ]


def _facts(
    job: TrainJob,
    architecture: Architecture,
    test: TestMetrics,
    comparison: Comparison | None,
    detail: TestDetail | None,
) -> list[str]:
    spec, history, task = job.dataset_spec, job.history, job.measured
    validation = _value(task, history.get("validation"), history.get("validation_std"))
    return [
        "| | |",
        "|---|---|",
        f"| test {task.metric} | {task.in_words(test.metric, test.std)} ({test.examples} examples, "
        f"looked at once{' for this export' if job.is_export else ''}) |",
        *_other_metrics(test.measures, {} if detail is None else detail.stds),
        f"| validation {task.metric} in the search | {validation} ({_optimism(job)}) |",
        f"| parameters | {architecture.parameters:,} |",
        f"| FLOPs of one example | {architecture.flops:,} |",
        f"| training examples | {_training_examples(job, comparison)} |",
        *_splits(job),
        f"| input | {spec.input_shape}, {spec.dtype}{_axes(spec)} |",
        _results(spec),
    ]


def _optimism(job: TrainJob) -> str:
    """How far the validation metric can be believed."""
    if job.is_export:
        return "it has steered the search: optimistic"
    return "the best of many: optimistic"


def _splits(job: TrainJob) -> list[str]:
    """How the examples were divided."""
    spec, h = job.dataset_spec, job.hyperparameters
    test = test_split_in_words(spec)
    validation = validation_split_in_words(spec, h.validation_fraction, h.split_seed)
    return [
        *([f"| test split | {plain(test)} |"] if test else []),
        f"| validation split | {plain(validation)} |",
    ]


_KINDS = {1: "vectors", 2: "signals", 3: "images"}  # by the axes of an example
_VERBS = {
    "labels": "finds the labels of", "class": "classifies", "numbers": "predicts numbers from",
}  # fmt: skip


def _purpose(spec: DatasetSpec) -> str:
    """What the network does, in words: classifies images, predicts numbers from vectors, …"""
    if spec.table is not None:
        kind = "rows of a table"
    elif spec.text is not None:
        kind = "texts"
    else:
        kind = _KINDS[len(spec.input_shape)]
    return f"{_VERBS[_predicted(spec)]} {kind}"


def _predicted(spec: DatasetSpec) -> str:
    """What is predicted of each example, in one word."""
    return "labels" if spec.multi_label else "class" if spec.classes else "numbers"


def _results(spec: DatasetSpec) -> str:
    """What the network can answer, as a row of the table."""
    if spec.multi_label:
        return f"| labels | {spec.classes}, each predicted from a probability of {THRESHOLD:g} on |"
    if spec.classes:
        return f"| classes | {spec.classes} |"
    return f"| predicts | {', '.join(map(plain, spec.target_names))} |"


def _other_metrics(measures: Mapping[str, float], stds: Mapping[str, float]) -> list[str]:
    """The rows of the metrics that were not optimised."""
    return [
        f"| test {plain(name)} | {value:.4g}{f' ± {stds[name]:.2g}' if name in stds else ''} |"
        for name, value in measures.items()
    ]


def _axes(spec: DatasetSpec) -> str:
    """The axes of the user's arrays."""
    if spec.padded is not None:
        return (
            f", from signals of any length with axes {spec.padded}: shorter ones, which end with "
            "NaN, are continued by their last values, longer ones cut; the last channel says where "
            "there are values"
        )
    return "" if spec.layout is None else f", from arrays with axes {spec.layout}"


def _constant(job: TrainJob, normalisation: Normalisation) -> list[str]:
    """A warning about channels that do not vary."""
    words = constant_in_words(normalisation.constant, job.dataset_spec.input_shape)
    return [f"**Warning:** {words}.", ""] if words else []


def _lineage(job: TrainJob, comparison: Comparison | None) -> list[str]:
    history = job.history
    return [
        f"Strategy {plain(str(history.get('strategy', '?')))}, seed {history.get('seed', '?')}, "
        f"{history.get('trials_completed', '?')} trials, of which "
        f"{history.get('trials_inherited', '?')} started from a parent's weights. "
        + _network(job, comparison),
        "",
        *[f"1. {plain(str(step))}" for step in history.get("lineage", [])],
    ]


def _network(job: TrainJob, comparison: Comparison | None) -> str:
    """The trial or trials that the network comes from."""
    number = job.history.get("of_number", "?")
    if job.is_export:
        return (
            f"This is trial {number} as the search has trained it: on the training split alone, "
            "without a final fit. Its lineage:"
        )
    members = in_words(job.history.get("members", []))
    if not members or _is_winner(comparison):
        return f"This is the architecture of trial {number}:"
    return (
        f"This is {members}: it predicts by the mean of their outputs. The lineage of trial "
        f"{number}, the best of them:"
    )


def _layers(architecture: Architecture) -> list[str]:
    rows = (
        [
            str(node.id),
            LAYERS.kind_of(node.layer),
            ", ".join(map(str, node.inputs)),
            str(architecture.shapes[node.id]),
        ]
        for node in architecture.nodes
    )
    return table(("node", "layer", "reads", "output"), rows)


def _training_examples(job: TrainJob, comparison: Comparison | None) -> str:
    """How many examples the exported weights were trained on, and which."""
    count = job.dataset_spec.train_examples
    if job.is_export or _is_winner(comparison):
        return f"{count:,} less the validation split"
    if comparison is None:
        return f"{count:,} (validation included)"
    held_out = comparison.examples
    return (
        f"{count - held_out:,} ({held_out:,} of the validation split were held out to compare on)"
    )


def _final(job: TrainJob, comparison: Comparison | None, seconds: float | None) -> list[str]:
    """How the final network compares, and the share of the training that is in the export."""
    sentences = []
    if job.is_export:
        sentences.append(_CHOSEN_BY_TEST)
    if kept := str(job.history.get("kept", "")):
        sentences.append(f"{plain(kept[0].upper() + kept[1:])}.")
    if comparison is not None:
        compared = sentence(comparison, job.measured)
        sentences.append(f"{plain(compared[0].upper() + compared[1:])}.")
    share = compute_in_winner(job, comparison, seconds)
    if share is not None:
        used = f"{share:.0%} of this search's seconds of training went into this network."
        sentences.append(used)
    return ["", " ".join(sentences)] if sentences else []


def compute_in_winner(
    job: TrainJob, comparison: Comparison | None, seconds: float | None
) -> float | None:
    """The share of the search's seconds of training that went into the exported weights.

    `seconds` are those of the final fit; they count only where its own weights are exported.
    Of an ensemble whose winner is exported alone, only the winner's lineage counts. None where
    seconds are unknown, and for the export of a trial that need not be the winner.
    """
    if job.is_export:
        return None
    history, alone = job.history, _is_winner(comparison)
    lineage, before = history.get("seconds_in_lineage"), history.get("seconds_total")
    inherited = history.get("seconds_in_winner", lineage) if alone else lineage
    if seconds is None or inherited is None or before is None or not before + seconds > 0:
        return None
    own = 0.0 if alone else seconds
    return round(float((inherited + own) / (before + seconds)), 4)


def _is_winner(comparison: Comparison | None) -> bool:
    """Whether the winner's own weights are exported."""
    return comparison is not None and comparison.exported == "winner"


def _value(task: AbstractTask, value: object, std: object) -> str:
    """A metric that the job may leave out, with its standard error."""
    if not isinstance(value, float):
        return "?"
    return task.in_words(value, std if isinstance(std, float) else None)
