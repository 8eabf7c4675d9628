"""Security headers, which every response has."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Pages load nothing from other sites. The hash is that of the empty style element which Plotly
#: adds for its layers.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_NAMES = frozenset(name for name, _ in HEADERS)


def protect(response: Response) -> Response:
    """Add the headers to a response that is sent outside of the middleware."""
    for name, value in HEADERS:
        response.headers.setdefault(name.decode(), value.decode())
    return response


class SecurityHeaders:
    """ASGI middleware that adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to the response, `no-store` if it has no other."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                present = {name.lower() for name, _ in given} & _NAMES
                added = [one for one in HEADERS if one[0] not in present] if present else HEADERS
                message["headers"] = [*given, *added]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)
