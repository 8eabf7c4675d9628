"""What the pages tell people to type is there: commands, options, imports, variables, targets."""

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import api.settings
import worker.settings
from core.search.strategies import STRATEGIES
from netmorph.cli import app
from tests.docs.test_pages import LIVING, PAGES, ROOT, name_of

#: Their blocks say what can be called, without being calls.
GENERATED = {ROOT / "docs" / "reference" / name for name in ("commands.md", "python.md")}
BLOCK = re.compile(r"^( *)```(?P<info>[^\n`]*)\n(?P<code>.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(netmorph [^`]+)`(?!`)", re.DOTALL)
SHELL = {"sh", "bash", "console"}
COMMAND = re.compile(
    r"(?:^|[|;&(] *)(?:[A-Z_]+=\S* )*(?:\.venv/bin/|uv run )?(netmorph (?![|;&>]).*)"
)
VARIABLE = re.compile(r"NETMORPH_[A-Z_]*[A-Z]")
#: Where variables are read that are no settings of the two programs.
READERS = (".env.example", "netmorph/commands/options.py", "tests/browser.py", ".ci/run")
#: What ends a command within a line.
END = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<"}
_commands = typer.main.get_command(app)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page."""

    page: Path
    info: str  # behind the fence: the language, and a title
    code: str

    @property
    def language(self) -> str:
        return (self.info.split() or [""])[0]


BLOCKS = [
    Block(page, match["info"], re.sub(f"^{match[1]}", "", match["code"], flags=re.MULTILINE))
    for page in PAGES
    for match in BLOCK.finditer(page.read_text())
]


def lines_of(page: Path) -> Iterator[str]:
    """The lines of a shell, and what is quoted within a sentence."""
    for block in (block for block in BLOCKS if block.page == page):
        lines = block.code.replace("\\\n", " ").splitlines()
        if block.language in SHELL:
            yield from (line.removeprefix("$ ") for line in lines)
        elif block.language == "text":
            yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))
    yield from (" ".join(one.split()) for one in INLINE.findall(BLOCK.sub("", page.read_text())))


def commands_of(page: Path) -> list[list[str]]:
    """The words of each `netmorph` command of a page."""
    found = []
    for line in lines_of(page):
        found += [words_of(command) for command in COMMAND.findall(line)]
    return found


def words_of(command: str) -> list[str]:
    """The words of a `netmorph` command behind its name."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words = list(lexer)
    ends = [k for k, word in enumerate(words) if word in END]
    return words[1 : min(ends, default=len(words))]


def is_name_of_a_command(words: list[str]) -> bool:
    """Whether it names a command in a sentence, and is not one to type as it is."""
    command: Any = _commands
    for word in words:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            return False
        command = command.commands[word]
    return True


def parse(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Parse a command as the command line does, without running it.

    Raises:
        TyperException: it has no such command, option or number of arguments.
    """
    context = command.make_context(name, list(words), parent=parent)
    if isinstance(command, TyperGroup):
        name, child, rest = command.resolve_command(context, _rest(context))
        parse(child, name, rest, context)


def _rest(context: Any) -> list[str]:
    """The words behind the options of a group of commands."""
    return [*context._protected_args, *context.args]


@pytest.mark.parametrize("page", [one for one in LIVING if one not in GENERATED], ids=name_of)
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page):
    for words in commands_of(page):
        if words in ([], ["--version"]) or is_name_of_a_command(words):
            continue
        try:
            parse(_commands, "netmorph", words)
        except TyperException as error:
            pytest.fail(f"`netmorph {shlex.join(words)}`: {error.format_message()}")


def test_the_examples_in_the_help_of_commands_are_taken_by_the_command_line():
    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    examples = re.findall(r"^For example.*?\n\n", text, re.MULTILINE | re.DOTALL)
    given = [" ".join(one.split()) for example in examples for one in INLINE.findall(example)]
    assert len(given) >= 8
    for command in given:
        parse(_commands, "netmorph", words_of(command))


def test_the_help_of_a_search_names_every_strategy():
    (option,) = [one for one in _commands.commands["search"].params if one.name == "strategy"]
    named = set(re.findall(r"[a-z-]+", option.help.partition(":")[2])) - {"or"}
    assert named == set(STRATEGIES)


def test_a_wrong_command_is_found():
    for words in (["tune"], ["search"], ["search", "--dataset", "digits", "--epochs", "3"],
                  ["extend", "last", "--trials", "many"], ["trial", "stop", "last"]):  # fmt: skip
        with pytest.raises(TyperException):
            parse(_commands, "netmorph", words)


PYTHON = [
    block
    for block in BLOCKS
    # Blocks that are added to files of ours are run by test_how_to.
    if block.language in {"python", "py"} and not re.search(r'title="\w+/', block.info)
    and block.page not in GENERATED
]  # fmt: skip


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: name_of(block.page))
def test_the_code_of_a_page_is_python_and_imports_what_is_there(block):
    for node in ast.walk(ast.parse(block.code)):
        for name in node.names if isinstance(node, ast.Import) else ():
            assert importlib.util.find_spec(name.name), f"there is no module {name.name}"
        if isinstance(node, ast.ImportFrom) and node.module != "torch":  # takes seconds
            module = importlib.import_module(node.module)
            for name in node.names:
                is_there = hasattr(module, name.name) or importlib.util.find_spec(
                    f"{node.module}.{name.name}"
                )
                assert is_there, f"{node.module} has no {name.name}"


def test_every_variable_of_a_page_is_read_by_something():
    read = "\n".join((ROOT / name).read_text() for name in READERS)
    settings = (*api.settings.Settings.model_fields, *worker.settings.Settings.model_fields)
    known = {f"NETMORPH_{name.upper()}" for name in settings} | set(VARIABLE.findall(read))
    known |= {f"{name}_FILE" for name in known}
    for page in LIVING:
        unknown = set(VARIABLE.findall(page.read_text())) - known
        assert not unknown, f"{name_of(page)} names variables that nothing reads: {unknown}"


def test_every_target_and_module_of_a_page_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in LIVING:
        text = page.read_text()
        unknown = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) - targets
        assert not unknown, f"{name_of(page)} names targets that the Makefile lacks: {unknown}"
        for module in re.findall(r"python -m ((?:benchmarks|docs)\.[a-z_]+)", text):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists(), f"{name_of(page)}: there is no {module}"
