"""Names and other texts that people send."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field


def _clean(name: str) -> str:
    """The name in Unicode normal form; raises ValueError for control characters."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise ValueError("a name must not be empty")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in name):
        raise ValueError("a name must not contain control or unprintable characters")
    return re.sub(r"\s+", " ", name)


def storable(text: str) -> str:
    """The text; refused where Postgres cannot store it. Forms come here without `RequestLimits`."""
    if re.search("[\x00\ud800-\udfff]", text):
        raise ValueError("a text must not contain NUL or half a surrogate pair")
    return text


Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_clean)]
Tag = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)]
