"""`netmorph up`: what it prints when the service answers."""

import json
import subprocess

import pytest

from netmorph.commands.up import announcement
from netmorph.data_directory import DataDirectory
from netmorph.launcher import Running
from tests.netmorph.commands.conftest import refused
from tests.netmorph.conftest import NETMORPH, clean_environment


@pytest.mark.parametrize("show_key", [True, False])
def test_the_key_is_shown_on_a_terminal_only(tmp_path, show_key) -> None:
    running = Running("http://127.0.0.1:8000", "netmorph_secret")
    text = "\n".join(announcement(running, DataDirectory(tmp_path), show_key=show_key))
    assert ("netmorph_secret" in text) == show_key
    assert (f'"admin" in {tmp_path}/keys.json' in text) != show_key


def test_a_log_of_the_service_has_no_key_and_down_stops_it(directory, netmorph) -> None:
    command = [*NETMORPH, "up", "--workers", "0", "--port", "0", "--data-dir", str(directory)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        printed = [next(process.stdout) for _ in range(5)]
        stopped = netmorph("down", "--data-dir", directory)
        printed += process.stdout
    assert stopped.stdout.startswith("stopped the service in"), stopped.stderr
    assert "nothing to stop" in refused(netmorph("down", "--data-dir", directory))
    keys = json.loads((directory / "keys.json").read_text())
    assert printed[0].strip() == "Netmorph is running. Press Ctrl-C to stop."
    assert not any(key in line for key in keys.values() for line in printed)
