"""What the server takes in, and how it packs what it gives out."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules.frontends.http_api.security import refuse

MAX_BODY_BYTES = 256 * 2**20
TOO_LARGE = f"The request is larger than {MAX_BODY_BYTES // 2**20} MiB."


class BodyLimit:
    """ASGI middleware that refuses bodies of more than `MAX_BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 413 when its body is, or says it is, too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            await refuse(scope, send, 413, "TooLarge", TOO_LARGE)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._app(scope, counted, send)


class Compression:
    """ASGI middleware: gzip for everything but the interface, whose large answers are pictures, packed already.

    Event streams stay as they are (`GZipMiddleware` leaves them out), so that each event arrives at once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, minimum_size=1024, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        plain = scope["type"] != "http" or scope["path"].startswith(("/sdapi/", "/internal/"))
        await (self._plain if plain else self._packed)(scope, receive, send)
