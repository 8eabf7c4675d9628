"""Cursors: what a list returned leads to its next page, any other text is refused."""

import base64
import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.store import pages
from core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Row:
    created_at: datetime
    id: UUID


@given(st.lists(st.integers() | st.text(), max_size=3))
def test_a_cursor_is_decoded_to_its_values_and_fits_a_url(values) -> None:
    cursor = pages.encode(*values)
    assert pages.decode(cursor, *(type(value) for value in values)) == values
    assert cursor == "" or all(c.isalnum() or c in "-_" for c in cursor)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_the_cursor_of_a_row_is_decoded_to_its_creation_and_id(created, row_id) -> None:
    cursor = pages.encode_creation(created, row_id)
    assert pages.decode_creation(cursor) == (created, row_id)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_any_text_is_a_cursor_or_invalid_input(text) -> None:
    for decode in (pages.decode_creation, lambda cursor: pages.decode(cursor, int)):
        with contextlib.suppress(InvalidInput):
            decode(text)


@pytest.mark.parametrize("values", [[], [1], ["a"], [True], [1.0], [None], [1, 2], ["a", "b"]])
def test_the_cursor_of_another_list_is_refused(values) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    with pytest.raises(InvalidInput, match="belongs to another list"):
        pages.decode_creation(cursor)
    if [type(value) for value in values] != [int]:
        with pytest.raises(InvalidInput, match="belongs to another list"):
            pages.decode(cursor, int)


def test_the_last_page_has_no_cursor_and_the_others_that_of_their_last_row() -> None:
    now = datetime.now(UTC)
    rows = [Row(now - timedelta(seconds=n), UUID(int=n)) for n in range(4)]

    assert pages.cut(rows[:3], 3) == (rows[:3], None)
    assert pages.cut([], 3) == ([], None)
    page, cursor = pages.cut(rows, 3)
    assert page == rows[:3]
    assert cursor is not None
    assert pages.decode_creation(cursor) == (rows[2].created_at, rows[2].id)
