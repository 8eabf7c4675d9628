"""How a data set is divided, in words: for descriptions and for model cards."""

from core.data.file_groups import FILE_PREFIX, FILE_STARTS
from core.protocol.contracts.datasets import DatasetSpec, SplitKind, SplitSpec

#: The seed of test splits that are set aside, unless the person gives another: the same file always
#: gives the same split.
USUAL_SEED = 20181


def test_split_in_words(spec: DatasetSpec) -> str:
    """Where the test examples come from; empty where it is not known."""
    split = spec.split
    if split is None:
        return ""
    if split.test is SplitKind.GIVEN:
        return "as in the files"
    if split.test is SplitKind.TIME:
        return f"the latest fifth by {_source(split, 'time')}, from {split.since} on"
    seed = "" if split.seed in (None, USUAL_SEED) else f" with seed {split.seed}"
    if split.test is SplitKind.GROUP:
        groups = _source(split, "groups")
        return f"a fifth by {groups}, set aside at random{seed}: no group is in two splits"
    return f"a fifth {_stratum(spec) or 'of all'}, set aside at random{seed}"


def validation_split_in_words(spec: DatasetSpec, fraction: float, seed: int) -> str:
    """Where the validation examples of a search come from."""
    split = spec.split or SplitSpec()
    if split.validation is SplitKind.GIVEN:
        return f"as in the files: {split.validation_examples:,} examples"
    share = f"{100 * fraction:.3g} % of the training examples"
    if split.validation is SplitKind.TIME:
        return f"the latest {share} by {_source(split, 'time')}"
    if split.validation is SplitKind.GROUP:
        return f"{share} by {_source(split, 'groups')}, seed {seed}: no group is in two splits"
    equal = _stratum(spec) or "of each tenth of the range"
    return f"{share}, the same {equal}, at random with seed {seed}"


def _stratum(spec: DatasetSpec) -> str:
    """Of what each split has equal shares; empty where numbers are predicted."""
    if not spec.classes:
        return ""
    return "of each label" if spec.multi_label else "of each class"


def _source(split: SplitSpec, array: str) -> str:
    if split.column == FILE_PREFIX:
        return FILE_STARTS
    return f"column {split.column!r}" if split.column else f"the array {array}"
