"""The commands on searches, run against a real service."""

import pytest

from netmorph.client import Client
from tests.netmorph.commands.conftest import refused


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
def test_without_json_the_commands_print_tables(netmorph, service, search, command) -> None:
    ended = netmorph(*command, "--data-dir", service.directory, COLUMNS="200")
    assert ended.returncode == 0, ended.stderr
    assert ("a test, of names" in ended.stdout) or ("morphisms" in ended.stdout)


def test_a_search_that_is_not_there_is_an_error(netmorph, service) -> None:
    ended = netmorph("show", "nothing like it", "--data-dir", service.directory)
    assert "no search found for 'nothing like it'" in refused(ended)


def test_a_search_without_a_final_fit_has_no_export(netmorph, service, search, tmp_path) -> None:
    options = ("--to", tmp_path / "net", "--data-dir", service.directory)
    assert refused(netmorph("export", search["id"], *options))
    assert not (tmp_path / "net").exists()
