"""Traces: one from the request for a search to the result of each of its trials (OpenTelemetry).

The trace of a request is kept with the search and carried in its orders as a `traceparent` (W3C
Trace Context). Without the extra `otel`, or without an exporter in the standard `OTEL_*` variables,
nothing is traced and nothing is imported.
"""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

_log = logging.getLogger(__name__)
_HEADER = "traceparent"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Span(Protocol):
    """The part of OpenTelemetry's spans that is used here."""

    def set_attribute(self, key: str, value: str | int | float | bool) -> None: ...

    def update_name(self, name: str) -> None: ...


def set_up(service: str, environment: Mapping[str, str] = os.environ) -> None:
    """Export the traces of this process as the variables say; called once, at its start."""
    exporters = _exporters(environment)
    if not exporters:
        return
    if not _is_installed():
        _log.warning(
            "OTEL_* variables name an exporter of traces, and OpenTelemetry is not installed: "
            "install netmorph with the extra otel"
        )
        return
    _install(service, exporters)


def _is_installed() -> bool:
    """Whether OpenTelemetry's SDK is there; its parent package may be missing, too."""
    try:
        return importlib.util.find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:
        return False


def _exporters(environment: Mapping[str, str]) -> list[str]:
    """The names of the exporters; none where tracing is off."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    default = "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    names = (environment.get("OTEL_TRACES_EXPORTER") or default).split(",")
    return [name.strip() for name in names if name.strip() != "none"]


def _install(service: str, exporters: list[str]) -> None:
    """Install the SDK; its sampler, resource and batches read their own OTEL_* variables."""
    from opentelemetry import trace  # noqa: PLC0415 (of an extra)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    for name in exporters:
        provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    trace.set_tracer_provider(provider)
    _tracer.cache_clear()


def _exporter(name: str) -> Any:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    if name != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER: found {name!r}; expected otlp, console or none")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()


@cache
def _tracer() -> Any:
    """The tracer of the installed SDK; None where nothing is traced."""
    if "opentelemetry" not in sys.modules:  # nobody has installed the SDK; the import is slow
        return None
    from opentelemetry import trace  # noqa: PLC0415

    provider = trace.get_tracer_provider()
    is_real = hasattr(provider, "add_span_processor")
    return provider.get_tracer("netmorph") if is_real else None


def is_on() -> bool:
    """Whether this process exports traces."""
    return _tracer() is not None


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int) -> Iterator[Span | None]:
    """A span below `parent`, a `traceparent`, or else below the current span; None if off."""
    tracer = _tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    context = TraceContextTextMapPropagator().extract({_HEADER: parent}) if parent else None
    dotted = {f"netmorph.{key}": value for key, value in attributes.items()}
    with tracer.start_as_current_span(name, context=context, attributes=dotted) as found:
        yield found


def current() -> str | None:
    """The `traceparent` of the current span; None where nothing is traced."""
    if not is_on():
        return None
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_HEADER)


def trace_id() -> str | None:
    """The id of the current trace, which log lines name."""
    found = current()
    return None if found is None else found.split("-")[1]
