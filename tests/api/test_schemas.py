"""Values that people see: one conversion from rows; names and texts that can be kept."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.models import Trial
from api.schemas import ComparisonOut, Name, Out, SearchIn, TrialOut
from core.tasks import TASKS

NAMES: TypeAdapter[str] = TypeAdapter(Name)


class Value(Out):
    a: int
    b: int
    c: int = 0


@dataclass
class Row:
    a: int = 1
    b: int = 2
    other: int = 9


@dataclass
class Config:
    b: int = 20
    c: int = 30


def test_a_value_has_given_fields_then_those_of_the_first_source() -> None:
    assert Value.of(Row(), Config()) == Value(a=1, b=2, c=30)
    assert Value.of(Row(), Config(), a=5, c=6) == Value(a=5, b=2, c=6)
    assert Value.of(Row(c := 3)) == Value(a=c, b=2, c=0)
    with pytest.raises(ValidationError, match="a\n"):
        Value.of(Config())


def test_a_field_of_a_trial_is_its_column_of_the_same_name() -> None:
    """Fields that are added to both need no line in the store."""
    shared = TrialOut.model_fields.keys() & Trial.__table__.columns.keys()
    assert {"value", "latency", "precision", "validation_loss", "choices"} <= shared


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("  digits  ", "digits"),
        ("a \u00a0 b", "a b"),
        ("e\u0301", "é"),
        ("数据", "数据"),
        ("a" * 128, "a" * 128),
    ],
)
def test_a_name_is_kept_in_normal_form(raw: str, name: str) -> None:
    assert NAMES.validate_python(raw) == name


@pytest.mark.parametrize(
    "raw", ["", "   ", "a\nb", "a\0b", "\u202egnp", "\ud800", "\ue000", "\u200b", "a" * 129]
)
def test_a_name_that_cannot_be_read_is_refused(raw: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(raw)


@given(st.text(max_size=128))
def test_any_name_is_refused_or_stays_as_it_is_when_sent_again(raw: str) -> None:
    try:
        name = NAMES.validate_python(raw)
    except ValidationError:
        return
    assert NAMES.validate_python(name) == name
    assert name.encode()
    assert name.isprintable()


@pytest.mark.parametrize("dataset", ["a\0b", "\udfff", "", "a" * 129])
def test_a_data_set_that_the_database_cannot_look_up_is_refused(dataset: str) -> None:
    with pytest.raises(ValidationError, match="dataset"):
        SearchIn.model_validate({"dataset": dataset, "budget": {"trials": 1}})


def test_a_comparison_is_shown_with_its_sentence_and_none_stays_none() -> None:
    task = TASKS["image-classification"]()
    kept: dict[str, Any] = {"examples": 250, "before": 0.9, "after": 0.95, "exported": "final"}
    shown = ComparisonOut.of(kept, task)
    assert shown is not None
    assert shown.text.startswith("the final network has 95.00 % on 250 held-out examples")
    assert ComparisonOut.of(None, task) is None
