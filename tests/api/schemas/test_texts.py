"""Names that can be kept: which are taken, and how they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.schemas.texts import Name

NAMES: TypeAdapter[str] = TypeAdapter(Name)


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
