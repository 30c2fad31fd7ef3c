"""Why a job was not taken."""

from modules.core.errors import EaselError


class JobIdInUse(EaselError):
    """A client chose the id of a job that has not ended yet."""

    status = 409


class QueueFull(EaselError):
    """Too many jobs wait already, or they hold too many pictures."""

    status = 503


class ServerStopping(EaselError):
    """The server is being shut down and takes no more jobs."""

    status = 503
