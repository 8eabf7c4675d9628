"""The item that a user names on the command line: by name, id, or the beginning of its id."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from netmorph.errors import ClientError

LEAST_ID = 4  # characters of the beginning of an id
_LISTED = 3  # of several matches, in an error

Item = TypeVar("Item", bound=Mapping[str, object])


def begins(item: Mapping[str, object], text: str) -> bool:
    """Whether the item's id begins with the text, in any case of letters."""
    return len(text) >= LEAST_ID and str(item["id"]).startswith(text.lower())


def named(
    items: Iterable[Item],
    text: str,
    noun: str,
    advice: str,
    is_beginning: Callable[[Item, str], bool] = begins,
) -> Item:
    """The one item with this name or id, or of which the text is a beginning.

    Raises:
        ClientError: no item or several items match.
    """
    known = list(items)
    exact = [item for item in known if text in (item["id"], item["name"])]
    return only(exact or [item for item in known if is_beginning(item, text)], text, noun, advice)


def only(found: Sequence[Item], text: str, noun: str, advice: str, plural: str = "") -> Item:
    """The single match for a text; raises ClientError where there is none, or several."""
    if len(found) == 1:
        return found[0]
    if found:
        number = f"{len(found)} {plural or noun + 's'}"
        raise ClientError(f"{number} found for {text!r}, {_listed(found)}; {advice}")
    if len(text) < LEAST_ID:
        advice += f"; the beginning of an id has at least {LEAST_ID} characters"
    raise ClientError(f"no {noun} found for {text!r}; {advice}")


def _listed(found: Sequence[Item]) -> str:
    """The ids of the first of several matches, each with its name where it has one."""
    shown = [
        f"{one['id']} ({one['name']})" if "name" in one else str(one["id"])
        for one in found[:_LISTED]
    ]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
