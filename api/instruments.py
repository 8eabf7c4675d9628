"""The metrics for Prometheus: their names and meanings, and what this process counts itself.

A metric is declared once, here: `api.store.metrics` fills in the values that the database knows,
and `docs/reference/metrics.md` is written from the declarations. Counts of this process start at
zero with the process, as Prometheus expects; those from the database are equal in all processes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from core.protocol.states import TrialStatus


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """The declaration of a metric."""

    name: str  # `netmorph_thing_unit`; a counter's ends in `_total`
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str
    labels: Mapping[str, str] = field(default_factory=dict)  # the values of each label, in words
    source: Literal["database", "process"] = "database"


_declared: dict[str, Metric] = {}
#: All metrics by name.
METRICS: Mapping[str, Metric] = MappingProxyType(_declared)
#: What this process counts, with its memory, processor time and open files.
PROCESS = CollectorRegistry()
ProcessCollector(registry=PROCESS)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)


def _declare(metric: Metric) -> Metric:
    _declared[metric.name] = metric
    return metric


def _gauge(name: str, meaning: str, **labels: str) -> Metric:
    return _declare(Metric(name, "gauge", meaning, labels))


def _counter(name: str, meaning: str, values: Iterable[str] = (), **labels: str) -> Counter:
    """A counter of this process; `values` of its only label start at zero."""
    _declare(Metric(name, "counter", meaning, labels, "process"))
    counter = Counter(name, meaning, tuple(labels), registry=PROCESS)
    for value in values:
        counter.labels(value)
    return counter


def _histogram(
    name: str, meaning: str, buckets: tuple[float, ...] = _SECONDS, **labels: str
) -> Histogram:
    _declare(Metric(name, "histogram", meaning, labels, "process"))
    return Histogram(name, meaning, tuple(labels), registry=PROCESS, buckets=buckets)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


# --- from the database ---------------------------------------------------------------------------

SEARCHES = _gauge("netmorph_searches", "Searches by status", status="status of a search")
TRIALS = _gauge(
    "netmorph_trials",
    "Trials by status, exports of single trials included",
    status="status of a trial",
)
OLDEST_WAIT = _gauge(
    "netmorph_oldest_wait_seconds", "How long the longest waiting trial has been ready for a worker"
)
WORKERS = _gauge(
    "netmorph_workers",
    "Workers that sent a report within the last minute",
    state=_listed(("busy", "idle")),
    device="`cpu`, or the name of the GPU",
)
WORKER_IDLE = _declare(
    Metric(
        "netmorph_worker_idle_seconds_total",
        "counter",
        "Seconds that workers have spent without a trial, estimated between two readings",
        {"device": "`cpu`, or the name of the GPU"},
    )
)
MEMORY_EXCEEDED = _gauge(
    "netmorph_memory_exceeded_bytes",
    "Least estimated memory of a training that ran out of it on a kind of device, within a day",
    device="`cpu`, or the name of the GPU",
    gibibytes="memory of the device",
)
BLOB_BYTES = _gauge(
    "netmorph_blob_bytes",
    "Bytes of the blobs in storage; one that several trials share counts for each",
    kind=_listed(("datasets", "weights", "exports", "discarded")),
)
CONTROLLERS = _gauge(
    "netmorph_controllers", "Controllers that lead at present: 1, or 0 while none decides"
)
BUILD = _gauge(
    "netmorph_build_info",
    "Always 1; the labels tell what runs",
    version="version of the program",
    revision="revision of the database's schema",
)

# --- from this process ---------------------------------------------------------------------------

CONNECTIONS = _declare(
    Metric(
        "netmorph_pool_connections",
        "gauge",
        "Database connections that this process uses at present, and how many it may use",
        {"state": _listed(("used", "limit"))},
        "process",
    )
)
#: The status of a trial after an attempt; `waiting` is written `retried`.
_OUTCOMES = ("completed", "stopped", "infeasible", "failed", "lost", "retried")
ATTEMPTS_ENDED = _counter(
    "netmorph_attempts_ended_total",
    "Attempts to train a trial that have ended; after `retried` the trial waits for another one",
    _OUTCOMES,
    outcome=_listed(_OUTCOMES),
)
_EXPIRED = ("silent", "restarted")
LEASES_EXPIRED = _counter(
    "netmorph_leases_expired_total",
    "Leases that ended without a result: the worker sent no more reports, or has restarted",
    _EXPIRED,
    reason=_listed(_EXPIRED),
)
_REJECTED = ("duplicate", "no_lease", "unknown_trial", "impossible_value")
RESULTS_REJECTED = _counter(
    "netmorph_results_rejected_total",
    "Results that did not count as they were reported",
    _REJECTED,
    reason=_listed(_REJECTED),
)
EXAMPLES_TRAINED = _counter(
    "netmorph_examples_trained_total",
    "Examples that reported trainings have read: their speed times their duration",
)
TRIAL_WAIT = _histogram(
    "netmorph_trial_wait_seconds",
    "From the moment that a trial is ready until a worker leases it",
    _LONG_SECONDS,
)
TRIAL_DURATION = _histogram(
    "netmorph_trial_duration_seconds",
    "Training time of an attempt, as its worker reported it",
    _LONG_SECONDS,
    outcome=_listed(_OUTCOMES[:4]),
)
SUGGESTION = _histogram(
    "netmorph_suggestion_seconds",
    "From a request for suggestions to its answer, waiting for a free process included",
    (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    strategy="name of the strategy",
)
HTTP_REQUEST = _histogram(
    "netmorph_http_request_seconds",
    "From a request to the beginning of its response",
    route="method and path with the names of its parameters; `other` if no route fits",
    status=_listed(("2xx", "3xx", "4xx", "5xx")),
)


def attempt_ended(status: TrialStatus, count: int = 1) -> None:
    """Count attempts after which their trials have this status."""
    ATTEMPTS_ENDED.labels(outcome_of(status)).inc(count)


def outcome_of(status: TrialStatus) -> str:
    """The outcome of an attempt, from the status of its trial afterwards."""
    return "retried" if status is TrialStatus.WAITING else status.value
