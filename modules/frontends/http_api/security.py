"""Keeps web pages of strangers from driving a server that listens on this machine.

A page in the person's browser can send requests to `127.0.0.1`, under the browser's rules: it may have a host name of
its own lead here (DNS rebinding), send forms and simple POSTs without asking, and show our page in a frame. So every
request must be addressed to a name that is ours, and must come from our own page or from something that is no browser.
"""

import ipaddress
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modules.core.flags import Flags

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 # compared with, not bound to
GRADIO_TUNNEL = "gradio.live"

SAFE_METHODS = frozenset({"GET", "HEAD"})
# Routes that no other page has a reason to open, not even by a link
INTERFACE_PATHS = ("/sdapi/", "/internal/", "/gradio_api/", "/openapi.json")

PAGE_HEADERS = {
    # our page in somebody else's frame could be clicked unknowingly
    "content-security-policy": "frame-ancestors 'self'",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    # "no-referrer" would make our own forms send "Origin: null"
    "referrer-policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHosts:
    """The host names by which the server may be addressed.

    Attributes:
        names: names and addresses, in lower case, without ports and brackets.
        any_address: every IP address is allowed too (rebinding needs a name).
        tunnels: domains whose subdomains lead here through a tunnel that speaks TLS for us.
    """

    names: frozenset[str] = LOOPBACK
    any_address: bool = False
    tunnels: frozenset[str] = frozenset()

    def allows(self, name: str) -> bool:
        """Whether requests to host `name` (without port) are answered."""
        if name in self.names or self.is_tunnel(name):
            return True
        return self.any_address and _is_address(name)

    def is_tunnel(self, name: str) -> bool:
        """Whether host `name` leads here through a tunnel."""
        return any(name.endswith(f".{tunnel}") for tunnel in self.tunnels)


def allowed_hosts_for(flags: Flags) -> AllowedHosts:
    """Return the host names that fit what the server listens on."""
    bound = (flags.server_name or ("" if flags.listen else "127.0.0.1")).strip("[]").casefold()
    everywhere = bound in EVERY_ADDRESS
    own_name = socket.gethostname().casefold()
    return AllowedHosts(
        names=LOOPBACK | {own_name, f"{own_name}.local"} if everywhere else LOOPBACK | {bound},
        any_address=everywhere,
        tunnels=frozenset({GRADIO_TUNNEL}) if flags.share else frozenset(),
    )


class OriginGuard:
    """ASGI middleware that refuses what was addressed to a foreign host name or sent by a foreign page."""

    def __init__(self, app: ASGIApp, *, hosts: AllowedHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 with a sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope, Headers(scope=scope))
        if problem is None:
            await self._app(scope, receive, _with_page_headers(send))
        else:
            await refuse(scope, send, 403, "Forbidden", problem)

    def _problem(self, scope: Scope, headers: Headers) -> str | None:
        hosts = headers.getlist("host")
        host = split_host(hosts[0]) if len(hosts) == 1 else None
        if host is None or not self._hosts.allows(host[0]):
            return (
                f"This server does not answer to the name “{', '.join(hosts)[:100]}”. Open it by its address or as "
                "localhost, or name it with --server-name."
            )
        own = "https" if scope["scheme"] in ("https", "wss") else "http"
        schemes = {own, "https"} if self._hosts.is_tunnel(host[0]) else {own}
        for origin in headers.getlist("origin"):
            if not any(_is_same_origin(origin, each, host) for each in schemes):
                return f"Requests from another web page ({origin[:100]}) are refused."
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _may_be_linked(scope):
            return "Requests from another web page are refused."
        return None


async def refuse(
    scope: Scope, send: Send, status: int, error: str, sentence: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with an error in the shape of all others; close a websocket before it was opened."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence[:100]})
        return
    body = json.dumps({"error": error, "detail": sentence, "body": "", "errors": sentence}).encode()
    start: Message = {"type": "http.response.start", "status": status, "headers": []}
    answer = MutableHeaders(raw=start["headers"])
    answer.update({"content-type": "application/json", "content-length": str(len(body)), **(headers or {})})
    await send(start)
    await send({"type": "http.response.body", "body": body})


def split_host(host: str) -> tuple[str, int | None] | None:
    """Split a Host header into its name, in lower case and without brackets, and its port; None if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != host or "@" in host:
        return None
    return name.removesuffix("."), port


def _is_same_origin(origin: str, scheme: str, host: tuple[str, int | None]) -> bool:
    prefix = f"{scheme}://"
    named = split_host(origin.removeprefix(prefix)) if origin.startswith(prefix) else None
    if named is None:
        return False
    default = {"http": 80, "https": 443}[scheme]
    return (named[0], named[1] or default) == (host[0], host[1] or default)


def _may_be_linked(scope: Scope) -> bool:
    """Whether another page may have a link to what is asked for."""
    return scope["type"] == "http" and scope["method"] in SAFE_METHODS and not scope["path"].startswith(INTERFACE_PATHS)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_page_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in PAGE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
