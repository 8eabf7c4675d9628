"""How the commands print: tables on a terminal, complete lines in a file or a pipe."""

import io

import pytest

from netmorph import tables
from netmorph.commands.options import console
from tests.netmorph.samples import DATASET, KEY, SEARCH, TRIALS, lines_of


@pytest.mark.parametrize("columns", ["20", "80"])
def test_a_pipe_gets_complete_ids_and_one_line_for_each_row(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    out = console()
    out.file = io.StringIO()

    out.print(tables.searches([SEARCH | {"name": "long name " * 12}], out.width))  # type: ignore[list-item]
    out.print(tables.datasets([DATASET], out.width))  # type: ignore[list-item]
    out.print(tables.keys([KEY], out.width))  # type: ignore[list-item]
    out.print(tables.trials(TRIALS, out.width))  # type: ignore[arg-type]

    lines = lines_of(out)
    assert [line.split()[0] for line in lines[1:6:2]] == [SEARCH["id"], DATASET["id"], KEY["id"]]
    assert len(lines) == 2 + 2 + 2 + 1 + len(TRIALS)
    assert "…" not in out.file.getvalue()


def test_a_terminal_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")

    assert console().width == 80
