"""Closed sets of words whose meanings are in the document of the REST interface, too."""

from enum import StrEnum
from typing import Any, Self


class ExplainedEnum(StrEnum):
    """A closed set of words, each written with its meaning: `PAUSED = "paused", "no new leases"`.

    Its JSON schema says what each word means. The value of a member is the word alone.
    """

    _value_: str
    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make a member of a word and its meaning; the default is for `ExplainedEnum(word)`."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """The usual JSON schema, whose description has a list of the meanings."""
        schema = handler(core_schema)
        meanings = [f"- `{one}`: {one.meaning}" for one in cls]
        described = "\n".join([f"{cls.__doc__}\n", *meanings])
        handler.resolve_ref_schema(schema)["description"] = described
        return schema
