"""A controller for tests of the worker: a real HTTP server that leases prepared orders."""

import json
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import torch

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.leases import HandBack, LeaseRequest
from core.protocol.contracts.reports import Answer, EpochReport, Heartbeat
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.contracts.train_orders import TrainOrder
from tests.waiting import wait_for
from worker.settings import Settings

PLAYER = Path(__file__).parent / "trainer_scripts" / "player.py"
KEY = "netmorph_" + "k" * 43


@pytest.fixture(autouse=True)
def _restored_threads() -> Iterator[None]:
    """Every test leaves torch as many threads as it found."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class ScriptedController:
    """Leases its orders one by one, and records every report."""

    def __init__(self) -> None:
        self.waiting: list[TrainOrder] = []
        self.lease_seconds = 3.0
        self.down = False  # every request gets 503
        self.is_old = False  # it knows no request for another trial within a result
        self.gathers_epochs = False  # its orders allow several epochs in one report
        self.answers: dict[UUID, Answer] = {}  # to the heartbeats and epochs of a trial
        self.stale: set[UUID] = set()  # trials whose reports get 409
        self.leases: list[tuple[str, LeaseRequest]] = []  # path and body of every request
        self.heartbeats: dict[UUID, list[Heartbeat]] = defaultdict(list)
        self.epochs: dict[UUID, list[EpochReport]] = defaultdict(list)
        self.checkpoints: dict[UUID, list[CheckpointReport]] = defaultdict(list)
        self.reported: dict[UUID, list[str]] = defaultdict(list)  # kinds, heartbeats left out
        self.handed_back: list[UUID] = []
        self.results: dict[UUID, list[TrialResult]] = defaultdict(list)
        self.trained: list[UUID] = []  # trials in the order of their results
        self.refused = 0  # requests answered 503
        self.retry_after = ""  # a header of every answer, if any
        self._changed = threading.Condition()  # notified after every request
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, condition: Callable[[], Any], seconds: float) -> bool:
        """Wait until a request makes the condition true; False where none does in this time."""
        with self._changed:
            return bool(self._changed.wait_for(condition, seconds))

    def until(self, condition: Callable[[], Any], seconds: float = 15.0) -> None:
        """Wait until a request makes the condition true; fail where none does in this time."""
        assert self.wait_for(condition, seconds), f"not within {seconds} s: {condition}"

    def add(self, part: str, max_seconds: float | None = None, **arguments: Any) -> TrainOrder:
        """A new waiting trial that the trainer will play."""
        digest = "0" * 64
        order = TrainOrder(
            search_id=uuid4(),
            trial_id=uuid4(),
            number=len(self.waiting),
            attempt=1,
            token=uuid4(),
            lease_seconds=self.lease_seconds,
            task="image-classification",
            seed=1,
            architecture={},
            dataset=BlobRef(key=f"datasets/{digest}.safetensors", sha256=digest, bytes=1),
            dataset_name="digits",
            dataset_spec=DatasetSpec(
                input_shape=(1, 8, 8),
                classes=2,
                class_names=("a", "b"),
                train_examples=8,
                test_examples=2,
                dtype="uint8",
            ),
            hyperparameters=Hyperparameters(epochs=1, max_seconds=max_seconds),
            history={"play": [part, arguments]},
            gathers_epochs=self.gathers_epochs,
        )
        with self._changed:
            self.waiting.append(order)
        return order

    def answer(self, path: str, body: bytes) -> tuple[int, str]:
        """The status and body for one request."""
        with self._changed:
            self._changed.notify_all()
            if self.down:
                self.refused += 1
                return 503, "down"
            parts = path.removeprefix("/v1/worker/").split("/")
            if parts[-1] == "lease":
                return self._lease(path, parts, LeaseRequest.model_validate_json(body))
            return self._report(UUID(parts[1]), parts[2], body)

    def _lease(self, path: str, parts: list[str], request: LeaseRequest) -> tuple[int, str]:
        self.leases.append((path, request))
        for order in self.waiting:
            if parts[0] == "lease" or order.trial_id == UUID(parts[1]):
                self.waiting.remove(order)
                return 200, order.model_dump_json()
        return (204, "") if parts[0] == "lease" else (409, "not waiting")

    def _report(self, trial_id: UUID, report: str, body: bytes) -> tuple[int, str]:
        if trial_id in self.stale:
            return 409, "stale"
        if report != "heartbeat":
            self.reported[trial_id].append(report)
        if report == "hand-back":
            HandBack.model_validate_json(body)
            self.handed_back.append(trial_id)
            return 204, ""
        if report == "checkpoint":
            self.checkpoints[trial_id].append(CheckpointReport.model_validate_json(body))
        elif report == "heartbeat":
            self.heartbeats[trial_id].append(Heartbeat.model_validate_json(body))
        elif report == "epochs":
            self.epochs[trial_id].append(EpochReport.model_validate_json(body))
        else:
            self.trained.append(trial_id)
            self.results[trial_id].append(TrialResult.model_validate_json(body))
            asks = self.results[trial_id][-1].next is not None and not self.is_old
            order = self.waiting.pop(0) if asks and self.waiting else None
            return 200, ResultAnswer(accepted=True, next=order).model_dump_json()
        return 200, self.answers.get(trial_id, Answer()).model_dump_json()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        controller = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = controller.answer(self.path, body)
                if self.headers["Authorization"] != f"Bearer {KEY}":
                    status, text = 401, "wrong key"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                if controller.retry_after:
                    self.send_header("Retry-After", controller.retry_after)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def controller() -> Iterator[ScriptedController]:
    """A scripted controller that listens on a free port."""
    scripted = ScriptedController()
    yield scripted
    scripted.close()


@pytest.fixture
def settings(controller: ScriptedController, tmp_path: Path, storage_url: str) -> Settings:
    """Settings of a worker with short deadlines, whose trainer plays scripts."""
    return Settings(
        api_url=controller.url,
        worker_key=KEY,
        broker_url="redis://127.0.0.1:1/0",
        storage_url=storage_url,
        worker_name="tester",
        device="cpu",
        threads=1,
        cache_dir=tmp_path / "cache",
        heartbeat_seconds=0.1,
        poll_seconds=0.1,
        hang_seconds=15.0,  # also the time that a trainer has to start
        stop_seconds=0.5,
        trainer_command=(sys.executable, str(PLAYER)),
    )


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits for a change in another process that no event announces; fails where it never comes."""
    return partial(wait_for, seconds=15.0)


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process has ended (a zombie has)."""

    def check(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (ProcessLookupError, FileNotFoundError):
            return True

    return check


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings as the environment of a worker process."""
    fields = SimpleNamespace(**settings.model_dump())
    return os.environ | {
        "NETMORPH_API_URL": fields.api_url,
        "NETMORPH_WORKER_KEY": KEY,
        "NETMORPH_STORAGE_URL": fields.storage_url,
        "NETMORPH_WORKER_NAME": fields.worker_name,
        "NETMORPH_DEVICE": "cpu",
        "NETMORPH_THREADS": "1",
        "NETMORPH_CACHE_DIR": str(fields.cache_dir),
        "NETMORPH_HEARTBEAT_SECONDS": str(fields.heartbeat_seconds),
        "NETMORPH_POLL_SECONDS": str(fields.poll_seconds),
        "NETMORPH_STOP_SECONDS": str(fields.stop_seconds),
        "NETMORPH_TRAINER_COMMAND": json.dumps(fields.trainer_command),
    }
