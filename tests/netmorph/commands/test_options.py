"""The options that commands share, and how they print on a terminal and to a pipe."""

import io

import pytest

from netmorph import tables
from netmorph.commands.options import console
from tests.netmorph.commands.conftest import refused
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


@pytest.mark.parametrize("key", ["netmorph_wrong", "", "ключ"])
def test_a_wrong_key_is_an_error(netmorph, service, key) -> None:
    assert "key" in refused(netmorph("ls", "--url", service.url, "--key", key))


def test_a_refused_key_is_an_error_that_says_where_another_is_given(netmorph, service) -> None:
    ended = netmorph("ls", "--url", service.url, "--key", "netmorph_wrong")
    assert "by --key or NETMORPH_KEY" in refused(ended)


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://localhost", "http://", "http://[", "http://a:b"]
)
def test_a_wrong_address_is_an_error(netmorph, url) -> None:
    assert "expected something like http://host:port" in refused(
        netmorph("ls", "--url", url, "--key", "k")
    )


def test_no_service_is_an_error_that_says_how_to_start_one(netmorph, tmp_path) -> None:
    ended = netmorph("ls", "--data-dir", tmp_path / "nothing")
    assert "netmorph up" in refused(ended)
    assert not (tmp_path / "nothing").exists()
