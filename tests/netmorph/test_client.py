"""The client against a real service: what it sends, retries and raises."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pyarrow as pa
import pytest

from netmorph.client import Client
from netmorph.embedded import free_port
from netmorph.errors import ClientError, RefusedRequest, Unreachable
from netmorph.retries import retry_after

#: A second trial is left to suggest, so that the search can be paused at any time.
BODY = {"dataset": "digits", "budget": {"trials": 2}, "parallelism": 1, "strategy": "random"}


@pytest.fixture
def client(service):
    """A client with the administrator's key."""
    with Client(service.url, service.key) as made:
        yield made


class LosesAnswers(httpx.BaseTransport):
    """A network that delivers each request but loses the first answers."""

    def __init__(self, lost: int) -> None:
        self.real = httpx.HTTPTransport()
        self.lost = lost
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        answer = self.real.handle_request(request)
        if self.requests <= self.lost:
            answer.read()
            answer.close()
            raise httpx.ReadError("the answer is lost", request=request)
        return answer

    def close(self) -> None:
        self.real.close()


def test_a_search_is_created_once_although_the_answer_is_lost(service, client) -> None:
    before = len(list(client.searches()))
    network = LosesAnswers(lost=2)
    with Client(service.url, service.key, transport=network) as unlucky:
        created = unlucky.create_search(BODY)
    assert network.requests == 3
    assert [search["id"] for search in client.searches()].count(created["id"]) == 1
    assert len(list(client.searches())) == before + 1
    client.delete(created["id"])


def test_a_request_that_must_not_arrive_twice_is_sent_once(service, client) -> None:
    key = client.create_key("rotated", "user")["id"]
    unlucky = Client(service.url, service.key, transport=LosesAnswers(lost=1))
    with unlucky, pytest.raises(Unreachable, match="the answer is lost"):
        unlucky.rotate_key(key)
    client.revoke_key(key)


def test_a_key_whose_answer_was_lost_is_created_once(service, client) -> None:
    with Client(service.url, service.key, transport=LosesAnswers(lost=1)) as unlucky:
        made = unlucky.create_key("lost", "user")
    assert [key["id"] for key in client.list_keys() if key["name"] == "lost"] == [made["id"]]
    with Client(service.url, made["key"]) as owner:
        assert list(owner.searches(own=True)) == []
    client.revoke_key(made["id"])


def test_lists_are_read_to_the_last_page(client) -> None:
    many = {"budget": {"trials": 101}, "parallelism": 101}
    search = client.create_search(BODY | many)
    while sum(search["trial_counts"].values()) < 101:
        search = client.changed_search(search)
    numbers = [trial["number"] for trial in client.trials(search["id"])]
    client.delete(search["id"])
    assert numbers == list(range(101))


def test_a_change_is_waited_for(client) -> None:
    search = client.create_search(BODY)
    while search["status"] == "pending":
        search = client.changed_search(search)
    assert search["status"] == "running"
    paused = client.pause(search["id"])
    assert client.changed_search(search)["version"] >= paused["version"] > search["version"]
    client.delete(search["id"])


def test_the_end_of_a_search_is_waited_for(client) -> None:
    search = client.create_search(BODY)
    assert client.wait(search["id"], seconds=0)["status"] in {"pending", "running"}
    client.stop(search["id"])
    assert client.wait(search["id"])["status"] == "stopped"
    client.delete(search["id"])


def test_a_wrong_key_is_a_problem(service) -> None:
    with Client(service.url, "netmorph_wrong") as stranger, pytest.raises(RefusedRequest) as caught:
        list(stranger.searches())
    assert caught.value.status == 401


def test_a_refused_field_is_named(client) -> None:
    with pytest.raises(RefusedRequest, match=r"budget\.trials") as caught:
        client.create_search(BODY | {"budget": {"trials": 0}})
    assert caught.value.status == 422


def test_an_unknown_search_is_a_problem(client) -> None:
    with pytest.raises(RefusedRequest) as caught:
        client.search("00000000-0000-0000-0000-000000000000")
    assert caught.value.status == 404


def test_an_address_without_a_service_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, "key") as client, pytest.raises(Unreachable, match=url):
        list(client.searches())


def answering(*answers: httpx.Response) -> Client:
    """A client of a server that gives these answers, one after the other."""
    queue = list(answers)
    transport = httpx.MockTransport(lambda request: queue.pop(0))
    return Client("http://127.0.0.1:1/", "key", transport=transport)


def test_a_web_page_is_not_taken_for_the_service() -> None:
    page = httpx.Response(200, text="<html>", headers={"content-type": "text/html"})
    with (
        answering(page) as client,
        pytest.raises(ClientError, match=r"not a Netmorph service: expected JSON, found text/html"),
    ):
        client.search("s")


def test_a_redirection_is_not_taken_for_the_service() -> None:
    moved = httpx.Response(302, headers={"location": "http://127.0.0.1:1/login"})
    with answering(moved) as client, pytest.raises(ClientError, match=r"status 302.*address"):
        list(client.searches())


def test_a_request_to_a_busy_service_is_repeated_until_it_answers() -> None:
    busy = [httpx.Response(status) for status in (502, 503, 429)]
    with answering(*busy, httpx.Response(200, json={"id": "s"})) as client:
        assert client.search("s") == {"id": "s"}


def test_a_request_waits_as_long_as_the_service_says_and_the_log_says_so_without_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    document = {"detail": "too many wrong keys"}
    busy = httpx.Response(429, headers={"Retry-After": "1"}, json=document)
    with answering(busy, httpx.Response(200, json={"id": "s"})) as client:
        begin = time.monotonic()
        client.search("s")
        assert time.monotonic() - begin >= 1
    warning = "too many wrong keys; next try in 1 s"
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [warning]
    assert "key " not in caplog.text.replace("wrong keys", "")


def test_a_wait_beyond_patience_is_an_error_at_once() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "3600"})
    with answering(busy) as client, pytest.raises(RefusedRequest) as caught:
        client.search("s")
    assert caught.value.retry_after == 3600


def test_too_many_requests_is_retried_for_a_request_that_must_not_arrive_twice() -> None:
    created = httpx.Response(201, json={"id": "k"})
    with answering(httpx.Response(429), created) as client:
        assert client.rotate_key("k")["id"] == "k"
    with answering(httpx.Response(503), created) as client, pytest.raises(RefusedRequest):
        client.rotate_key("k")


def test_a_deletion_whose_answer_was_lost_is_no_error() -> None:
    with answering(httpx.Response(503), httpx.Response(404)) as client:
        client.delete("s")
    with answering(httpx.Response(404)) as client, pytest.raises(RefusedRequest):
        client.delete("s")


def test_an_upload_is_sent_again_from_its_beginning(tmp_path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"the bytes of the file")
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(503 if len(bodies) == 1 else 201, json={"id": "d"})

    with Client("http://127.0.0.1:1/", "key", transport=httpx.MockTransport(answer)) as client:
        assert client.add_dataset(path, "a")["id"] == "d"
    assert [b"the bytes of the file" in body for body in bodies] == [True, True]


def test_arrays_are_uploaded_as_a_data_set(client) -> None:
    x, y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2
    made = client.add_arrays("of arrays", {"task": "image-classification"}, x=x, y=y)
    assert (made["input_shape"], made["classes"]) == ([3], 2)
    assert client.add_arrays("of arrays", {"task": "image-classification"}, x=x, y=y) == made
    with pytest.raises(RefusedRequest, match="x"):
        client.add_arrays("without examples", y=y)
    client.delete_dataset(made["id"])


def test_a_frame_is_uploaded_as_a_data_set(client) -> None:
    columns = {"size": [k * 7 % 11 / 4 for k in range(40)], "sold": ["no", "yes"] * 20}
    made = client.add_frame(pa.table(columns), "of a frame", {"target": "sold"})
    assert made["class_names"] == ["no", "yes"]
    with pytest.raises(ValueError, match="found dict; expected a data frame"):
        client.add_frame(columns, "of a dictionary")
    client.delete_dataset(made["id"])


def test_a_large_upload_has_the_time_that_its_conversion_takes(tmp_path) -> None:
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx.Response(201, json={"id": "d"})

    with Client("http://127.0.0.1:1/", "key", transport=httpx.MockTransport(answer)) as client:
        for size in (10, 2**26):
            (tmp_path / "data").write_bytes(bytes(size))
            client.add_dataset(tmp_path / "data", "a")
    assert waits == [pytest.approx(600, abs=0.1), 616]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("²", None),
    ],
)
def test_the_requested_wait_is_a_number_or_a_date(header, seconds) -> None:
    assert retry_after(header) == seconds


def test_an_address_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(ClientError) as caught:
        Client("http://me:secret@127.0.0.1:1", "key")
    assert "secret" not in str(caught.value)


class Records(httpx.HTTPTransport):
    """A network that remembers the status of each answer."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[int] = []
        self.sending = threading.Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sending.set()
        answer = super().handle_request(request)
        self.statuses.append(answer.status_code)
        return answer


def test_a_client_that_waits_for_a_change_survives_a_restart_of_the_service(
    service, client
) -> None:
    search = client.pause(client.create_search(BODY)["id"])
    network = Records()

    def wait_for_end(waiting: Client) -> dict[str, object]:
        current = search
        while current["status"] != "stopped":
            current = waiting.changed_search(current)
        return current

    with (
        Client(service.url, service.key, transport=network) as waiting,
        ThreadPoolExecutor(1) as pool,
    ):
        future = pool.submit(wait_for_end, waiting)
        network.sending.wait()
        with httpx.stream(
            "GET",
            f"{service.url}/v1/searches/{search['id']}/events",
            headers={"Authorization": f"Bearer {service.key}"},
        ) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry")  # so the request before it has arrived
            service.child("api").terminate()
            list(lines)  # the stream ends as a stream should
        client.stop(search["id"])
        assert future.result()["id"] == search["id"]
    client.delete(search["id"])


def test_a_refusal_without_a_document_is_described_by_its_status() -> None:
    with answering(httpx.Response(418)) as client, pytest.raises(RefusedRequest, match="418"):
        client.search("s")


def test_an_unchanged_search_is_returned_as_it_was() -> None:
    search = {"id": "s", "version": 7}
    with answering(httpx.Response(304)) as client:
        assert client.changed_search(search) is search  # type: ignore[arg-type]


def test_pages_are_requested_one_after_the_other() -> None:
    pages = [
        httpx.Response(200, json={"items": [1, 2], "next_cursor": "c"}),
        httpx.Response(200, json={"items": [3], "next_cursor": None}),
    ]
    with answering(*pages) as client:
        items = client.searches()
        assert next(items) == 1
        assert list(items) == [2, 3]


def test_the_epochs_of_a_trial_are_those_of_all_pages() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("cursor"))
        more = len(asked) < 3
        page = {"items": [{"epoch": len(asked)}], "next_cursor": f"c{len(asked)}" if more else None}
        return httpx.Response(200, json=page)

    transport = httpx.MockTransport(answer)
    with Client("http://127.0.0.1:1/", "key", transport=transport) as client:
        assert [one["epoch"] for one in client.epochs("t")] == [1, 2, 3]
    assert asked == [None, "c1", "c2"]


def test_a_failed_download_is_retried_from_its_beginning(tmp_path) -> None:
    answers = [httpx.Response(503), httpx.Response(200, content=b"archive")]
    with answering(*answers) as client:
        client.download_export("s", tmp_path / "export.zip")
    assert (tmp_path / "export.zip").read_bytes() == b"archive"


def test_an_export_of_a_trial_is_followed_to_its_end() -> None:
    state = {"trial_id": "t", "search_id": "s", "number": 7, "status": "waiting", "reason": ""}
    trials = {"items": [{"number": 7, "id": "t"}], "next_cursor": None}
    ends = [state | {"status": "completed"}, state | {"status": "failed", "reason": "it errs"}]
    for end in ends:
        answers = [trials, state, {"id": "s", "version": 1}, state, {"id": "s", "version": 2}, end]
        with answering(*(httpx.Response(200, json=one) for one in answers)) as client:
            if end["status"] == "completed":
                assert client.export("s", trial=7) == end
            else:
                with pytest.raises(ClientError, match="the export of trial 7 is failed: it errs"):
                    client.export("s", trial=7)


def test_the_export_of_a_trial_is_downloaded_by_its_number(tmp_path) -> None:
    trials = {"items": [{"number": 7, "id": "t"}], "next_cursor": None}
    answers = [httpx.Response(200, json=trials), httpx.Response(200, content=b"archive")]
    with answering(*answers) as client:
        client.download_export("s", tmp_path / "export.zip", trial=7)
    assert (tmp_path / "export.zip").read_bytes() == b"archive"
