"""One conversion from rows to the values that people see."""

from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from api.schemas.bodies import Out


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
