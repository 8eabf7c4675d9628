"""Spans of requests, as children of the spans that the caller names in `traceparent`."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.protocol import tracing


class RequestTracing:
    """ASGI middleware: a span for each request, where traces are exported."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, within a span that is named after its route."""
        if scope["type"] != "http" or not tracing.is_on():
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"traceparent"]
        parent = given[0].decode("latin-1") if len(given) == 1 else None
        with tracing.span(scope["method"], parent) as span:
            assert span is not None
            span.set_attribute("http.request.method", scope["method"])

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, noted)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.set_attribute("http.route", route)
                span.update_name(f"{scope['method']} {route}")
