"""One trace leads from the request for a search to the result of its trial, through a worker."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.models.searches import Search
from api.roles import Role
from core.protocol import tracing
from tests.waiting import wait_for

#: What a worker does for one trial, in a process of its own that writes its spans to stdout.
WORKER = """
from uuid import uuid4
from core.protocol import tracing
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.results import TrialOutcome
from worker.agent.controller_client import ControllerClient
from worker.agent.lease import HeldLease
from worker.settings import Settings

tracing.set_up("netmorph-worker")
client = ControllerClient(Settings())
ask = LeaseRequest(worker_id=uuid4(), boot_id=uuid4(), name="w", device="cpu")
order = client.lease(ask)
with tracing.span("train trial", order.traceparent, trial_id=str(order.trial_id)):
    with HeldLease(client, order, heartbeat_seconds=10, on_answer=print):
        pass
    client.result(order, TrialOutcome(status="completed", value=0.5))
"""


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of this process, where the API runs."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("netmorph"))
    return exporter


def test_one_trace_from_request_to_result(spans, world, person, app) -> None:
    user, worker = person(), person(Role.WORKER)
    trace = "ab" * 16
    made = user.http.post(
        "/v1/searches",
        json={"dataset": "digits", "budget": {"trials": 1}},
        headers={"traceparent": f"00-{trace}-{'cd' * 8}-01"},
    ).json()
    world.set(Search, made["id"], status="running")
    trial = world.trial(made["id"])
    environment = os.environ | {
        "NETMORPH_API_URL": str(user.http.base_url),
        "NETMORPH_WORKER_KEY": worker.key,
        "NETMORPH_BROKER_URL": "redis://nowhere",
        "NETMORPH_STORAGE_URL": "memory://nowhere",
        "OTEL_TRACES_EXPORTER": "console",
    }

    done = subprocess.run(
        [sys.executable, "-c", WORKER], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    (training,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert training["context"]["trace_id"] == f"0x{trace}"
    assert training["attributes"] == {"netmorph.trial_id": str(trial)}
    assert training["resource"]["attributes"]["service.name"] == "netmorph-worker"

    def result() -> Any:
        return [one for one in spans.get_finished_spans() if one.name.endswith("/result")]

    (reported,) = wait_for(result)
    assert reported.name == "POST /v1/worker/trials/{trial_id}/result"
    assert reported.attributes["http.response.status_code"] == 200
    assert f"{reported.context.trace_id:032x}" == trace
    assert f"0x{reported.parent.span_id:016x}" == training["context"]["span_id"]
    (asked,) = [one for one in spans.get_finished_spans() if one.name == "POST /v1/searches"]
    assert training["parent_id"] == f"0x{asked.context.span_id:016x}"


def test_without_an_exporter_nothing_is_traced() -> None:
    assert tracing._exporters({}) == []
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert tracing._exporters(endpoint) == ["otlp"]
    assert tracing._exporters(endpoint | {"OTEL_TRACES_EXPORTER": "none"}) == []
    assert tracing._exporters(endpoint | {"OTEL_SDK_DISABLED": "true"}) == []
    with pytest.raises(ValueError, match="found 'zipkin'; expected otlp, console or none"):
        tracing._exporter("zipkin")
    assert not tracing.is_on()
    with tracing.span("nothing") as span:
        assert span is None
    assert tracing.current() is tracing.trace_id() is None


def test_without_an_exporter_opentelemetry_is_not_imported() -> None:
    """Also where it is installed: its import would slow the start of each process."""
    program = (
        "import sys; from core.protocol import tracing; tracing.set_up('netmorph-api', {}); "
        "print(tracing.is_on(), 'opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr


def test_an_exporter_without_opentelemetry_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk")
    tracing.set_up("netmorph-api", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert "install netmorph with the extra otel" in caplog.text
