"""Stored JSON that another release wrote, read as far as this one understands it.

A row that cannot be read must not take the list that it is in with it: it is shown with what is
known of it, and can be deleted.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)


def readable(kind: type[T], stored: Any, **defaults: Any) -> tuple[T, list[str]]:
    """The stored value, and the names of the fields that cannot be read.

    Those have their defaults; `defaults` has one for each field that the class requires.
    """
    fields: dict[str, Any] = stored if isinstance(stored, dict) else {}
    try:
        return kind.model_validate(fields), []
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
    kept = {name: value for name, value in fields.items() if name not in wrong}
    return kind.model_validate(defaults | kept), sorted(wrong)
