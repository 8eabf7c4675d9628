"""The import arrows that a package cannot show about itself."""

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp
import pytest


def modules_after(statement: str) -> set[str]:
    """The top-level modules loaded in a new process that runs the statement."""
    program = f"{statement}; import sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    finished = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import api.app", {"torch", "worker", "netmorph", "numba", "httpx"}),
        ("import api.controller.suggestions", {"torch", "sqlalchemy", "psycopg", "fastapi"}),
        ("import api.commands", {"sqlalchemy", "pydantic", "httpx"}),  # for quick health checks
        ("import worker.__main__", {"celery", "httpx"}),
        ("import worker.jobs", {"torch", "sqlalchemy", "psycopg", "api", "netmorph"}),
        ("import worker.trainer.__main__", {"sqlalchemy", "celery", "api", "netmorph", "numba"}),
        ("import netmorph, netmorph.cli", {"torch", "api", "worker", "core", "sqlalchemy"}),
        ("import core.search.step", {"torch", "sqlalchemy", "celery", "httpx", "fastapi"}),
    ],
)
def test_an_import_brings_nothing_from_across_a_border(statement: str, absent: set[str]) -> None:
    """A controller without torch, a Celery process without torch or database, and so on."""
    assert modules_after(statement) & absent == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Whether that works depends on which of them a process imports first."""
    graph = grimp.build_graph("api", "core", "netmorph", "worker")
    arrows = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


def test_a_folder_of_the_users_named_core_shadows_nothing(tmp_path) -> None:
    """Children run with a safe path: the working directory is not searched."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('the wrong core')")
    subprocess.run([sys.executable, "-P", "-m", "api", "--help"], cwd=tmp_path, check=True)
