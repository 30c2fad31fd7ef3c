"""Errors whose text is a sentence for the person who asked; `status` is the HTTP status a front end answers with."""


class EaselError(Exception):
    """A failure we can explain. The message names the thing and the remedy."""

    status = 500


class InvalidRequest(EaselError):
    """The request asks for something that cannot be made (a size of 0, an unknown option)."""

    status = 422


class UnknownName(EaselError):
    """A sampler, scheduler, checkpoint, style or job of that name does not exist."""

    status = 404


class UnsupportedFeature(EaselError):
    """A field of an A1111 client that this version does not act on, so that it is never silently ignored."""

    status = 422


class ModelFileError(EaselError):
    """A model file is missing, truncated, of the wrong kind or not a model at all."""

    status = 422


class UnsafeFileError(ModelFileError):
    """A pickle refers to something that is not data; it was refused and nothing of it ran."""


class OutputError(EaselError):
    """A picture or a settings file cannot be written (folder missing, disk full, no permission)."""

    status = 507


class OutOfMemoryError(EaselError):
    """The device's memory does not suffice for the request."""

    status = 507


class NoModelError(EaselError):
    """There is no checkpoint to generate with."""

    status = 409


class Interrupted(Exception):  # control flow, not a fault
    """The running job was asked to stop; finished pictures are kept."""


class Skipped(Exception):  # control flow, not a fault
    """The running batch was asked to stop; the job goes on with the next batch."""
