"""What the tests of the commands share: a running service, a search, and how commands fail."""

import json

import pytest

from netmorph.client import Client


@pytest.fixture(scope="session")
def netmorph(called):
    """The function that runs a command to its end, here without a process of its own.

    `tests/netmorph/test_cli.py` runs the program, and `test_search.py` a command that is ended.
    """
    return called


@pytest.fixture
def ask(netmorph, service):
    """The function that runs a command on the service and returns the JSON that it printed."""

    def run_command(*arguments: object) -> object:
        ended = netmorph(*arguments, "--data-dir", service.directory, "--json")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("\n") == 1
        return json.loads(ended.stdout)

    return run_command


@pytest.fixture
def search(service):
    """A search without a worker."""
    with Client(service.url, service.key) as client:
        made = client.create_search(
            {"dataset": "digits", "budget": {"trials": 2}, "name": "a test, of names"}
        )
        yield made
        client.delete(made["id"])


def refused(ended) -> str:
    """The last line on standard error of a command that failed; before it is progress alone."""
    assert ended.returncode == 1, ended.stdout
    assert ended.stdout == ""
    *progress, error = ended.stderr.splitlines(keepends=True)
    assert all(line.startswith(("packed ", "reading ", "sending ")) for line in progress)
    assert error.startswith("error: ")
    return error
