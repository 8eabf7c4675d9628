"""Uploads that the service imports after it has answered, and those of older services."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from netmorph import retries
from netmorph.client import Client
from netmorph.errors import ClientError, RefusedRequest

PROBLEM = {"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "no x"}
DIED = PROBLEM | {"title": "Service Unavailable", "status": 503, "detail": "has died"}
DATASET = httpx.Response(200, json={"id": "d"})


def operation(code: int = 200, status: str = "running", **fields: Any) -> httpx.Response:
    """An answer with the operation o, whose ETag is its step."""
    known = {
        "id": "o", "name": "a", "status": status, "step": "", "dataset_id": None, "problem": None,
    }  # fmt: skip
    body = known | fields
    return httpx.Response(code, json=body, headers={"ETag": f'"{body["step"]}"'})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.npz"
    made.write_bytes(b"the bytes of the file")
    return made


class Service:
    """A service that gives these answers, one after the other, and notes the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def calls(self) -> list[str]:
        return [f"{one.method} {one.url.path}" for one in self.requests]

    def add(self, path: Path, on_step: Callable[[str], None] = lambda step: None) -> Any:
        transport = httpx.MockTransport(self.answer)
        with Client("http://127.0.0.1:1/", "key", transport=transport) as client:
            return client.add_dataset(path, "a", on_step=on_step)


def test_an_older_service_answers_with_the_data_set(path: Path) -> None:
    service = Service(httpx.Response(201, json={"id": "d"}))
    assert service.add(path) == {"id": "d"}
    assert service.requests[0].headers["prefer"] == "respond-async"


def test_an_operation_is_followed_to_its_data_set(path: Path) -> None:
    steps: list[str] = []
    service = Service(
        operation(202, step="waiting"),
        operation(step="reading"),
        httpx.Response(304, headers={"ETag": '"reading"'}),
        operation(step="", status="done", dataset_id="d"),
        DATASET,
    )

    assert service.add(path, steps.append) == {"id": "d"}

    assert steps == ["reading", "reading"]
    follow = "GET /v1/operations/o"
    assert service.calls == ["POST /v1/datasets", *[follow] * 3, "GET /v1/datasets/d"]
    polls = service.requests[1:4]
    assert [one.headers["if-none-match"] for one in polls] == ['"waiting"', *['"reading"'] * 2]
    assert {one.url.params["wait"] for one in polls} == {"20.0"}


def test_an_operation_that_has_ended_already_is_not_asked_for(path: Path) -> None:
    service = Service(operation(202, status="done", dataset_id="d"), DATASET)
    assert service.add(path) == {"id": "d"}


def test_a_failed_operation_raises_its_problem(path: Path) -> None:
    service = Service(operation(202), operation(status="failed", problem=PROBLEM))
    with pytest.raises(RefusedRequest, match="no x") as caught:
        service.add(path)
    assert (caught.value.status, caught.value.title) == (422, "Unprocessable Entity")
    assert len(service.requests) == 2


def test_a_cancelled_operation_raises_its_problem_and_the_file_is_not_sent_again(
    path: Path,
) -> None:
    cancelled = PROBLEM | {"title": "Conflict", "status": 409, "detail": "cancelled by me"}
    service = Service(operation(202), operation(status="cancelled", problem=cancelled))
    with pytest.raises(RefusedRequest, match="cancelled by me") as caught:
        service.add(path)
    assert caught.value.status == 409
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (operation(status="cancelled", problem=PROBLEM), "the import is cancelled, and nothing"),
        (
            httpx.Response(409, json=PROBLEM | {"detail": "it is done"}),
            "not cancelled .*it is done",
        ),
        (httpx.Response(404, json={}), "not cancelled the import"),  # an older service
        (httpx.ReadTimeout("slow"), "the service does not answer; it may go on"),
    ],
)
def test_an_interruption_cancels_the_operation_and_says_whether_that_worked(
    path: Path, answer: Any, note: str
) -> None:
    def interrupt(step: str) -> None:
        raise KeyboardInterrupt

    service = Service(operation(202), operation(step="reading"), answer)
    with pytest.raises(KeyboardInterrupt) as caught:
        service.add(path, interrupt)
    assert service.calls[1:] == ["GET /v1/operations/o", "POST /v1/operations/o:cancel"]
    (said,) = caught.value.__notes__
    assert re.search(note, said)


def test_an_operation_is_cancelled_by_its_id() -> None:
    service = Service(operation(status="cancelled", problem=PROBLEM))
    transport = httpx.MockTransport(service.answer)
    with Client("http://127.0.0.1:1/", "key", transport=transport) as client:
        assert client.cancel_operation("o")["status"] == "cancelled"
    assert service.calls == ["POST /v1/operations/o:cancel"]


def test_what_passes_is_waited_for_and_a_file_whose_import_died_is_sent_again(path: Path) -> None:
    service = Service(
        operation(202),
        httpx.Response(503),
        operation(status="failed", problem=DIED),
        operation(202, status="done", dataset_id="d"),
        DATASET,
    )
    assert service.add(path) == {"id": "d"}
    uploads = [one for one in service.requests if one.method == "POST"]
    assert [b"the bytes of the file" in one.content for one in uploads] == [True, True]


def test_a_file_is_sent_again_however_long_its_import_took(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PATIENCE", 0.0)
    died = operation(status="failed", problem=DIED)
    service = Service(operation(202), died, operation(202, status="done", dataset_id="d"), DATASET)
    assert service.add(path) == {"id": "d"}


def test_a_file_whose_imports_die_is_sent_three_times(path: Path) -> None:
    service = Service(*[operation(202, status="failed", problem=DIED)] * 3)
    with pytest.raises(RefusedRequest, match="has died"):
        service.add(path)
    assert service.calls == ["POST /v1/datasets"] * 3


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "running"}, [], "x", {"id": "o", "status": "weird"}],
    ids=["empty", "no-id", "list", "text", "unknown-state"],
)
def test_an_answer_that_is_no_operation_is_an_error_of_the_client(path: Path, body: Any) -> None:
    with pytest.raises(ClientError, match="no operation"):
        Service(httpx.Response(202, json=body)).add(path)


@pytest.mark.parametrize("problem", [None, {"status": "abc"}, PROBLEM | {"status": 500}])
def test_a_failure_without_a_proper_problem_is_a_refusal(path: Path, problem: Any) -> None:
    with pytest.raises(RefusedRequest) as caught:
        Service(operation(202, status="failed", problem=problem)).add(path)
    assert caught.value.status == 500


def test_a_data_set_that_was_deleted_meanwhile_is_an_error(path: Path) -> None:
    service = Service(operation(202, status="done"))
    with pytest.raises(ClientError, match="'a' was deleted as soon as it was imported"):
        service.add(path)


class Answers(httpx.HTTPTransport):
    """A network that notes the status of each answer."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.statuses.append(answer.status_code)
        return answer


@pytest.fixture
def network() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.close()


def test_the_service_of_this_release_imports_in_the_background(
    service: Any, network: Answers, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    np.savez(good, x=np.zeros((40, 4, 4), np.uint8), y=np.arange(40) % 2)
    np.savez(bad, x=np.zeros((40, 4, 4), np.uint8), y=np.arange(39) % 2)
    with Client(service.url, service.key, transport=network) as client:
        made = client.add_dataset(good, "in the background")
        assert network.statuses[0] == 202
        assert made["name"] == "in the background"
        with pytest.raises(RefusedRequest) as refused:
            client.add_dataset(bad, "refused")
        failed, done, *_ = client.operations()
        assert (failed["status"], done["dataset_id"]) == ("failed", made["id"])
        with pytest.raises(RefusedRequest, match="is done; only one that is running"):
            client.cancel_operation(done["id"])
        client.delete_dataset(made["id"])

    headers = {"Authorization": f"Bearer {service.key}"}
    files = {"file": ("data", bad.read_bytes())}
    at_once = httpx.post(
        f"{service.url}/v1/datasets", data={"name": "refused"}, files=files, headers=headers
    )
    assert (refused.value.status, refused.value.detail) == (422, at_once.json()["detail"])
