"""Every line of a worker's log names the trial it belongs to."""

import json
import logging
from collections.abc import Iterator

import pytest

from worker.agent import logs


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The root logger as it was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_carry_search_and_trial(capfd, controller):
    order = controller.add("train")
    logs.set_up("json", "INFO")
    with logs.trial_context(order):
        logging.getLogger("worker").info("a line\nof %s lines", "two")
    logging.getLogger("worker").info("idle")
    first, second = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert first["message"] == "a line\nof two lines"
    assert (first["search_id"], first["trial_id"]) == (str(order.search_id), str(order.trial_id))
    assert first["level"] == "INFO"
    assert "trial_id" not in second


def test_an_exception_stays_on_its_line(capfd):
    logs.set_up("json", "INFO")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("worker").exception("oh")
    (line,) = capfd.readouterr().err.splitlines()
    assert "ValueError: wrong" in json.loads(line)["exception"]


def test_plain_lines_name_the_trial_too(capfd, controller):
    order = controller.add("train")
    logs.set_up("plain", "WARNING")
    with logs.trial_context(order):
        logging.getLogger("worker").info("hidden")
        logging.getLogger("worker").warning("shown")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith(f"trial_id={order.trial_id} number=0 attempt=1]")
    assert "shown" in line
