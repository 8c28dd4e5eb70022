"""Client of dvrend, a differentiable volume rendering daemon.

    with dvren.connect("127.0.0.1:50551") as client:
        client.fields.import_file("smoke", "smoke.vdb")
        image = client.render("smoke", orbit=(30, 20), width=640, height=480).rgb

Errors are subclasses of dvren.DvrenError, one for each gRPC code.
"""

from ._version import __version__
from .camera import Camera
from .client import Client, Device, Limits, ServerInfo, connect
from .errors import (
    AbortedError,
    AlreadyExistsError,
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    DvrenError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from .fields import DenseGrid, Field, Fields, NanoVdb
from .render import RenderResult, RenderStats

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "Camera",
    "CancelledError",
    "Client",
    "DataLossError",
    "DeadlineExceededError",
    "DenseGrid",
    "Device",
    "DvrenError",
    "FailedPreconditionError",
    "Field",
    "Fields",
    "InternalError",
    "InvalidArgumentError",
    "Limits",
    "NanoVdb",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "RenderResult",
    "RenderStats",
    "ResourceExhaustedError",
    "ServerInfo",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "__version__",
    "connect",
]
