"""Real texts that every Python has: docstrings of packages of its standard library."""

import ast
import sysconfig
from pathlib import Path

PACKAGES = (
    *("asyncio", "email", "http", "importlib", "logging", "multiprocessing"),
    *("unittest", "urllib", "xml"),
)
SHORTEST, LONGEST = 40, 240  # characters


def docstrings() -> tuple[list[str], list[str]]:
    """The starts of about 1,700 docstrings, each once, and the package that each is from."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((library / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    text = " ".join((ast.get_docstring(node) or "").split())[:LONGEST]
                    if len(text) >= SHORTEST:
                        found.setdefault(text, package)
    return list(found), list(found.values())
