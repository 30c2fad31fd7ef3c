"""The login: a page with a cookie for browsers, HTTP Basic for programs, and nothing without one of them."""

import binascii
import html
import math
from base64 import b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modules.frontends.http_api.credentials import SESSION_SECONDS, Brake, Credentials, Sessions
from modules.frontends.http_api.errors import error_answer
from modules.frontends.http_api.security import refuse

PAGE = Template(Path(__file__).with_name("login.html").read_text("utf-8"))
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}
MAX_FORM_BYTES = 16 * 1024


class LoginGuard:
    """ASGI middleware: every route but `/login` needs a login, files and websockets included.

    Args:
        app: what is protected.
        logins: names with their passwords; any of them may do everything.
    """

    def __init__(self, app: ASGIApp, *, logins: Iterable[tuple[str, str]]) -> None:
        self._app = app
        self._credentials = Credentials(logins)
        self._sessions = Sessions()
        self._brake = Brake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it comes with a login; else ask for one."""
        if scope["type"] == "http":
            answer = await self._answer(Request(scope, receive))
            await (answer or self._app)(scope, receive, send)
        elif scope["type"] == "websocket" and not self._has_session(scope):
            await refuse(scope, send, 403, "Unauthorized", "Log in first.")
        else:
            await self._app(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """Return what the guard itself answers; None leaves it to the app."""
        path = request.scope["path"].rstrip("/")
        if path == "/login":
            return await self._login(request)
        if not self._has_session(request.scope):
            refusal = self._check_basic(request)
            if refusal:
                return refusal
        return self._logout(request) if path == "/logout" else None

    def _has_session(self, scope: Scope) -> bool:
        cookies = Request({**scope, "type": "http"}).cookies
        return self._sessions.is_valid(cookies.get(_cookie_name(scope), ""))

    def _check_basic(self, request: Request) -> Response | None:
        """Return None if the request carries a right name and password, else the refusal."""
        header = request.headers.get("authorization", "")
        if not header.casefold().startswith("basic "):
            return _ask_for_login(request)
        return self._attempt(request, *_decode_basic(header))

    def _attempt(self, request: Request, name: str, password: str) -> Response | None:
        """Return None if the name and password are right, else the refusal."""
        address = request.client.host if request.client else "unknown"
        pause = math.ceil(self._brake.seconds_to_wait(address))
        if pause:
            sentence = f"Too many failed logins. Try again in {pause} s."
            return error_answer("TooManyAttempts", sentence, 429, {"retry-after": str(pause)})
        if self._credentials.match(name, password):
            self._brake.succeeded(address)
            return None
        self._brake.failed(address)
        return error_answer("Unauthorized", "Wrong user name or password.", 401, _challenge(request))

    async def _login(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            target = _local_target(request.query_params.get("next", "/"))
            return RedirectResponse(target, 303) if self._has_session(request.scope) else _page(target)
        if request.method != "POST":
            return error_answer("MethodNotAllowed", "Log in with POST.", 405, {"allow": "GET, HEAD, POST"})
        form = await _read_form(request)
        if form is None:
            return error_answer("TooLarge", "This is no login form.", 413)
        refusal = self._attempt(request, form.get("username", ""), form.get("password", ""))
        target = _local_target(form.get("next", "/"))
        if refusal:
            return _page(target, refusal) if _wants_page(request) else refusal
        answer = RedirectResponse(target, 303) if _wants_page(request) else JSONResponse({"success": True})
        answer.set_cookie(
            _cookie_name(request.scope),
            self._sessions.begin(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _logout(self, request: Request) -> Response:
        name = _cookie_name(request.scope)
        self._sessions.end(request.cookies.get(name, ""))
        answer = RedirectResponse("/login", 303) if _wants_page(request) else JSONResponse({"success": True})
        answer.delete_cookie(name, httponly=True, samesite="strict")
        return answer


def _cookie_name(scope: Scope) -> str:
    """Return a name of this server's own: browsers do not keep the cookies of two ports apart."""
    port = scope["server"][1] if scope.get("server") else 0
    return f"easel-session-{port}"


def _ask_for_login(request: Request) -> Response:
    if request.method in ("GET", "HEAD") and _wants_page(request):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/login" if target == "/" else f"/login?next={quote(target, safe='')}", 303)
    return error_answer("Unauthorized", "Log in first.", 401, _challenge(request))


def _challenge(request: Request) -> dict[str, str]:
    """Return the header that makes clients send a password, but not to a page's scripts: a browser would pop up its own
    dialogue over the page.
    """
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return {}
    return {"www-authenticate": 'Basic realm="Easel", charset="UTF-8"'}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page(target: str, refusal: Response | None = None) -> Response:
    message = "<p>Log in to go on.</p>"
    status, headers = 200, PAGE_HEADERS
    if refusal:
        sentence = (
            "Wrong user name or password." if refusal.status_code == 401 else "Too many failed logins. Wait a little."
        )
        message = f'<p role="alert">{sentence}</p>'
        status, headers = refusal.status_code, PAGE_HEADERS | _retry_after(refusal.headers)
    return HTMLResponse(PAGE.substitute(message=message, next=html.escape(target)), status, headers)


def _retry_after(headers: Mapping[str, str]) -> dict[str, str]:
    return {"retry-after": headers["retry-after"]} if "retry-after" in headers else {}


def _local_target(target: str) -> str:
    """Return `target` if it is a path of this server, else the start page; a login must not lead elsewhere."""
    if not target.startswith("/") or target.startswith(("//", "/\\", "/login")) or not target.isprintable():
        return "/"
    return target


async def _read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a urlencoded form; None if it is too large for one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return None
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _decode_basic(header: str) -> tuple[str, str]:
    try:
        name, _, password = b64decode(header[6:].strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
