"""Errors: one class per gRPC code, all of them DvrenError.

The message is one line that names the field, its value and the remedy. `request_id` is what the daemon's log calls the
request; it is None where the daemon was not reached or the client itself refused the call.
"""

from __future__ import annotations


class DvrenError(Exception):
    """`code` is the name of the gRPC code, such as "NOT_FOUND"."""

    code = "UNKNOWN"

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message, request_id)
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        if not self.request_id or self.request_id in self.message:
            return self.message
        return f"{self.message} (request {self.request_id})"


class CancelledError(DvrenError):
    code = "CANCELLED"


class UnknownError(DvrenError):
    code = "UNKNOWN"


class InvalidArgumentError(DvrenError, ValueError):
    code = "INVALID_ARGUMENT"


class DeadlineExceededError(DvrenError):
    code = "DEADLINE_EXCEEDED"


class NotFoundError(DvrenError):
    code = "NOT_FOUND"


class AlreadyExistsError(DvrenError):
    code = "ALREADY_EXISTS"


class PermissionDeniedError(DvrenError):
    code = "PERMISSION_DENIED"


class ResourceExhaustedError(DvrenError):
    """A queue, a quota or memory is full: the message says which."""

    code = "RESOURCE_EXHAUSTED"


class FailedPreconditionError(DvrenError):
    code = "FAILED_PRECONDITION"


class AbortedError(DvrenError):
    """The field has another version than the one asked for."""

    code = "ABORTED"


class OutOfRangeError(DvrenError):
    code = "OUT_OF_RANGE"


class UnimplementedError(DvrenError, NotImplementedError):
    code = "UNIMPLEMENTED"


class InternalError(DvrenError):
    code = "INTERNAL"


class UnavailableError(DvrenError):
    """No daemon answers, or it is going down."""

    code = "UNAVAILABLE"


class DataLossError(DvrenError):
    code = "DATA_LOSS"


class UnauthenticatedError(DvrenError):
    code = "UNAUTHENTICATED"


ERROR_OF_CODE: dict[str, type[DvrenError]] = {cls.code: cls for cls in DvrenError.__subclasses__()}


def invalid(field: str, value: object, remedy: str) -> InvalidArgumentError:
    """`field = value: remedy`, the form of all messages about arguments."""
    return InvalidArgumentError(f"{field} = {value}: {remedy}")


def mismatch(what: str) -> InternalError:
    """For answers that this client does not understand."""
    return InternalError(f"{what}; client and daemon do not fit, install the daemon's version of dvren")
