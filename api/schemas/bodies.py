"""What all bodies have in common: how they are checked, and made of rows."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class In(BaseModel):
    """A request body: unknown fields, NaN and Infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @classmethod
    def of(cls, *sources: object, **given: Any) -> Self:
        """The value of these fields; each other one is that of the first source that has it."""
        found = {
            name: getattr(source, name)
            for source in reversed(sources)
            for name in cls.model_fields
            if name not in given and hasattr(source, name)
        }
        return cls.model_validate(found | given)
