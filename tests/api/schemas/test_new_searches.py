"""Searches to be created name a data set that can be looked up."""

import pytest
from pydantic import ValidationError

from api.schemas.new_searches import SearchIn


@pytest.mark.parametrize("dataset", ["a\0b", "\udfff", "", "a" * 129])
def test_a_data_set_that_the_database_cannot_look_up_is_refused(dataset: str) -> None:
    with pytest.raises(ValidationError, match="dataset"):
        SearchIn.model_validate({"dataset": dataset, "budget": {"trials": 1}})
