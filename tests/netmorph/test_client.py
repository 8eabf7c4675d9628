"""The client against a real service: what it sends, retries and raises."""

import httpx
import pytest

from netmorph.client import Client
from netmorph.embedded import free_port
from netmorph.errors import Problem, Unreachable

pytestmark = pytest.mark.xdist_group("machine")

WISH = {"dataset": "digits", "budget": {"trials": 1}, "strategy": "random"}


@pytest.fixture
def client(service):
    """A client with the administrator's key."""
    with Client(service.url, service.key) as made:
        yield made


class Deaf(httpx.BaseTransport):
    """A network that delivers each request, and loses the first answers."""

    def __init__(self, lost: int) -> None:
        self.real = httpx.HTTPTransport()
        self.lost = lost
        self.sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        answer = self.real.handle_request(request)
        if self.sent <= self.lost:
            answer.read()
            answer.close()
            raise httpx.ReadError("the answer is lost", request=request)
        return answer

    def close(self) -> None:
        self.real.close()


def test_a_search_is_created_once_although_the_answer_is_lost(service, client) -> None:
    before = len(list(client.searches()))
    network = Deaf(lost=2)
    with Client(service.url, service.key, transport=network) as unlucky:
        created = unlucky.create_search(WISH)
    assert network.sent == 3
    assert [search["id"] for search in client.searches()].count(created["id"]) == 1
    assert len(list(client.searches())) == before + 1
    client.delete(created["id"])


def test_what_must_not_arrive_twice_is_sent_once(service, client) -> None:
    unlucky = Client(service.url, service.key, transport=Deaf(lost=1))
    with unlucky, pytest.raises(Unreachable, match="the answer is lost"):
        unlucky.create_key("lost", "user")
    (lost,) = [key for key in client.list_keys() if key["name"] == "lost"]
    client.revoke_key(lost["id"])


def test_lists_are_read_to_the_last_page(client) -> None:
    many = {"budget": {"trials": 101}, "parallelism": 101}
    search = client.create_search(WISH | many)
    while sum(search["trial_counts"].values()) < 101:
        search = client.changed_search(search)
    numbers = [trial["number"] for trial in client.trials(search["id"])]
    client.delete(search["id"])
    assert numbers == list(range(101))


def test_a_change_is_waited_for(client) -> None:
    search = client.create_search(WISH)
    while search["status"] == "pending":
        search = client.changed_search(search)
    assert search["status"] == "running"
    paused = client.pause(search["id"])
    assert client.changed_search(search)["version"] >= paused["version"] > search["version"]
    client.delete(search["id"])


def test_a_wrong_key_is_a_problem(service) -> None:
    with Client(service.url, "netmorph_wrong") as stranger, pytest.raises(Problem) as caught:
        list(stranger.searches())
    assert caught.value.status == 401


def test_a_refused_field_is_named(client) -> None:
    with pytest.raises(Problem, match=r"budget\.trials") as caught:
        client.create_search(WISH | {"budget": {"trials": 0}})
    assert caught.value.status == 422


def test_an_unknown_search_is_a_problem(client) -> None:
    with pytest.raises(Problem) as caught:
        client.search("00000000-0000-0000-0000-000000000000")
    assert caught.value.status == 404


def test_silence_is_told_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, "key") as client, pytest.raises(Unreachable, match=url):
        list(client.searches())
