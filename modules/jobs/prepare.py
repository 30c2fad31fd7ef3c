"""What is settled about a request at the moment it is submitted: its id and its seeds."""

import secrets

from modules.core.errors import InvalidRequest
from modules.core.parameters import Generation, GenerationRequest

MAX_JOB_ID_CHARACTERS = 200


def new_job_id(request: GenerationRequest) -> str:
    """Return an id of the form A1111's page uses, such as "task(txt2img-0d5a2b8c4e6f7091)"."""
    return f"task({request.kind}-{secrets.token_hex(8)})"


def checked_job_id(job_id: str) -> str:
    """Return `job_id`, chosen by a client, if it can serve as one.

    Raises:
        InvalidRequest: it is empty, very long, or has characters that cannot be shown (or sent: half surrogates).
    """
    if not job_id.isprintable():
        raise InvalidRequest("A job id consists of printable characters.")
    if not job_id.strip() or len(job_id) > MAX_JOB_ID_CHARACTERS:
        raise InvalidRequest(f"A job id has 1 to {MAX_JOB_ID_CHARACTERS} characters, this one has {len(job_id)}.")
    return job_id


def with_drawn_seeds(request: GenerationRequest) -> GenerationRequest:
    """Return `request` with each seed of −1 replaced by a random one in [0, 2³²)."""
    if not isinstance(request, Generation):
        return request
    drawn = {name: secrets.randbelow(2**32) for name in ("seed", "subseed") if getattr(request, name) == -1}
    return request.model_copy(update=drawn)
