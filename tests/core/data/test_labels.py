"""Labels of any kind become classes; what cannot be shown or told apart is refused."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.labels import Classes, classes_of, merged, text_of
from core.errors import InvalidDataset

PERSIAN = "\u0645\u06cc\u200c\u062e"  # with a joiner that its spelling needs


def classes(labels: object, names: object = None) -> Classes:
    return classes_of({"train": np.asarray(labels)}, names)  # type: ignore[arg-type]


def refusal(labels: object, names: object = None) -> str:
    with pytest.raises(InvalidDataset) as caught:
        classes(labels, names)
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("labels", "numbers", "names", "note"),
    [
        ([7, -1, 7], [1, 0, 1], ("-1", "7"), ""),
        (np.array([[7], [255]], np.uint8), [0, 1], ("7", "255"), ""),
        ([1.0, 3.0], [0, 1], ("1", "3"), "whole floats"),
        ([True, False], [1, 0], ("False", "True"), ""),
        (["b", "a", "b"], [1, 0, 1], ("a", "b"), ""),
        (np.array(["é".encode(), b"a"]), [1, 0], ("a", "é"), "read as UTF-8"),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1], ("0", "1", "2"), "one-hot labels of 3 columns"),
        (np.eye(2, dtype=bool)[[1, 0]], [1, 0], ("0", "1"), "one-hot"),
        (["cat ", "dog", "cat "], [0, 1, 0], ("cat", "dog"), "blanks around labels"),
        (["a\u00a0 b", "c"], [0, 1], ("a b", "c"), "blanks"),
        (["e\u0301", "c"], [1, 0], ("c", "é"), "composed form"),
        ([PERSIAN, "👩\u200d🔬"], [0, 1], (PERSIAN, "👩\u200d🔬"), ""),
    ],
)  # fmt: skip
def test_labels_of_any_kind_are_class_numbers_with_names(labels, numbers, names, note) -> None:
    found = classes(labels)

    assert found.numbers["train"].tolist() == numbers
    assert found.numbers["train"].dtype == np.int64
    assert found.names == names
    assert note in " ".join(found.notes)
    assert bool(note) == bool(found.notes)


def test_names_are_for_integer_labels_in_their_order() -> None:
    found = classes(np.array([1, 0, 1], np.uint8), ["b", "a"])

    assert (found.numbers["train"].tolist(), found.names) == ([1, 0, 1], ("b", "a"))


@pytest.mark.parametrize("kind", [str, np.bytes_])
def test_names_beside_string_labels_order_the_classes(kind: type) -> None:
    found = classes(np.array(["dog", "cat", "dog"]).astype(kind), ["eel", "dog", "cat"])

    assert found.numbers["train"].tolist() == [1, 2, 1]
    assert found.names == ("eel", "dog", "cat")


def test_a_label_that_is_no_name_is_refused() -> None:
    assert "label 'owl' is none of the class_names; expected one of ('cat'," in refusal(
        ["cat", "owl"], ["cat", "dog"]
    )


def test_names_of_one_hot_labels_are_those_of_the_columns() -> None:
    assert classes(np.eye(2)[[1, 0]], ["no", "yes"]).numbers["train"].tolist() == [1, 0]


def test_names_that_differ_in_capital_letters_get_a_warning_that_says_what_to_do() -> None:
    assert classes(["a", "b"]).warnings == ()
    (warning,) = classes(["Yes", "NO", "yes", "no", "YES", "else"]).warnings
    assert "only in capital letters: 'NO' and 'no'; 'YES', 'Yes' and 'yes'; if" in warning
    assert "make them one by --merge-labels (merge_labels in REST, " in warning
    assert classes(["Cat"], ["Cat", "cat"]).warnings


def test_a_label_of_no_class_hints_at_the_class_that_it_may_be() -> None:
    message = refusal(["cat", "Dog"], ["cat", "dog"])
    assert message.endswith(
        "; 'dog' differs only in capital letters: make them one class by --merge-labels "
        "(merge_labels in REST, Merge labels on the page)"
    )
    with pytest.raises(InvalidDataset, match=r"in training; .*'cat' differs only in capital"):
        classes_of({"train": np.array(["cat"]), "test": np.array(["CAT"])})


@pytest.mark.parametrize("kind", [str, np.bytes_])
def test_spellings_of_a_label_are_merged_in_all_splits(kind: type) -> None:
    train = np.array(["yes", "Yes ", "yes", "NO", "else"]).astype(kind)
    found, notes = merged({"train": train[:, None], "test": np.array(["YES", "no"]).astype(kind)})
    assert found["train"].tolist() == ["yes", "yes", "yes", "NO", "else"]
    assert found["test"].tolist() == ["yes", "NO"]
    assert notes == (
        "spellings of one label are merged: 'NO' and 'no' as 'NO'; "
        "'YES', 'Yes ' and 'yes' as 'yes'",
    )


def test_given_names_are_the_spellings_of_merged_labels() -> None:
    found, _ = merged({"train": np.array(["yes", "yes", "no"])}, ["YES", "No"])
    assert found["train"].tolist() == ["YES", "YES", "No"]


def test_where_nothing_is_merged_the_note_says_so() -> None:
    found, notes = merged({"train": np.array(["a", "b"])})
    assert found["train"].tolist() == ["a", "b"]
    assert notes == ("no labels differ only in capital letters or blanks: none were merged",)


@pytest.mark.parametrize("labels", [np.arange(4), np.array([0.5]), np.array([True])])
def test_labels_that_are_no_texts_cannot_be_merged(labels) -> None:
    with pytest.raises(InvalidDataset, match=r"; expected texts for --merge-labels .*leave it out"):
        merged({"train": labels})


@pytest.mark.parametrize(
    ("labels", "found", "expected"),
    [
        (["a\0b", "c"], r"'a\x00b'", "remove the character"),
        (["a\nb", "c"], r"'a\nb'", "U+000A"),
        (["a\tb", "c"], r"'a\tb'", "U+0009"),
        (["a\x1b[31m", "c"], r"'a\x1b[31m'", "U+001B"),
        (["\ud800", "c"], r"'\ud800'", "U+D800"),
        (["\u202egnp", "c"], r"'\u202egnp'", "U+202E"),
        (["a\u200f", "c"], r"'a\u200f'", "U+200F"),
        (["a\ue000", "c"], r"'a\ue000'", "U+E000"),
        (["a\u2028b", "c"], r"'a\u2028b'", "U+2028"),
        (["", "c"], "an empty name", "non-empty"),
        ([" \u00a0", "c"], "an empty name", "non-empty"),
        (["\u200d", "c"], "an empty name", "non-empty"),
        (["cat", "cat "], "'cat' and 'cat ' differ in blanks", "make them equal"),
        (["a b", "a  b"], "differ in blanks", "make them equal"),
        (["a", "a\u200c"], "differ in blanks", "make them equal"),
        (["é", "e\u0301"], "the coding of accents", "make them equal"),
        (["a" * 129, "c"], "of 129 characters", "at most 128"),
        (np.array([b"\xff", b"a"]), r"b'\xff'", "UTF-8"),
        ([0.5, 1.0], "fractions", "the task regression"),
        ([np.nan, 1.0], "NaN", "integers or strings"),
        ([1e12, 1.0], "huge", "integers or strings"),
        (np.array([2**63, 1], np.uint64), "9223372036854775808", "2147483648"),
        (np.full((2, 2), 0.5), "(2, 2) and are not one-hot", "argmax(axis=1)"),
        (np.array([[1, 1], [0, 1]]), "row 0 has 2 ones", "several labels"),
        (np.array([[0, 1], [0, 0]]), "row 1 has 0 ones", "exactly one"),
        (np.zeros((2, 2, 2)), "(2, 2, 2)", "(N,)"),
        (np.zeros(0), "(0,)", "(N,)"),
        (np.zeros((0, 3)), "(0, 3)", "(N,)"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_refused_in_one_line(labels, found, expected) -> None:
    message = refusal(labels)

    assert found in message
    assert expected in message


def test_labels_of_splits_must_fit_each_other() -> None:
    cats, numbers = np.array(["cat", "dog"]), np.array([0, 1])
    with pytest.raises(InvalidDataset, match="some labels are numbers, others strings"):
        classes_of({"train": cats, "test": numbers})
    with pytest.raises(InvalidDataset, match="test label 'owl' does not occur in training"):
        classes_of({"train": cats, "test": np.array(["owl"])})
    with pytest.raises(InvalidDataset, match="test labels run from 2 to 2; expected 0 to 1"):
        classes_of({"train": numbers, "test": np.array([2])}, ["a", "b"])


def test_other_splits_have_the_numbers_of_training() -> None:
    found = classes_of({"train": np.array([7, 3, 9]), "test": np.array([9, 3])})

    assert found.numbers["test"].tolist() == [2, 0]


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(InvalidDataset, match="expected text in UTF-8: decode it first"):
        text_of(b"\xe9")


@settings(max_examples=150)
@given(st.lists(st.text(st.characters(), max_size=6), min_size=1, max_size=5))
def test_any_strings_become_printable_names_or_are_refused(texts: list[str]) -> None:
    try:
        found = classes(texts)
    except InvalidDataset:
        assert refusal(texts)
        return
    for name in found.names:
        assert name == unicodedata.normalize("NFC", name).strip()
        assert not any(c in name for c in "\0\n\r\x1b\u202e")
        name.encode()
    assert len(set(found.names)) == len(found.names)
