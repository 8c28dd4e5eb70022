"""Client of dvrend, a differentiable volume rendering daemon.

    with dvren.connect("127.0.0.1:50551") as client:
        client.fields.import_file("smoke", "smoke.vdb")
        image = client.render("smoke", orbit=(30, 20), width=640, height=480).rgb

Gradients of renders: client.forward and client.backward; dvren.torch and dvren.jax make them part of those frameworks.
Training on photographs: client.train_session. Work that outlives the call and the daemon: client.jobs.
Errors are subclasses of dvren.DvrenError, one for each gRPC code.
"""

from ._version import __version__
from .camera import Camera
from .checkpoints import Checkpoint, Checkpoints
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
from .fields import DenseGrid, Field, FieldGradient, Fields, NanoVdb
from .gradients import CameraGradient, ForwardResult, Gradients, GradientStats, RayGradient, SceneGradient, Tape
from .jobs import Artifact, Job, JobEvent, Jobs
from .parameters import Parameters, StepGradients
from .ray_stream import RayResult, RayStream
from .render import RenderResult, RenderStats
from .training import DatasetReport, EvaluatedView, Evaluation, TrainingSession, TrainReport
from .transforms import PhotoCamera, write_transforms

__all__ = [
    "AbortedError",
    "Artifact",
    "AlreadyExistsError",
    "Camera",
    "CameraGradient",
    "CancelledError",
    "Checkpoint",
    "Checkpoints",
    "Client",
    "DataLossError",
    "DatasetReport",
    "DeadlineExceededError",
    "DenseGrid",
    "Device",
    "DvrenError",
    "EvaluatedView",
    "Evaluation",
    "FailedPreconditionError",
    "Field",
    "FieldGradient",
    "Fields",
    "ForwardResult",
    "GradientStats",
    "Gradients",
    "InternalError",
    "InvalidArgumentError",
    "Job",
    "JobEvent",
    "Jobs",
    "Limits",
    "NanoVdb",
    "NotFoundError",
    "OutOfRangeError",
    "Parameters",
    "PermissionDeniedError",
    "PhotoCamera",
    "RayGradient",
    "RayResult",
    "RayStream",
    "RenderResult",
    "RenderStats",
    "ResourceExhaustedError",
    "SceneGradient",
    "ServerInfo",
    "StepGradients",
    "Tape",
    "TrainReport",
    "TrainingSession",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "__version__",
    "connect",
    "write_transforms",
]
