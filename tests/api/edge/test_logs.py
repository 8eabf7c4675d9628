"""Log lines: plain or JSON, with the objects that they are about."""

import json
import logging
from collections.abc import Iterator

import pytest

from api.edge import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The handlers and levels of before, which the whole process shares."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(form, capsys: pytest.CaptureFixture[str]) -> str:
    logs.set_up(form, "INFO")
    log = logging.getLogger("api.test")
    log.debug("not this")
    log.info("leases expired: %s", 3, extra={"search_id": 7, "leases": 3, "other": "x"})
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("it failed\nbadly")
    return capsys.readouterr().err


def test_json_lines_have_the_ids_and_the_exception(capsys) -> None:
    first, second = (json.loads(line) for line in written("json", capsys).splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": "api.test",
        "message": "leases expired: 3",
        "search_id": "7",
        "leases": "3",
    }
    assert "ValueError: why" in second["exception"]


def test_plain_lines_end_with_the_ids(capsys) -> None:
    line = written("plain", capsys).splitlines()[0]
    assert line.endswith("INFO    api.test: leases expired: 3 [search_id=7 leases=3]")


def test_libraries_are_quiet(capsys) -> None:
    logs.set_up("plain", "INFO")
    logging.getLogger("httpx").info("every request")
    assert capsys.readouterr().err == ""
