"""`--share`: a public address through Gradio's tunnel. Only on request, and only with a password (see the flags)."""

import secrets
from urllib.parse import urlsplit

import httpx
from gradio.exceptions import ChecksumMismatchError, ShareCertificateWriteError
from gradio.networking import setup_tunnel

from modules.core.errors import EaselError

FAILURES = (RuntimeError, OSError, ValueError, httpx.HTTPError, ChecksumMismatchError, ShareCertificateWriteError)
"""What Gradio's tunnel raises when it cannot be opened."""


class ShareError(EaselError):
    """The tunnel could not be opened."""


def open_share_link(url: str) -> str:
    """Open a tunnel to the server at `url` and return its public address.

    This is the one place where Easel asks for something from outside: Gradio's servers name a tunnel, and the tunnel's
    program is downloaded on first use.

    Raises:
        ShareError: there is no way out, or Gradio's servers do not answer; the local address works all the same.
    """
    local = urlsplit(url)
    try:
        return setup_tunnel(local.hostname or "127.0.0.1", local.port or 80, secrets.token_urlsafe(32), None, None)
    except FAILURES as error:
        raise ShareError(
            f"No public address: {error} The local address works all the same. Check the connection and start again."
        ) from error
