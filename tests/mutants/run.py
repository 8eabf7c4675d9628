"""Plant each fault in a copy of the tree and run the tests that must notice it.

`python -m tests.mutants.run [LIST ...]`: all lists of this folder, or the named ones. The exit
status is 1 where a fault survived, 2 where nothing was shown: a test that fails without any fault,
a fault that cannot be planted, or tests that do not run.
"""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tests.mutants
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
SECONDS = 120  # for one test
_ALL_PASSED, _SOME_FAILED = 0, 1  # pytest's exit statuses
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".netmorph", ".*_cache", ".hypothesis")


class CannotPlant(Exception):
    """The fault is not for this code: correct its entry in the list."""


class NothingShown(Exception):
    """The tests said neither that the code is right nor that it is wrong: mend them first."""


def lists() -> dict[str, tuple[Mutant, ...]]:
    """The lists of faults by the name of their module."""
    names = [module.name for module in pkgutil.iter_modules(tests.mutants.__path__)]
    modules = {name: importlib.import_module(f"tests.mutants.{name}") for name in sorted(names)}
    return {name: one.MUTANTS for name, one in modules.items() if hasattr(one, "MUTANTS")}


def mutated(mutant: Mutant, tree: Path) -> str:
    """The text of the mutant's file with the fault in it."""
    text = (tree / mutant.file).read_text()
    if (count := text.count(mutant.old)) != 1:
        raise CannotPlant(f"{mutant.file} has {mutant.old!r} {count} times, expected exactly once")
    return text.replace(mutant.old, mutant.new)


@contextmanager
def planted(mutant: Mutant, tree: Path) -> Iterator[None]:
    """Keep the fault in the tree while the block runs."""
    path, kept = tree / mutant.file, tree / f"{mutant.file}.kept"
    text = mutated(mutant, tree)
    shutil.copy2(path, kept)
    path.write_text(text)
    try:
        yield
    finally:
        kept.replace(path)  # with its old time, which compiled files refer to


def is_noticed(files: Iterable[str], tree: Path) -> bool:
    """Whether a test in `files` fails in the tree."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", f"--timeout={SECONDS}", *files]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = ours | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (_ALL_PASSED, _SOME_FAILED):
        raise NothingShown(f"pytest ended with status {done.returncode}: {done.stdout[-2000:]}")
    return done.returncode == _SOME_FAILED


def survivors(mutants: Iterable[Mutant], tree: Path) -> list[Mutant]:
    """The faults that no test noticed; prints each verdict."""
    found = []
    for mutant in mutants:
        with planted(mutant, tree):
            is_killed = is_noticed(mutant.tests, tree)
        verdict = "killed" if is_killed else "SURVIVED"
        print(f"{verdict:9} {mutant.file}: {mutant.old!r} -> {mutant.new!r}", flush=True)
        if not is_killed:
            found.append(mutant)
    return found


def run(mutants: Iterable[Mutant], root: Path = ROOT) -> list[Mutant]:
    """The faults that survive in a copy of the tree at `root`, whose tests must pass as it is."""
    mutants = list(mutants)
    with tempfile.TemporaryDirectory(prefix="netmorph-mutants-") as folder:
        tree = Path(shutil.copytree(root, Path(folder) / "tree", ignore=_LEFT_OUT))
        files = sorted({file for mutant in mutants for file in mutant.tests})
        if is_noticed(files, tree):
            raise NothingShown(f"a test fails without any fault: run pytest -x {' '.join(files)}")
        return survivors(mutants, tree)


def main(names: list[str]) -> int:
    """Run the named lists, or all; the exit status."""
    known = lists()
    if unknown := set(names) - set(known):
        print(f"no such list: {sorted(unknown)}; expected some of {sorted(known)}", file=sys.stderr)
        return 2
    mutants = [mutant for name in names or known for mutant in known[name]]
    try:
        left = run(mutants)
    except (CannotPlant, NothingShown) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(mutants) - len(left)} of {len(mutants)} killed")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
