"""Names that people write in several ways: with other capital letters, blanks or coding of accents.

One of the spellings stands for all: a given name, else the one that occurs most often.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

_SHOWN = 3  # groups of names in messages
_JOINERS = re.compile("[\u200c\u200d]")  # which nobody sees
_BLANKS = re.compile(r"[^\S\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")  # within a line
#: How a person says that all spellings of a name mean one class.
OPTION = "--merge-labels (merge_labels in REST, Merge labels on the page)"


def tidied(name: str) -> str:
    """The name without blanks around it, with single ones in it, and accents composed."""
    return unicodedata.normalize("NFC", _BLANKS.sub(" ", name).strip(" "))


def key_of(name: str) -> str:
    """What all spellings of a name have in common."""
    return unicodedata.normalize("NFC", _JOINERS.sub("", tidied(name)).casefold())


def groups_of(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of two or more names that are spellings of one, each sorted."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        found[key_of(name)].add(name)
    return sorted(tuple(sorted(group)) for group in found.values() if len(group) > 1)


def other_spelling(name: str, names: Iterable[str]) -> str | None:
    """Another one of the names that is a spelling of this one."""
    return next((one for one in names if one != name and key_of(one) == key_of(name)), None)


def in_words(groups: Sequence[Sequence[str]]) -> str:
    """Groups of names, for messages: "'No' and 'no'; 'Yes' and 'yes'; …"."""
    words = [f"{', '.join(map(repr, one[:-1]))} and {one[-1]!r}" for one in groups[:_SHOWN]]
    return "; ".join([*words, *(["…"] if len(groups) > _SHOWN else [])])


def one_spelling(
    counts: Mapping[str, int], given: Iterable[str] = ()
) -> tuple[Callable[[str], str], list[tuple[str, ...]]]:
    """(the spelling that stands for each name, the groups that become one name)

    `counts` says how often each name occurs; of the `given` names one is preferred.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name, count in counts.items():
        spellings[key_of(name)][tidied(name)] += count
    chosen = {key: max(sorted(found), key=found.__getitem__) for key, found in spellings.items()}
    chosen |= {key_of(name): name for name in given}
    return lambda name: chosen.get(key_of(name), name), groups_of(counts)
