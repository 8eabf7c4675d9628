"""Each domain word of a public class name stands in the glossary."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
ROOMS = ("core", "api/store", "worker")
#: Words of programming and of other libraries, which need no entry.
# fmt: off
TECHNICAL = {
    "abstract", "answer", "array", "arrays", "avg", "builder", "callbacks", "client", "column",
    "config", "connection", "context", "encoded", "encoder", "enum", "events", "explained",
    "file", "filter", "global", "guarded", "hash", "index", "lanes", "last", "lock", "max",
    "memory", "nesting", "of", "process", "qo", "reader", "reading", "redis", "ref", "registry",
    "row", "rows", "run", "s", "settings", "table", "tar", "thread", "transport", "wire",
}
# fmt: on
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


def classes() -> Iterator[tuple[ast.ClassDef, Path]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node, path


def is_registered(node: ast.ClassDef) -> bool:
    """Whether it is one kind of many, which its registry lists."""
    return any("register" in ast.unparse(decorator) for decorator in node.decorator_list)


def errors() -> set[str]:
    """The names of the errors, which say what happened in a sentence of their own."""
    bases = {node.name: {ast.unparse(base) for base in node.bases} for node, _ in classes()}
    found = {"Exception", "NetmorphError"}
    while new := {name for name, of in bases.items() if of & found} - found:
        found |= new
    return found


def glossary_words() -> set[str]:
    """The words of all terms, each in the singular and the plural."""
    terms = re.findall(r"\*\*(.+?)\*\*", GLOSSARY.read_text())
    words = {word for term in terms for word in re.findall(r"[a-z]+", term.lower())}
    plurals = {word + "s" for word in words} | {word.removesuffix("y") + "ies" for word in words}
    return words | plurals | {word.removesuffix("s") for word in words}


def test_each_word_of_a_public_class_name_has_an_entry():
    known, left_out = glossary_words() | TECHNICAL, errors()
    missing = {
        f"{word} ({node.name} in {path.relative_to(ROOT)})"
        for node, path in classes()
        if node.name not in left_out and not is_registered(node)
        for word in map(str.lower, WORD.findall(node.name))
        if word not in known
    }
    assert not missing, (
        f"docs/glossary.md has no entry for: {'; '.join(sorted(missing))}. Add each as **word** to "
        "the table where it belongs, with its meaning in plain English; if it is a word of "
        "programming and not of Netmorph, add it to TECHNICAL in this test; or rename the class."
    )


def test_a_term_has_one_entry():
    rows = re.findall(r"^\| (\*\*.+?) \| ", GLOSSARY.read_text(), re.MULTILINE)
    terms = [term for row in rows for term in re.findall(r"\*\*(.+?)\*\*", row)]
    assert len(terms) > 50
    assert sorted(terms) == sorted(set(terms))
