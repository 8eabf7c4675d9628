"""The names by which people call the parts of a data set."""

import re
from collections.abc import Sequence

TRAIN, VALIDATION, TEST = "train", "validation", "test"

#: The part that each word means.
PARTS = {
    "train": TRAIN, "training": TRAIN,
    "test": TEST, "testing": TEST,
    "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "dev": VALIDATION,
}  # fmt: skip
#: An expression for any of the words, the longest first.
WORDS = "|".join(sorted(PARTS, key=len, reverse=True))
_NAME = re.compile(rf"(?:.*[-_. ])?(?P<part>{WORDS})(?:[-_. ].*)?", re.IGNORECASE | re.DOTALL)


def part_of(name: str) -> str | None:
    """The part that a file holds, by a folder that is named so, or by a word in its name."""
    *folders, file = name.split("/")
    for folder in reversed(folders):
        if folder.lower() in PARTS:
            return PARTS[folder.lower()]
    found = _NAME.fullmatch(file)
    return PARTS[found["part"].lower()] if found else None


def by_part(names: Sequence[str]) -> dict[str, str] | None:
    """The part of each file, in the order of parts and names; None where some have none.

    A single file is for training, whatever its name.
    """
    if len(names) == 1:
        return {names[0]: TRAIN}
    found = {name: part for name in sorted(names) if (part := part_of(name)) is not None}
    if len(found) < len(names):
        return None
    order = (TRAIN, VALIDATION, TEST)
    return dict(sorted(found.items(), key=lambda item: order.index(item[1])))
