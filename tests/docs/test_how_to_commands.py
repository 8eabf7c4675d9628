"""The commands and the Python of the how-to pages run, in the order of each page, on a service.

A search of minutes is run with `--dry-run`, which does everything but the training: its data is
uploaded and understood, and its settings are checked.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netmorph.client import Client
from tests.docs.supposed_files import FILES, SEARCHES
from tests.docs.test_examples import BLOCKS, COMMAND, SHELL, Block, words_of
from tests.docs.test_how_to import HOW_TO
from tests.netmorph.conftest import _called
from tests.running_service import ADMIN_KEY, RunningService

_EXPORT = "programs of an export: tests/worker/trainer/export runs them"
_TRIALS = "exports of trials: tests/e2e/test_trial_exports.py orders them"
_LARGE = "Fashion-MNIST is not installed everywhere, and its import takes long"
_ESTIMATORS = "estimators: tests/netmorph/test_estimators.py fits them"
_CONTAINERS = "needs Docker and machines: tests/test_deployment.py and tests/deploy check the files"
#: Blocks, and lines of blocks, that are parsed and not run (by `test_examples`), with the reason.
PARSED = {
    "add-a-layer": {"": "tests/docs/test_how_to.py adds its code and runs its command"},
    "add-a-strategy": {"": "tests/docs/test_how_to.py adds its code and runs its command"},
    "add-a-task-type": {"": "tests/docs/test_how_to.py adds its code and runs its command"},
    "constraints-and-front": {
        "netmorph search --dataset fashion-mnist": _LARGE, "netmorph export last --": _TRIALS,
    },
    "deploy": {
        "pip install": "installs packages", "python pets/predict.py": _EXPORT,
        "cat new.csv": _EXPORT, "netmorph predict pets": _EXPORT, "curl": _EXPORT,
        "cd pets && python serve.py": _EXPORT, "cd pets && docker": _CONTAINERS,
        "import json": _EXPORT, "import torch": _EXPORT,
        "netmorph search --dataset fashion-mnist": _LARGE,
        "netmorph export last --to pets --torch-program": _EXPORT, "python pets/torch": _EXPORT,
        "netmorph export SEARCH --": _TRIALS,
    },
    "improve-a-network": {
        "pip install": "installs packages",
        '"""Train a small network': "tests/docs/test_improve_a_network.py runs it",
        "batch = torch.export": "tests/docs/test_improve_a_network.py runs it",
        "python examples/improve_a_network.py": "takes minutes",
    },
    "mcp": {"pip install": "installs packages"},
    "own-data": {
        "python exports/pets": _EXPORT, "curl": "tests/api/routes/test_operations.py sends such",
    },
    "python": {
        "from sklearn": _ESTIMATORS, "from netmorph import SignalClassifier": _ESTIMATORS,
    },
    "several-gpus": {
        "netmorph up": "starts a service of its own", "cp .env": _CONTAINERS, "docker": _CONTAINERS,
    },
    "tables": {
        "cd exports": _EXPORT, "curl": _EXPORT, "from netmorph": _ESTIMATORS,
    },
    "text": {
        "cd exports": _EXPORT, "curl": _EXPORT, "from netmorph": _ESTIMATORS,
        "python examples/texts_compared.py": "takes minutes",
    },
    "tracking": {
        "pip install": "installs packages", "tensorboard": "needs TensorBoard itself",
        "netmorph track last --mlflow": "makes a database: tests/e2e/test_tracking.py needs none",
        "mlflow": "needs MLflow itself",
    },
    "users-and-keys": {"export NETMORPH": "sets what this test sets"},
    "webhooks": {
        "netmorph webhook ping": "sends a request to another host",
        "from standardwebhooks": "needs a package that Netmorph does not need",
    },
}  # fmt: skip
#: Pages whose newest search still runs; that of the others has completed.
RUNNING = {"several-gpus"}
#: Pages that need a worker after that. The worker of the others is drained: it takes up none of the
#: searches that a page makes, and so has nothing to break off when they are deleted.
TRAINING = {"stop-and-extend"}


def is_parsed_only(page: Path, text: str) -> bool:
    return any(text.lstrip().startswith(start) for start in PARSED.get(page.stem, ()))


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page that are run, in their order."""
    languages = SHELL | {"python", "py"}
    found = [one for one in BLOCKS if one.page == page and one.language in languages]
    return [one for one in found if one.language in SHELL or not is_parsed_only(page, one.code)]


def lines_of(block: Block) -> list[str]:
    """The lines of a block of a shell that are run."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [one for one in lines if one.strip() and not is_parsed_only(block.page, one)]


RUN = [
    page
    for page in sorted(HOW_TO.glob("*.md"))
    if any(one.language not in SHELL or lines_of(one) for one in blocks_of(page))
]


@pytest.fixture
def service(service_processes: RunningService) -> Iterator[RunningService]:
    """The service with its worker; the searches of the page are deleted behind it."""
    service_processes.start_api()
    service_processes.start_worker()
    drain(service_processes, undo=True)
    yield service_processes
    drain(service_processes, undo=True)
    with Client(service_processes.url, ADMIN_KEY) as client:
        for search in list(client.searches()):
            client.delete(search["id"])
        for hook in list(client.webhooks()):
            client.delete_webhook(hook["id"])
    service_processes.wait_until(lambda: not service_processes.rows("SELECT 1 FROM leases"))


def prepare(page: Path, service: RunningService, folder: Path) -> None:
    """Make the files that a page names, and its searches; `last` has completed."""
    run = "\n".join(
        line
        for one in blocks_of(page)
        for line in (lines_of(one) if one.language in SHELL else [one.code])
    )
    for name, make in FILES.items():
        if re.search(rf"(?<![\w/-]){re.escape(name)}", run):
            make(folder / name)
    for name in SEARCHES.get(page.stem, ()):
        made = service.search(name=name)
        service.http.post(f"/v1/searches/{made}:stop").raise_for_status()
    if re.search(r"^netmorph .*\blast\b|client\.searches", run, re.MULTILINE):
        if page.stem in RUNNING:
            drain(service)
        last = service.search(name="pets", budget={"seconds": 600})
        if page.stem not in RUNNING:
            finish(service, last)
    if page.stem not in TRAINING:
        drain(service)


def drain(service: RunningService, *, undo: bool = False) -> None:
    """Give the worker no more trials, or trials again."""
    worker = worker_of(service)
    action = "undrain" if undo else "drain"
    service.http.post(f"/v1/workers/{worker}:{action}").raise_for_status()


def worker_of(service: RunningService) -> str:
    """The id of the worker that runs: those of earlier tests are listed for a day."""
    asked = datetime.now(UTC)

    def heard_of() -> list[str]:
        listed = service.http.get("/v1/workers").json()["items"]
        return [one["id"] for one in listed if datetime.fromisoformat(one["seen_at"]) > asked]

    (worker,) = service.wait_until(heard_of)
    return worker


def finish(service: RunningService, search_id: str) -> None:
    """Let a search of minutes end with what it has, once it has something."""
    service.wait_until(lambda: service.get(search_id)["best"])
    service.http.post(f"/v1/searches/{search_id}:finish").raise_for_status()
    service.wait_until_completed(search_id)


def names_for(service: RunningService) -> dict[str, Any]:
    """What the Python of the pages supposes to be there."""
    rng = np.random.default_rng(0)
    words = ["good", "well made", "bad", "fell apart"]
    return {
        "url": service.url, "key": ADMIN_KEY, "X": rng.normal(size=(60, 3)), "y": np.arange(60) % 2,
        "texts": [f"{words[k % 4]} and {k}" for k in range(60)],
        "labels": [k % 4 < 2 for k in range(60)],
    }  # fmt: skip


def last_of(service: RunningService) -> dict[str, Any]:
    """The newest search, which the commands call `last`."""
    found: dict[str, Any] = service.http.get("/v1/searches").json()["items"][0]
    return found


def run_line(line: str, service: RunningService, folder: Path) -> None:
    """Run a line of a shell, which is a command of ours."""
    found = COMMAND.search(line)
    assert found is not None, f"{line!r} is no command of ours: list it in PARSED with the reason"
    words = words_of(found[1])
    if words[0] == "search":
        words.append("--dry-run")
    if words[:2] == ["watch", "last"]:  # of half an hour
        finish(service, last_of(service)["id"])
    if words[:2] == ["enqueue", "last"]:  # into a search that goes on, and makes no trial of it yet
        last = f"/v1/searches/{last_of(service)['id']}"
        more = {"seconds": service.http.get(last).json()["budget"]["seconds"] + 600}
        service.http.post(f"{last}:extend", json=more).raise_for_status()
        service.http.post(f"{last}:pause").raise_for_status()
    if words[:2] == ["worker", "drain"]:
        words[2] = worker_of(service)
    known = {"NETMORPH_URL": service.url, "NETMORPH_KEY": ADMIN_KEY}
    if "--key" in words:  # as in the page, but for the service that is here
        words = words[: words.index("--url")]
    done = _called(*words, cwd=folder, **known)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.timeout(600)  # a few seconds of work, but minutes on a machine that others use
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_their_order(page, service, tmp_path, monkeypatch):
    prepare(page, service, tmp_path)
    names = names_for(service)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plotly.graph_objects.Figure.show", lambda figure: None)  # opens a browser
    for block in blocks_of(page):
        if block.language in SHELL:
            for line in lines_of(block):
                run_line(line, service, tmp_path)
        else:
            exec(compile(block.code, page.name, "exec"), names)


def test_everything_that_is_parsed_only_is_on_its_page():
    for page, starts in PARSED.items():
        blocks = [one for one in BLOCKS if one.page.stem == page and one.page.parent == HOW_TO]
        texts = [one.code for one in blocks]
        texts += [line for one in blocks if one.language in SHELL for line in one.code.splitlines()]
        for start in starts:
            assert any(text.lstrip().startswith(start) for text in texts), f"{page}: {start}"


def test_the_tutorial_describes_its_data_as_the_command_does(tmp_path, monkeypatch):
    blocks = [one for one in BLOCKS if one.page.stem == "tutorial"]
    program = next(one.code for one in blocks if one.language == "python")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "tutorial", "exec"), {})
    assert len(list((tmp_path / "new").iterdir())) == 7

    (shown,) = [one.code for one in blocks if one.code.startswith("$ netmorph dataset describe")]
    command, _, expected = shown.partition("\n")
    done = _called(*words_of(command.removeprefix("$ ")), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == expected.split()
