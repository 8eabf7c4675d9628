"""`netmorph search`: what it prints first, and what it refuses before a search is made."""

import json
import subprocess
from pathlib import Path

import pytest
from torch import nn

from netmorph.client import Client
from netmorph.commands.search import _options, preview_facts
from tests.netmorph.commands.conftest import refused
from tests.netmorph.conftest import NETMORPH, clean_environment
from tests.netmorph.importing.models import export, program_of, save_program


def printed_at_first(service, *options: object) -> list[str]:
    """The lines that a search on the digits prints before it is interrupted."""
    known = ["--dataset", "digits", "--trials", "1", "--data-dir", str(service.directory)]
    with subprocess.Popen(
        [*NETMORPH, "search", *known, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        printed = [next(process.stderr)]
        while not printed[-1].startswith("sign in"):  # behind the lines about the data set
            printed.append(next(process.stderr))
        process.terminate()
        printed += process.stderr
        assert process.stdout.read() == ""  # it has no result
    assert process.returncode == 130, printed
    return printed


def test_a_search_says_how_to_sign_in_without_the_key(service) -> None:
    printed = printed_at_first(service, "--no-augmentation")
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


#: The id of no network.
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "petz"], "there is no file, folder or data set 'petz'; built in are digits"),
        (["--dataset", "petz", "--target", "kind"], "no file, folder or data set 'petz'"),
        (
            ["--dataset", "missing.npz"],
            "no file or folder missing.npz; expected a table, an npz",
        ),
        (["--dataset", "pets/"], "there is no file or folder pets"),
        (["--dataset", "digits", "--layout", "NHWC"], "for files and folders"),
        (["--dataset", "digits", "--strategy", "luck"], "luck"),
        (["--dataset", "digits", "--strategy-option", "luck"], "expected NAME=VALUE"),
        (["--dataset", "digits", "--strategy-option", "luck=1"], "luck"),
        (["--dataset", "digits", "--max-latency", "0.002"], "expected latency"),
        (["--dataset", "digits", "--max-parameters", "120"], "bounds are too small"),
        (["--dataset", "digits", "--morphisms", "widen, grow"], "unknown morphism 'grow'"),
        (["--dataset", "digits", "--morphisms", ","], "at least 1 item"),
        (["--dataset", "digits", "--without-layers", "silu,swish"], "unknown layer 'swish'"),
        (["--dataset", "digits", "--max-flops", "2000", "--cost", "flops"], "bounds are too small"),
        (["--dataset", "digits", "--trials", "1", "--export", "/proc/net"], "/proc"),
        (["--dataset", "digits", "--keep-accuracy"], "add --root FILE"),
        (["--dataset", "digits", "--root", "absent.onnx"], "there is no file absent.onnx"),
        (["--dataset", "digits", "--root", "absent"], "no file or folder absent; expected an ONNX"),
        (["--dataset", "digits", "--root", "weights.pt"], "expected an ONNX file"),
        (["--dataset", "digits", "--root", "m.onnx", "--root-mean", "a,b"], "--root-mean is 'a,b'"),
        (["--dataset", "digits", "--root", NOWHERE], f"there is no network {NOWHERE}"),
        (["--dataset", "digits", "--root", NOWHERE, "--root-scale", "16"], "leave them out"),
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


def test_the_folder_for_the_export_is_checked_before_the_search(service) -> None:
    options = ["--dataset", "digits", "--trials", "1", "--data-dir", str(service.directory)]
    ended = subprocess.run(
        [*NETMORPH, "search", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/proc",
        env=clean_environment() | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert "/proc cannot be written" in refused(ended)


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ((), {}),
        (
            ("population=20", "rate=0.5", "ageing=true", "kind=a=b", "no=NaN"),
            {"population": 20, "rate": 0.5, "ageing": True, "kind": "a=b", "no": "NaN"},
        ),
    ],
)
def test_options_of_a_strategy_are_numbers_truths_or_texts(texts, options) -> None:
    assert _options(texts) == options


def onnx_file(path: Path, classes: int) -> Path:
    """A linear classifier of the digits."""
    return export(nn.Sequential(nn.Flatten(), nn.Linear(64, classes)).eval(), (1, 8, 8), path)


def torch_program(path: Path, classes: int) -> Path:
    """The same, of torch.export."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, classes)).eval()
    return save_program(program_of(model, (1, 8, 8)), path)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch's own pytree
@pytest.mark.parametrize("write", [onnx_file, torch_program])
def test_a_search_starts_from_the_network_of_a_file(netmorph, service, tmp_path, write) -> None:
    mine = write(tmp_path / f"mine.{'onnx' if write is onnx_file else 'pt2'}", 10)

    printed = printed_at_first(service, "--root", mine, "--root-scale", "16", "--name", "rooted")

    assert any(line.split() == ["root", "mine,", "652", "parameters"] for line in printed)
    with Client(service.url, service.key) as client:
        (search,) = [one for one in client.searches() if one["name"] == "rooted"]
        assert search["root"] is not None
        again = ("--root", search["root"], "--dry-run", "--json", "--data-dir", service.directory)
        preview = json.loads(netmorph("search", "--dataset", "digits", *again).stdout)
        assert [one["parameters"] for one in preview["roots"]] == [652]
        client.delete(search["id"])


def test_a_search_starts_from_an_architecture_without_weights(service, tmp_path) -> None:
    kinds = [{"kind": "input", "shape": [1, 8, 8]}, {"kind": "flatten"}]
    kinds += [{"kind": "dense", "units": 10}, {"kind": "output"}]
    nodes = [{"id": n, **one, "inputs": [n - 1] * (n > 0)} for n, one in enumerate(kinds)]
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"version": 1, "nodes": nodes}))

    printed = printed_at_first(service, "--root", mine)

    assert any(line.split() == ["root", "mine,", "random", "weights"] for line in printed)


def test_a_network_for_other_data_is_an_error_that_says_what_is_expected(
    netmorph, service, tmp_path
) -> None:
    mine = onnx_file(tmp_path / "mine.onnx", 9)
    ended = netmorph(
        "search", "--dataset", "digits", "--root", mine, "--data-dir", service.directory
    )
    assert "the network has 9 outputs; expected 10, one for each class" in refused(ended)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.3, "less than a second of training"), (75, "about 1:15 of training")]
)
def test_the_times_of_a_dry_run_are_in_words(seconds, words) -> None:
    root = {"layers": 7, "parameters": 9219, "flops": 18240, "seconds": seconds}
    preview = {
        "roots": [root],
        "trial_seconds": seconds,
        "bounds": {"parameters": 100},
        "workers": 1,
    }
    facts = preview_facts(preview)  # type: ignore[arg-type]
    assert words in str(facts["starts from"])
    assert words in str(facts["later trials"])


def test_a_dry_run_creates_no_search(netmorph, service) -> None:
    options = ("--dataset", "digits", "--minutes", 10, "--dry-run", "--data-dir", service.directory)
    printed = netmorph("search", *options)
    assert printed.returncode == 0, printed.stderr
    assert "starts from" in printed.stdout
    assert " parameters, " in printed.stdout
    with Client(service.url, service.key) as client:
        before = [one["id"] for one in client.searches()]
        found = json.loads(netmorph("search", *options, "--json").stdout)
        assert [one["id"] for one in client.searches()] == before
    assert found["roots"]
