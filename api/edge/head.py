"""HEAD: the headers of the same GET, without its content (RFC 9110, 9.3.2)."""

from http import HTTPMethod

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware that has every HEAD answered as its GET, and keeps the content back.

    It must stand before all others, so that they see one request for both. Ranges are of GET
    alone (14.2): the answer describes the whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; one without content ends with the headers of its response."""
        if scope["type"] != "http" or scope["method"] != HTTPMethod.HEAD:
            await self._app(scope, receive, send)
            return
        headers = [one for one in scope["headers"] if one[0].lower() != b"range"]
        as_get = {**scope, "method": HTTPMethod.GET.value, "headers": headers}
        has_ended = False

        async def receive_until_ended() -> Message:
            return {"type": "http.disconnect"} if has_ended else await receive()

        async def send_head(message: Message) -> None:
            nonlocal has_ended
            if message["type"] == "http.response.start":
                has_ended = True  # a stream of events would go on for as long as somebody reads it
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        await self._app(as_get, receive_until_ended, send_head)
