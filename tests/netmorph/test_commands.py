"""The commands against a real service: what they print, and how they fail."""

import json
from pathlib import Path

import numpy as np
import pytest

from netmorph.client import Client

pytestmark = pytest.mark.xdist_group("machine")


@pytest.fixture
def ask(netmorph, service):
    """The function that runs a command on the service and gives what it printed as JSON."""

    def asked(*arguments: object) -> object:
        ended = netmorph(*arguments, "--data-dir", service.directory, "--json")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("\n") == 1
        return json.loads(ended.stdout)

    return asked


@pytest.fixture
def search(service):
    """A search that nobody works on."""
    with Client(service.url, service.key) as client:
        made = client.create_search(
            {"dataset": "digits", "budget": {"trials": 2}, "name": "a test, of names"}
        )
        yield made
        client.delete(made["id"])


def refused(ended) -> str:
    """The one line that a command failed with."""
    assert ended.returncode == 1, ended.stdout
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("error: ")
    return ended.stderr


def test_a_search_is_listed_and_shown(ask, search) -> None:
    assert search["id"] in [item["id"] for item in ask("ls")]
    for text in (search["id"], search["id"][:8], "a test, of names", "last"):
        assert ask("show", text)["id"] == search["id"]
    assert isinstance(ask("trials", search["id"]), list)


def test_a_search_with_a_cost_is_shown_with_its_front(service, ask, netmorph) -> None:
    with Client(service.url, service.key) as client:
        made = client.create_search({"dataset": "digits", "budget": {"trials": 2}, "cost": "flops"})
        client.stop(made["id"])
        assert client.front(made["id"]) == {"metric": "accuracy", "cost": "flops", "items": []}
        assert ask("show", made["id"])["front"] == []
        shown = netmorph("show", made["id"], "--data-dir", service.directory)
        assert "front" in shown.stdout
        client.delete(made["id"])


def test_a_search_is_paused_resumed_and_stopped(ask, search) -> None:
    assert ask("pause", search["id"])["status"] == "paused"
    assert ask("resume", search["id"])["status"] in {"pending", "running"}
    assert ask("stop", search["id"])["status"] == "stopped"


@pytest.mark.parametrize("command", [["ls"], ["show", "last"], ["trials", "last"]])
def test_people_get_tables(netmorph, service, search, command) -> None:
    ended = netmorph(*command, "--data-dir", service.directory, COLUMNS="200")
    assert ended.returncode == 0, ended.stderr
    assert ("a test, of names" in ended.stdout) or ("morphisms" in ended.stdout)


def test_a_search_that_is_not_there_is_an_error(netmorph, service) -> None:
    ended = netmorph("show", "nothing like it", "--data-dir", service.directory)
    assert "no search found for 'nothing like it'" in refused(ended)


def test_a_search_without_a_final_fit_has_no_export(netmorph, service, search, tmp_path) -> None:
    place = ("--to", tmp_path / "net", "--data-dir", service.directory)
    assert refused(netmorph("export", search["id"], *place))
    assert not (tmp_path / "net").exists()


def test_a_key_is_made_listed_and_revoked(ask, netmorph, service) -> None:
    made = ask("key", "create", "--name", "alice")
    alice = ("--url", service.url, "--key", made["key"])
    assert netmorph("ls", *alice).returncode == 0
    assert "alice" in [key["name"] for key in ask("key", "ls")]
    assert "admin" in refused(netmorph("key", "ls", *alice))
    ask("key", "revoke", "alice")
    assert refused(netmorph("ls", *alice))


@pytest.mark.parametrize("key", ["netmorph_wrong", "", "ключ"])
def test_a_wrong_key_is_an_error(netmorph, service, key) -> None:
    assert "key" in refused(netmorph("ls", "--url", service.url, "--key", key))


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://localhost", "http://", "http://[", "http://a:b"]
)
def test_a_wrong_address_is_an_error(netmorph, url) -> None:
    assert "must look like http://host:port" in refused(netmorph("ls", "--url", url, "--key", "k"))


def test_no_service_is_an_error_that_says_how_to_start_one(netmorph, tmp_path) -> None:
    ended = netmorph("ls", "--data-dir", tmp_path / "nothing")
    assert "netmorph up" in refused(ended)
    assert not (tmp_path / "nothing").exists()


def test_a_file_becomes_a_data_set(ask, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.array(["cat", "dog"] * 50)
    np.savez(tmp_path / "pets.npz", x=rng.integers(0, 255, (100, 8, 8), np.uint8), y=labels)
    made = ask("dataset", "add", tmp_path / "pets.npz")
    assert (made["name"], made["classes"], made["class_names"]) == ("pets", 2, ["cat", "dog"])
    assert made["id"] in [item["id"] for item in ask("dataset", "ls")]


def test_a_file_that_is_no_data_set_is_an_error(netmorph, service, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"not a zip file")
    where = ("--data-dir", service.directory)
    assert refused(netmorph("dataset", "add", tmp_path / "bad.npz", *where))
    assert refused(netmorph("search", "--dataset", tmp_path / "bad.npz", *where))
    missing = netmorph("dataset", "add", tmp_path / "missing.npz", *where)
    assert "there is no file" in refused(missing)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dataset", "no-such-data"], "no-such-data"),
        (["--dataset", "missing.npz"], "there is no file missing.npz"),
        (["--dataset", "digits", "--strategy", "luck"], "luck"),
        (["--dataset", "digits", "--max-latency", "0.002"], "expected latency"),
        (["--dataset", "digits", "--max-parameters", "120"], "bounds are too small"),
        (["--dataset", "digits", "--max-flops", "2000", "--cost", "flops"], "bounds are too small"),
        (["--dataset", "digits", "--trials", "1", "--export", "/proc/net"], "/proc"),
    ],
)
def test_a_search_that_cannot_be_is_an_error_and_is_not_made(
    netmorph, service, options, words
) -> None:
    with Client(service.url, service.key) as client:
        before = [item["id"] for item in client.searches()]
        ended = netmorph("search", *options, "--data-dir", service.directory)
        assert words in refused(ended)
        assert [item["id"] for item in client.searches()] == before
