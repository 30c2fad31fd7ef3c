"""Pictures in request bodies."""

import binascii
from base64 import b64decode

from modules.core.errors import InvalidRequest
from modules.core.parameters import Picture


def read_picture(text: str, field: str) -> Picture:
    """Return the picture file that a client sent as base64, with or without “data:image/png;base64,” before it.

    Args:
        text: the field's value.
        field: its name, for the message.

    Raises:
        InvalidRequest: it is no base64, or empty. URLs are not fetched.
    """
    stripped = "".join(text.split())  # lines of 76 characters, as some encoders make
    if stripped.startswith(("http://", "https://")):
        raise InvalidRequest(
            f"The field {field} is a URL, and URLs are not fetched. Send the picture itself as base64."
        )
    try:
        data = b64decode(stripped.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"The field {field} is not base64 of a picture file.") from error
    if not data:
        raise InvalidRequest(f"The field {field} is empty. Send a picture file as base64.")
    return Picture(data=data)
