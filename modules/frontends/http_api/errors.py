"""How errors are answered: with the status that fits and one sentence, in the shape A1111's clients know."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from modules.core.errors import EaselError
from modules.core.events import Failed
from modules.frontends.http_api.json_safe import clean_text, json_safe

MAX_MESSAGE_CHARACTERS = 2000


class JobFailed(EaselError):
    """A job that was waited for ended in an error; carries that error's name and status."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.error = failed.error
        self.status = failed.status


class JobCancelled(EaselError):
    """A job that was waited for was stopped by somebody else before it had done what was asked."""

    status = 409


def error_answer(name: str, message: str, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error in A1111's shape: class name, sentence, and the sentence again where its clients look for it."""
    text = clean_text(message, MAX_MESSAGE_CHARACTERS)
    return JSONResponse({"error": name, "detail": text, "body": "", "errors": text}, status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make `app` answer every exception in words; an unexpected one leaves its traceback in the log only."""

    async def validation_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 # registered for it alone
        return JSONResponse({"detail": [_field_error(entry) for entry in error.errors()]}, 422)

    async def easel_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, EaselError)  # noqa: S101 # registered for it alone
        name = error.error if isinstance(error, JobFailed) else type(error).__name__
        return error_answer(name, str(error), error.status)

    async def unexpected_error(_: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer, and the server logs it with its traceback.
        return error_answer(type(error).__name__, "Unexpected error. The server's console says more.", 500)

    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(EaselError, easel_error)
    app.add_exception_handler(Exception, unexpected_error)


def _field_error(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: json_safe(entry[name]) for name in ("type", "loc", "msg", "input") if name in entry}
