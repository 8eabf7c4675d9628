"""`netmorph search`: what it prints first, and what it refuses before a search is made."""

import json
import subprocess

import pytest

from netmorph.client import Client
from tests.netmorph.commands.conftest import refused
from tests.netmorph.conftest import NETMORPH, clean_environment


def test_a_search_says_how_to_sign_in_without_the_key(service) -> None:
    options = ["--dataset", "digits", "--trials", "1", "--data-dir", str(service.directory)]
    command = [*NETMORPH, "search", *options, "--no-augmentation"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        printed = [next(process.stdout) for _ in range(4)]
        process.terminate()
        printed += process.stdout
    assert process.returncode == 130
    keys = json.loads((service.directory / "keys.json").read_text())
    assert "".join(printed).count(keys["admin"]) == 0
    (hint,) = [line for line in printed if line.startswith("sign in")]
    assert (
        hint.split(None, 2)[2].strip() == f'with the key "admin" in {service.directory}/keys.json'
    )
    assert keys["admin"] == service.key
    with Client(service.url, service.key) as client:
        training = next(iter(client.searches()))["training"]
    assert [training[name] for name in ("augmentation", "erasing", "mixing")] == ["none", 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "no-such-data"], "no-such-data"),
        (["--dataset", "missing.npz"], "there is no file missing.npz; expected an npz file"),
        (["--dataset", "digits", "--strategy", "luck"], "luck"),
        (["--dataset", "digits", "--max-latency", "0.002"], "expected latency"),
        (["--dataset", "digits", "--max-parameters", "120"], "bounds are too small"),
        (["--dataset", "digits", "--max-flops", "2000", "--cost", "flops"], "bounds are too small"),
        (["--dataset", "digits", "--trials", "1", "--export", "/proc/net"], "/proc"),
    ],
)
def test_an_impossible_search_is_an_error_and_is_not_created(
    netmorph, service, options, message
) -> None:
    with Client(service.url, service.key) as client:
        before = [item["id"] for item in client.searches()]
        ended = netmorph("search", *options, "--data-dir", service.directory)
        assert message in refused(ended)
        assert [item["id"] for item in client.searches()] == before
