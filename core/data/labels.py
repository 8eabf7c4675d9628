"""Labels of any kind as class numbers 0 … classes - 1, and the names of the classes.

Labels may be integers, whole floats, booleans, strings, bytes, or one-hot rows. Names are shown on
terminals and pages, so each is a text without control characters that differs visibly from the
others.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.spellings import OPTION, groups_of, in_words, one_spelling, other_spelling, tidied
from core.errors import InvalidDataset

MIN_TRAIN_PER_CLASS = 2  # one to train on and one to validate on
FEW_TRAIN_PER_CLASS = 4  # fewer are hardly learned
_LONGEST = 128  # characters of a name
_LARGEST = 2**31  # of integer labels
_JOINERS = frozenset("\u200c\u200d")  # needed within words of Persian and Hindi, and within emoji
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # categories of Unicode
_NAMED = 3  # merged labels that a note names
_SHOWN = 40  # characters of a label in messages


@dataclass(frozen=True, slots=True)
class Classes:
    """Class numbers (n,) by split, and the name of each class."""

    numbers: Mapping[str, NDArray[np.int64]]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was done to the labels
    warnings: tuple[str, ...] = ()


def classes_of(labels: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None) -> Classes:
    """The classes of the labels of each split.

    With names, label k means the k-th name, and a label that is a string must be one of the names.
    Raises InvalidDataset for labels that are no classes, and if a label of another split does not
    occur in "train".
    """
    plain, notes = _plain(labels)
    given = None if names is None else checked_names(names, "class_names")
    if plain["train"].dtype.kind == "U":
        return _of_strings(plain, given, notes)
    boolean = labels["train"].dtype.kind == "b" and labels["train"].size == len(labels["train"])
    return _of_integers(plain, given, boolean, notes)


def merged(
    labels: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """(labels with one spelling of each name, what was done)

    Raises InvalidDataset for labels that are no texts.
    """
    plain = {
        split: y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y for split, y in labels.items()
    }
    if any(y.ndim != 1 for y in plain.values()):
        return plain, ()  # no labels at all
    if kinds := sorted({str(y.dtype) for y in plain.values() if y.dtype.kind not in "US"}):
        raise InvalidDataset(
            f"labels are {kinds[0]}; expected texts for {OPTION}, which makes one class of the "
            "spellings of a name: leave it out"
        )
    texts = {split: np.array([text_of(one) for one in y.tolist()]) for split, y in plain.items()}
    found, counts = np.unique(texts["train"], return_counts=True)
    known = dict(zip(found.tolist(), counts.tolist(), strict=True))
    others = {one for y in texts.values() for one in np.unique(y).tolist()}
    spelled, groups = one_spelling(dict.fromkeys(sorted(others), 0) | known, names or ())
    merged_texts = {split: np.array([*map(spelled, y.tolist())]) for split, y in texts.items()}
    return merged_texts, about_spellings(groups, spelled)


def about_spellings(
    groups: Sequence[Sequence[str]], spelled: Callable[[str], str]
) -> tuple[str, ...]:
    """What became of the spellings of names, for people."""
    if not groups:
        return ("no labels differ only in capital letters or blanks: none were merged",)
    words = [f"{in_words([group])} as {spelled(group[0])!r}" for group in groups[:_NAMED]]
    more = ["…"] if len(groups) > _NAMED else []
    return (f"spellings of one label are merged: {'; '.join([*words, *more])}",)


def text_of(value: Any) -> str:
    """A string of an array of strings or bytes; raises InvalidDataset for bytes not in UTF-8."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidDataset(
            f"found the bytes {value[:_SHOWN]!r}; expected text in UTF-8: decode it first"
        ) from None


# --- one array --------------------------------------------------------------------------------


def _plain(
    labels: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Labels (n,) as int64 or strings, all splits in the same way."""
    notes: dict[str, None] = {}  # in order, each once
    plain = {}
    for split, y in labels.items():
        plain[split], note = _one_plain(split, y)
        notes |= {note: None} if note else {}
    if len({y.dtype.kind for y in plain.values()}) > 1:
        raise InvalidDataset("some labels are numbers, others strings; expected the same in all")
    return plain, tuple(notes)


def _one_plain(split: str, y: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """(labels as int64 or strings, what was done to them)"""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and len(y) and y.dtype.kind in "biuf":
        return _from_one_hot(y), f"one-hot labels of {y.shape[1]} columns: the column of the 1"
    if y.ndim != 1 or len(y) == 0:
        raise InvalidDataset(f"{split} labels have shape {y.shape}; expected (N,), one per example")
    if y.dtype.kind == "S":
        return np.array([text_of(label) for label in y.tolist()]), "labels as bytes: read as UTF-8"
    if y.dtype.kind == "f":
        return _from_floats(y), "labels as whole floats: taken as integers"
    if y.dtype.kind == "u" and y.max() > _LARGEST:
        raise InvalidDataset(f"the largest label is {y.max()}; expected at most {_LARGEST}")
    return (y.astype(np.int64), "") if y.dtype.kind in "biu" else (y, "")


def _from_one_hot(y: NDArray[Any]) -> NDArray[np.int64]:
    """The column of the one 1 of each row."""
    if ((y != 0) & (y != 1)).any():
        raise InvalidDataset(
            f"labels have shape {y.shape} and are not one-hot; expected (N,), or rows of one 1 and "
            "else 0: of probabilities take y.argmax(axis=1); for numbers to predict give the task "
            "regression"
        )
    if ((ones := (y == 1).sum(axis=1)) != 1).any():
        row = int((ones != 1).argmax())
        raise InvalidDataset(
            f"labels have shape {y.shape} and row {row} has {ones[row]} ones; expected exactly "
            "one, or the task multi-label for several labels of an example"
        )
    return np.asarray(y.argmax(axis=1), np.int64)


def _from_floats(y: NDArray[Any]) -> NDArray[np.int64]:
    if not np.isfinite(y).all() or (y != np.round(y)).any() or np.abs(y).max() > _LARGEST:
        raise InvalidDataset(
            "labels are fractions, NaN or huge; expected integers or strings, which name classes, "
            "or finite numbers to predict, and the task regression"
        )
    return y.astype(np.int64)


# --- names ------------------------------------------------------------------------------------


def _of_integers(
    y: Mapping[str, NDArray[Any]],
    names: tuple[str, ...] | None,
    boolean: bool,
    notes: tuple[str, ...],
) -> Classes:
    if boolean and names is None and len(np.unique(y["train"])) == 2:
        names = ("False", "True")
    if names is not None:
        _check_numbers(y, len(names))
        return Classes(dict(y), names, notes)
    values = np.unique(y["train"])
    texts = tuple(map(str, values.tolist()))
    return Classes(_numbered(y, values, texts), texts, notes)


def _check_numbers(y: Mapping[str, NDArray[Any]], classes: int) -> None:
    """Raise InvalidDataset for class numbers that have no name."""
    for split, numbers in y.items():
        if numbers.min() < 0 or numbers.max() >= classes:
            raise InvalidDataset(
                f"{split} labels run from {numbers.min()} to {numbers.max()}; expected 0 to "
                f"{classes - 1}, the indices of the {classes} class_names"
            )


def _of_strings(
    y: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None, notes: tuple[str, ...]
) -> Classes:
    found = np.unique(np.concatenate(list(y.values())))
    cleaned = checked_names(found.tolist(), "labels")
    if any(a != b for a, b in zip(cleaned, found.tolist(), strict=True)):
        notes = (*notes, "blanks around labels are left out, accents in Unicode's composed form")
    clean = np.array(cleaned)
    y = {split: clean[np.searchsorted(found, labels)] for split, labels in y.items()}
    if names is None:
        values = np.unique(y["train"])
        texts = tuple(map(str, values.tolist()))
        warnings = differing_in_case(texts, "names of classes")
        return Classes(_numbered(y, values, texts), texts, notes, warnings)
    if unknown := sorted(set(cleaned) - set(names)):
        raise InvalidDataset(
            f"label {_shown(unknown[0])} is none of the class_names; expected one of {names[:20]}"
            f"{hint_of_spelling(unknown[0], names)}"
        )
    order = np.argsort(np.array(names))
    sorted_names = np.array(names)[order]
    numbers = {split: order[np.searchsorted(sorted_names, labels)] for split, labels in y.items()}
    return Classes(numbers, names, notes, differing_in_case(names, "names of classes"))


def _numbered(
    y: Mapping[str, NDArray[Any]], values: NDArray[Any], names: tuple[str, ...]
) -> dict[str, NDArray[np.int64]]:
    """The index of each label among the sorted values."""
    for split, labels in y.items():
        if len(unknown := np.setdiff1d(labels, values)):
            raise InvalidDataset(
                f"{split} label {_shown(str(unknown[0]))} does not occur in training; "
                f"expected one of {names[:20]}{hint_of_spelling(str(unknown[0]), names)}"
            )
    return {split: np.searchsorted(values, labels).astype(np.int64) for split, labels in y.items()}


def checked_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """The names in normal form, in the same order; raises InvalidDataset for unreadable ones."""
    taken: dict[str, str] = {}
    checked: list[str] = []
    for name in names:
        clean = tidied(name)
        _check_name(name, clean, what)
        visible = "".join(character for character in clean if character not in _JOINERS)
        if visible in taken:
            raise InvalidDataset(
                f"{what} {_shown(taken[visible])} and {_shown(name)} differ in blanks or the "
                "coding of accents at most; expected different names: make them equal or rename "
                f"one, or make them one class by {OPTION}"
            )
        taken[visible] = name
        checked.append(clean)
    return tuple(checked)


def _check_name(name: str, clean: str, what: str) -> None:
    if not clean.strip("\u200c\u200d"):
        raise InvalidDataset(
            f"{what} hold an empty name; expected non-empty ones: name or remove the class"
        )
    if len(clean) > _LONGEST:
        raise InvalidDataset(
            f"{what} hold {_shown(name)} of {len(clean)} characters; expected at most "
            f"{_LONGEST} characters"
        )
    for character in clean:
        if character not in _JOINERS and unicodedata.category(character) in _INVISIBLE:
            raise InvalidDataset(
                f"{what} hold {_shown(name)} with the invisible or unprintable character "
                f"U+{ord(character):04X}; expected plain text: remove the character"
            )


def differing_in_case(names: Sequence[str], what: str) -> tuple[str, ...]:
    """A warning for names that differ only in capital letters."""
    if not (groups := groups_of(names)):
        return ()
    more = f"if they mean the same, make them one by {OPTION}"
    return (f"{what} differ only in capital letters: {in_words(groups)}; {more}",)


def hint_of_spelling(name: str, names: Iterable[str]) -> str:
    """What to do where another one of the names differs from this one only in capital letters."""
    if (other := other_spelling(name, names)) is None:
        return ""
    return f"; {other!r} differs only in capital letters: make them one class by {OPTION}"


def _shown(name: str) -> str:
    """The name for messages: quoted, short, with escapes for everything invisible."""
    return repr(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…")
