"""Write a CSV file of short texts and their topics, from packages that are installed.

    python examples/docstrings.py docstrings.csv

Each row has the start of the docstring of a function or class, and the package that it is from.
Sentences that several packages share, and all but 1,500 of each package, are left out.
"""

import ast
import csv
import random
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("numpy", "scipy", "sklearn", "torch", "sqlalchemy", "networkx")
MOST_EACH = 1_500  # texts of a package
SHORTEST, LONGEST = 40, 240  # characters


def texts_of(package: str) -> Iterator[str]:
    """The starts of the docstrings in a package's source, in order; it is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package {package} is not installed: pip install {package}")
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        if "tests" in path.parts or "testing" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):  # a template, or a test of encodings
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = " ".join((ast.get_docstring(node) or "").split())[:LONGEST]
                if len(text) >= SHORTEST:
                    yield text


def rows() -> list[tuple[str, str]]:
    """(text, package), in random order that is always the same."""
    found = {package: set(texts_of(package)) for package in PACKAGES}
    generator = random.Random(0)
    chosen: list[tuple[str, str]] = []
    for package, texts in found.items():
        others = set().union(*(found[other] for other in PACKAGES if other != package))
        own = sorted(texts - others)
        chosen += [(text, package) for text in generator.sample(own, min(MOST_EACH, len(own)))]
    generator.shuffle(chosen)
    return chosen


def main() -> None:
    """Write the file that the command line names."""
    with Path(sys.argv[1]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "package"])
        writer.writerows(rows())


if __name__ == "__main__":
    main()
