"""Deliveries reach a real receiver: signed, at least once, and nothing else that they must not."""

import signal
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, text, update
from standardwebhooks import Webhook as Standard
from standardwebhooks import WebhookVerificationError

from api.controller.deliverer import Deliverer
from api.models.keys import Key
from api.models.webhooks import Delivery, Webhook
from api.store import deliveries, searches
from api.store.keys import Caller


class Receiver:
    """A web server that keeps what it was sent; it answers with the next of its statuses."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.arrived, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((dict(self.headers), body))
                receiver.arrived.set()
                receiver.may_answer.wait(60)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.may_answer.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def deliverer(world: Any) -> Iterator[Deliverer]:
    made = Deliverer(world.sessions, private=True)
    yield made
    made.stop()


@pytest.fixture
def hooked(world: Any, receiver: Receiver) -> Callable[..., Caller]:
    """Makes a user with a webhook for each event at the receiver, or at another URL."""

    def make(url: str | None = None, events: tuple[str, ...] = ("search.stopped",)) -> Caller:
        caller: Caller = world.caller()
        with world.sessions.begin() as session:
            address = url or f"http://localhost:{receiver.port}/hook?a=1"
            session.add(
                Webhook(owner_id=caller.key_id, name="x", url=address, events=list(events),
                        secret=b"s" * 32)
            )  # fmt: skip
        return caller

    return make


def stopped(world: Any, caller: Caller) -> UUID:
    """A search that has ended."""
    search: UUID = world.search(caller)
    with world.sessions.begin() as session:
        searches.stop(session, caller, search)
    return search


def log(world: Any) -> list[Delivery]:
    with world.sessions.begin() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.created_at)))


def make_due(world: Any) -> None:
    """Let the pause before the next attempt, and any claim, be over."""
    past = text("now() - interval '1 s'")
    with world.sessions.begin() as session:
        session.execute(update(Delivery).values(due_at=past))
        claimed = update(Delivery).where(Delivery.claimed_until.is_not(None))
        session.execute(claimed.values(claimed_until=past))


def test_a_delivery_is_signed_and_sent_again_with_its_id_until_it_is_accepted(
    world, receiver, deliverer, hooked
) -> None:
    caller = hooked()
    search = stopped(world, caller)
    stopped(world, hooked(events=("search.failed",)))  # which wants to hear of other events
    receiver.statuses = [500, 302]

    for error in ("answered 500", "redirects are not followed"):
        assert deliverer.deliver_due()
        assert not deliverer.deliver_due(), "before its pause is over it is not due"
        (one,) = log(world)
        assert one.status == "pending"
        assert error in one.error
        make_due(world)
    assert deliverer.deliver_due()

    (one,) = log(world)
    assert (one.status, one.attempts, one.answer, one.error) == ("delivered", 3, 204, "")
    key = Standard("whsec_" + b64encode(b"s" * 32).decode())
    for headers, body in receiver.requests:
        event: Any = key.verify(body, headers)
        assert headers["Host"] == f"localhost:{receiver.port}"
        assert event["type"] == "search.stopped"
        assert event["data"]["search_id"] == str(search)
        assert event["data"]["reason"] == f"stopped by {caller.name}"
        with pytest.raises(WebhookVerificationError):
            key.verify(body.replace(b"stopped", b"started"), headers)
    assert len({(headers["webhook-id"], body) for headers, body in receiver.requests}) == 1


def test_a_delivery_fails_after_its_last_attempt_and_at_once_where_the_receiver_is_gone(
    world, receiver, deliverer, hooked
) -> None:
    stopped(world, hooked())
    with world.sessions.begin() as session:
        session.execute(update(Delivery).values(attempts=deliveries.MOST_ATTEMPTS - 1))
    receiver.statuses = [503, 410]
    deliverer.deliver_due()
    stopped(world, hooked())
    deliverer.deliver_due()
    assert [one.status for one in log(world)] == ["failed", "failed"]
    with world.sessions.begin() as session:  # a process was killed during the last attempt
        last = {"status": "pending", "attempts": deliveries.MOST_ATTEMPTS, "ended_at": None}
        session.execute(update(Delivery).values(claimed_until=text("now()"), **last))
    assert not deliverer.deliver_due()
    assert {one.error for one in log(world)} == {"the service ended during the last attempt"}
    assert len(receiver.requests) == 2


def test_a_receiver_that_does_not_answer_holds_nothing_up(world, receiver, hooked) -> None:
    receiver.may_answer.clear()
    stopped(world, hooked())
    stopped(world, hooked("http://127.0.0.1:9/"))
    hurried = Deliverer(world.sessions, private=True, seconds=0.5)
    assert hurried.deliver_due()
    hurried.stop()
    errors = [one.error for one in log(world)]
    assert errors[0] == "no answer within 0.5 s"
    assert all(errors)


def test_two_processes_never_claim_the_same_delivery(world, hooked) -> None:
    for _ in range(3):
        stopped(world, hooked())
    with world.sessions.begin() as one, world.sessions.begin() as other:
        first, second = deliveries.claim(one, 2), deliveries.claim(other, 16)
    assert len(first) == 2
    # The other skips what the first looks at, also the third row, and finds it the next time.
    assert not {x.id for x in first} & {x.id for x in second}
    with world.sessions.begin() as session:
        third = deliveries.claim(session, 16)
    assert len({x.id for x in (*first, *second, *third)}) == 3


def test_an_owner_has_one_delivery_in_flight_and_none_after_its_key_was_revoked(
    world, hooked
) -> None:
    slow, revoked = hooked(), hooked()
    for caller in (slow, slow, revoked):
        stopped(world, caller)
    world.set(Key, revoked.key_id, revoked_at=text("now()"))
    stopped(world, revoked)
    assert len(log(world)) == 3, "nothing is written for a key that is closed"
    with world.sessions.begin() as session:
        (claimed,) = deliveries.claim(session, 16)
    with world.sessions.begin() as session:
        assert deliveries.claim(session, 16) == []
        deliveries.record(session, claimed, deliveries.DeliveryOutcome(200, ""))
    with world.sessions.begin() as session:
        assert len(deliveries.claim(session, 16)) == 1


def test_an_owner_with_many_due_deliveries_does_not_keep_others_waiting(world, hooked) -> None:
    busy, other = hooked(), hooked()
    stopped(world, busy)
    with world.sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO deliveries (webhook_id, event, data) "
                "SELECT webhook_id, event, data FROM deliveries, generate_series(1, 150)"
            )
        )
    stopped(world, other)
    with world.sessions.begin() as session:
        assert len(deliveries.claim(session, 16)) == 2


def test_a_host_with_a_symbol_in_its_name_is_resolved_as_written(world, deliverer, hooked) -> None:
    stopped(world, hooked("http://xn--n3h.invalid/"))  # a snowman, which IDNA 2008 forbids
    assert deliverer.deliver_due()
    (one,) = log(world)
    assert one.status == "pending"
    assert one.error.startswith("xn--n3h.invalid cannot be resolved")


def test_a_name_that_leads_to_this_machine_is_not_connected_to(world, receiver, hooked) -> None:
    stopped(world, hooked())
    stopped(world, hooked(f"http://127.1:{receiver.port}/"))
    stopped(world, hooked("http://hooks.invalid/"))
    public = Deliverer(world.sessions, private=False)
    while public.deliver_due():
        pass
    public.stop()
    errors = [one.error for one in log(world)]
    assert receiver.requests == []
    assert ["private or reserved" in one for one in errors] == [True, True, False]
    assert "cannot be resolved" in errors[2]


PROCESS = """
import sys
from api import db
from api.controller.deliverer import Deliverer
from api.settings import Settings

settings = Settings(database_url=sys.argv[1], broker_url="redis://none", storage_url="memory://")
Deliverer(db.sessions(db.connect(settings)), private=True).deliver_due()
"""


def test_a_delivery_survives_the_death_of_the_process_that_sends_it(
    world, receiver, deliverer, hooked, database_url
) -> None:
    stopped(world, hooked())
    receiver.may_answer.clear()
    command = [sys.executable, "-c", PROCESS, database_url]
    with subprocess.Popen(command) as process:
        assert receiver.arrived.wait(120)
        process.send_signal(signal.SIGKILL)
    receiver.may_answer.set()
    assert [one.status for one in log(world)] == ["pending"]
    assert not deliverer.deliver_due(), "the claim of the dead process is still valid"
    make_due(world)
    assert deliverer.deliver_due()
    assert [(one.status, one.attempts) for one in log(world)] == [("delivered", 2)]
    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def certificate(folder: Path, name: str) -> Path:
    """A file with a key and a certificate that signs itself, for a host of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(secret + made.public_bytes(pem))
    return file


@pytest.mark.parametrize(("name", "status"), [("localhost", "delivered"), ("other", "pending")])
def test_over_tls_the_certificate_must_be_that_of_the_host_and_not_of_the_address(
    world, receiver, hooked, tmp_path, monkeypatch, name, status
) -> None:
    file = certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))  # of authorities that are trusted
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    stopped(world, hooked(f"https://localhost:{receiver.port}/"))
    deliverer = Deliverer(world.sessions, private=True)
    deliverer.deliver_due()
    deliverer.stop()
    (one,) = log(world)
    assert one.status == status, one.error
    assert ("certificate verify failed" in one.error) is (status == "pending")
