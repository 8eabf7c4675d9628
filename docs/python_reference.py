"""The reference of the Python interface, made from the docstrings in the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import netmorph

ROOT = Path(__file__).parents[1]
_INTRODUCTION = """\
# Python

Written by `make docs` from the docstrings of `netmorph/client.py`, `netmorph/estimators.py` and
`netmorph/tracking`: change those, not this page. [Search from Python](../how-to/python.md) has
examples.

All names but those of the last section are imported from `netmorph`. The objects that `Client`
returns are dictionaries with the fields of the [REST interface](rest.md); their types are in
`netmorph/answers.py`.
"""
#: The classes that several estimators share, and the titles under which their methods stand.
_SHARED = {
    "_Estimator": "All estimators",
    "_Classifier": "Classifiers",
    "_Regressor": "Regressors",
}
_SECTION = re.compile(r"^(?:Args|Attributes|Raises):\n(?:    .*\n?)+", re.MULTILINE)  # Google style
_WIDTH = 88  # of a line of code
_ITEM = re.compile(r"^    (?P<name>\w+): (?P<text>.*(?:\n {8}.*)*)\n?", re.MULTILINE)


def page() -> str:
    """The page of the client, the estimators and the functions of tracking."""
    client, estimators = _classes("netmorph/client.py"), _classes("netmorph/estimators.py")
    parts = [_INTRODUCTION, _described("Client", client["Client"])]
    parts += [_described(title, estimators[name]) for name, title in _SHARED.items()]
    parts += [_described(name, estimators[name]) for name in netmorph.__all__ if name in estimators]
    return "\n".join([*parts, *_tracking()])


def _tracking() -> Iterator[str]:
    """The section of the functions in `netmorph.tracking`."""
    yield (
        "## Tracking\n\n"
        + (ast.get_docstring(_parsed("netmorph/tracking/__init__.py")) or "")
        + "\n"
    )
    for path in ("netmorph/tracking/event_files.py", "netmorph/tracking/mlflow_runs.py"):
        for node in _parsed(path).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield _method(node)


def _parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def _classes(path: str) -> dict[str, ast.ClassDef]:
    """The classes of a module, by name."""
    tree = _parsed(path)
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _described(title: str, node: ast.ClassDef) -> str:
    """The section of a class: its docstring, how it is made, its public methods."""
    methods = [_method(one) for one in _public(node)]
    return "\n".join([f"## {title}\n", _text(node), *methods])


def _public(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The constructor and the methods that a user calls."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and (
            one.name == "__init__" or not one.name.startswith("_")
        ):
            yield one


def _method(node: ast.FunctionDef) -> str:
    if node.name == "__init__":
        call = "\n".join(one for one in _parameters(node.args) if one != "*")
        return f"### Parameters\n\n```py\n{call}\n```\n\n{_text(node)}"
    return f"### {node.name}\n\n```py\n{_signature(node)}\n```\n\n{_text(node)}"


def _signature(node: ast.FunctionDef) -> str:
    """The call as a user writes it: one parameter a line where it is long."""
    parameters = _parameters(node.args)
    assert node.returns, f"{node.name} does not say what it returns"
    name, answer = node.name, ast.unparse(node.returns)
    line = f"{name}({', '.join(parameters)}) -> {answer}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n    " + ",\n    ".join(parameters) + f",\n) -> {answer}"


def _parameters(arguments: ast.arguments) -> list[str]:
    """The parameters without `self`, each with its type and default."""
    positional = [one for one in arguments.args if one.arg != "self"]
    missing = [None] * (len(positional) - len(arguments.defaults))
    found = [
        _parameter(*one) for one in zip(positional, [*missing, *arguments.defaults], strict=True)
    ]
    if arguments.kwonlyargs:
        found.append("*")
    found += [
        _parameter(*one) for one in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return found + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


def _parameter(node: ast.arg, default: ast.expr | None) -> str:
    text = "" if default is None else " = " + ast.unparse(default).replace("'", '"')
    return ast.unparse(node) + text


def _text(node: ast.ClassDef | ast.FunctionDef) -> str:
    """The docstring in Markdown: its sections become lists."""
    text = ast.get_docstring(node) or ""
    return _SECTION.sub(_list, text).strip() + "\n"


def _list(section: re.Match[str]) -> str:
    """A section of a docstring as a list."""
    items = [
        f"- `{item['name']}`: {' '.join(item['text'].split())}"
        for item in _ITEM.finditer(section[0])
    ]
    title = section[0].partition(":")[0].replace("Args", "Parameters")
    return f"{title}:\n\n" + "\n".join(items) + "\n"
