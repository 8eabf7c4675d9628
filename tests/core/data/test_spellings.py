"""Spellings of one name, and the one that stands for all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.spellings import groups_of, in_words, key_of, one_spelling, other_spelling, tidied


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("Yes", "yes", True),
        ("YES ", " yes", True),
        ("New  York", "new\u00a0york", True),
        ("É", "e\u0301", True),
        ("straße", "STRASSE", True),
        ("a\u200cb", "ab", True),
        ("yes", "yes!", False),
        ("new york", "newyork", False),
        ("cafe", "café", False),
        ("a\nb", "a b", False),  # a line end is no blank: such labels are refused
    ],
)
def test_spellings_differ_in_capital_letters_blanks_and_the_coding_of_accents(one, other, are_same):
    assert (key_of(one) == key_of(other)) is are_same
    assert groups_of([one, other, one, "else"]) == ([tuple(sorted((one, other)))] * are_same)
    assert other_spelling(one, ["else", one, other]) == (other if are_same else None)


def test_groups_are_said_in_a_few_words():
    assert (
        in_words([("No", "no"), ("YES", "Yes", "yes")]) == "'No' and 'no'; 'YES', 'Yes' and 'yes'"
    )
    assert in_words([("A", "a")] * 5) == "'A' and 'a'; 'A' and 'a'; 'A' and 'a'; …"


def test_the_most_frequent_spelling_stands_for_all_without_its_blanks():
    spelled, groups = one_spelling({"yes": 3, "Yes ": 2, "Yes": 2, "NO": 1, "maybe": 9})
    assert [*map(spelled, ["yes", "Yes ", "YES", "NO", "maybe", "new"])] == [
        *("Yes", "Yes", "Yes", "NO", "maybe", "new")
    ]
    assert groups == [("Yes", "Yes ", "yes")]


def test_of_equally_frequent_spellings_the_first_in_order_stands_for_all():
    for counts in ({"b": 1, "B": 1}, {"B": 1, "b": 1}):
        assert one_spelling(counts)[0]("b") == "B"


def test_a_given_name_is_preferred():
    assert one_spelling({"yes": 9}, ["YES", "no"])[0]("yes") == "YES"


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_each_name_has_one_spelling_which_is_its_own(counts):
    spelled, _ = one_spelling(counts)
    assert len({*map(spelled, counts)}) == len({*map(key_of, counts)})
    for name in counts:
        assert key_of(spelled(name)) == key_of(name)
        assert spelled(spelled(name)) == spelled(name) == tidied(spelled(name))
