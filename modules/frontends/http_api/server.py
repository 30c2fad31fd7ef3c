"""The web server: one app with all routes and guards, and the port it listens on."""

import asyncio
import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from modules.core.errors import EaselError
from modules.core.flags import Flags
from modules.core.version import NAME, VERSION
from modules.frontends.backend import Backend
from modules.frontends.http_api.docs import docs_router
from modules.frontends.http_api.errors import install_error_handlers
from modules.frontends.http_api.limits import BodyLimit, Compression
from modules.frontends.http_api.login import LoginGuard
from modules.frontends.http_api.router import create_router
from modules.frontends.http_api.security import AllowedHosts, OriginGuard, allowed_hosts_for

FIRST_PORT = 7860
LAST_PORT = 7869
# How long requests under way may take to end once the server is told to stop; event streams never end by themselves.
GRACE_SECONDS = 1


class CannotListen(EaselError):
    """The server cannot listen where it was told to."""


def create_app(
    backend: Backend, *, allowed_hosts: AllowedHosts | None = None, logins: Sequence[tuple[str, str]] | None = None
) -> FastAPI:
    """Return the app with the HTTP interface. The page may be mounted on it afterwards, at "/".

    Args:
        backend: what the routes are served by.
        allowed_hosts: names by which the server may be addressed; those that fit the flags when None.
        logins: names with their passwords; those of the flags when None. Without any, nobody has to log in.
    """
    flags = backend.flags
    app = FastAPI(title=NAME, version=VERSION, docs_url=None, redoc_url=None)
    app.include_router(create_router(backend))
    app.include_router(docs_router())
    install_error_handlers(app)
    # The one added last sees a request first.
    app.add_middleware(Compression)
    app.add_middleware(BodyLimit)
    known = (*flags.gradio_auth, *flags.api_auth) if logins is None else logins
    if known:
        app.add_middleware(LoginGuard, logins=known)
    app.add_middleware(OriginGuard, hosts=allowed_hosts or allowed_hosts_for(flags))
    return app


def serve_app(
    app: FastAPI,
    flags: Flags,
    *,
    on_ready: Callable[[str], None] | None = None,
    before_stop: Callable[[], None] | None = None,
) -> int:
    """Serve `app` until it is interrupted; return the program's exit status.

    Prints "Running on local URL:  http://…" once it listens, or why it cannot.

    Args:
        app: made by `create_app`.
        flags: say where to listen. Without a port, the first free one from 7860 to 7869 is taken.
        on_ready: called with an address that a browser can open, in a thread, when the server listens.
        before_stop: called before connections are closed; ends what requests are waiting for.
    """
    host = flags.server_name or ("0.0.0.0" if flags.listen else "127.0.0.1")  # noqa: S104 # that is what --listen means
    try:
        listener = listen(host.strip("[]"), flags.port)
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, on_ready or _nothing_to_do, before_stop)
    with listener:
        server.run(sockets=[listener])
    return 0


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket bound to `host` and `port`, or to the first free port from 7860 to 7869 when `port` is None.

    Raises:
        CannotListen: no such address, no permission, or the port is taken; the message names it and the remedy.
    """
    for candidate in range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,):
        try:
            return _bind(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise CannotListen(f"Cannot listen on {host}, port {candidate}: {reason}.") from error
    taken = f"Ports {FIRST_PORT} to {LAST_PORT} are" if port is None else f"Port {port} is"
    raise CannotListen(
        f"{taken} already in use on {host}, perhaps by another {NAME}. Stop it, or choose a free port with --port."
    )


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # on Windows it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # a bound port may still be refused to listeners
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound


def url_of(address: tuple[str, int], *, browsable: bool) -> str:
    """Return the URL of a bound address.

    Args:
        address: host and port, as `getsockname` says.
        browsable: replace "every address" by one that a browser can open.
    """
    host, port = address[:2]
    if browsable:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # compared with, not bound to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server, saying when it listens and ending the way we want."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[str], None], before_stop: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._before_stop = before_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started or not sockets:
            return
        address = sockets[0].getsockname()
        sys.stdout.write(f"Running on local URL:  {url_of(address, browsable=False)}\n")
        sys.stdout.flush()
        # in a thread: it may start a browser and look through the model folders
        ready = threading.Thread(target=self._on_ready, args=(url_of(address, browsable=True),), daemon=True)
        ready.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._before_stop:
            await asyncio.to_thread(self._before_stop)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 # uvicorn's signature
        """Stop; uvicorn would raise the signal again afterwards and so skip the program's own end."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _nothing_to_do(_: str) -> None:
    """Stand in for a callback that was not given."""
