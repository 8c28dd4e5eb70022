"""Training sessions: fields made from photographs that lie on the daemon's machine, or from rays of the caller's own.
`client.train_session` opens one."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import field_service_pb2 as fields
from ._proto.dvren.v1 import training_service_pb2 as pb
from ._recipes import dataset_source, recipe_file
from .camera import Camera
from .checkpoints import Checkpoint
from .errors import DataLossError, NotFoundError, invalid, mismatch
from .fields import Field
from .parameters import (
    Parameters,
    StepGradients,
    apply_gradients,
    export_gradients,
    get_parameters,
    gradient_dtype,
    set_parameters,
    training_rays,
)
from .transforms import PhotoCamera

RecipeLike = Union[Mapping[str, Any], str, "os.PathLike[str]"]
DatasetLike = Union[Mapping[str, Any], str, "os.PathLike[str]"]

_BACKGROUNDS = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)}


@dataclasses.dataclass(frozen=True)
class TrainReport:
    """What the steps since the report before did."""

    step: int  # steps done so far
    steps: int  # that this report covers
    loss: float  # means over the covered steps: of the data term,
    psnr: float  # and dB of the batches
    rays: int  # sums over the covered steps
    samples: int
    train_seconds: float  # in steps, without waiting for the device
    ray_seconds: float  # parts of it
    forward_seconds: float
    backward_seconds: float
    optimizer_seconds: float
    total_train_seconds: float  # of the session since it was created or restored

    @classmethod
    def _from_message(cls, message: pb.TrainReport) -> TrainReport:
        return cls(**{field.name: getattr(message, field.name) for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True, eq=False)
class DatasetReport:
    """What was read of a dataset."""

    photos: int
    missing: int  # listed, not there, left out
    width: int  # of the first
    height: int
    channels: int
    bounds: npt.NDArray[np.float64]  # two corners of what the cameras look at
    notes: tuple[str, ...]
    format: str
    split: str
    cameras: int  # different intrinsics
    bytes: int  # in the daemon's memory

    @classmethod
    def _from_message(cls, message: pb.DatasetReport) -> DatasetReport:
        values = {field.name: getattr(message, field.name) for field in dataclasses.fields(cls)}
        return cls(**{**values, "bounds": tensors.from_box(message.bounds), "notes": tuple(message.notes)})


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluatedView:
    """One view beside its photograph. Images are (H, W, 3), 0 to 1; None where they were not asked for."""

    name: str
    psnr: float  # dB
    ssim: float
    width: int
    height: int
    render: npt.NDArray[np.float32] | None
    truth: npt.NDArray[np.float32] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    psnr: float  # means over views
    ssim: float
    step: int
    views: tuple[EvaluatedView, ...]
    dataset: DatasetReport


class TrainingSession:
    """A field in training, held by the daemon. A context manager: leaving it closes the session.

    client.render(session.name) renders the field as it is. One call trains a session at a time:
    FailedPreconditionError for others. A session that nobody uses for long is saved and closed by the daemon.
    """

    def __init__(self, connection: Connection, message: pb.Session) -> None:
        self._connection = connection
        self._take(message)
        self._closed = False

    def _take(self, message: pb.Session) -> None:
        self._message = message
        self.name = message.name
        self.field = message.field
        self.steps_done = message.step
        self.finished = message.finished
        self.device = message.device

    @property
    def last_step(self) -> int:
        """Steps of the recipe."""
        return self._message.recipe.steps

    @property
    def dataset(self) -> DatasetReport:
        return DatasetReport._from_message(self._message.dataset_report)

    @property
    def last_report(self) -> TrainReport | None:
        """Of the last steps that are known of; None before the first."""
        if not self._message.HasField("last_report"):
            return None
        return TrainReport._from_message(self._message.last_report)

    @property
    def expire_time(self) -> datetime.datetime:
        """When the session is saved and closed if nobody uses it, as far as was known at the last refresh()."""
        return self._message.expire_time.ToDatetime().replace(tzinfo=datetime.timezone.utc)

    def refresh(self) -> TrainingSession:
        """Asks the daemon how far it is; returns itself."""
        request = pb.GetSessionRequest(name=self.name)
        self._take(self._connection.unary("TrainingService/GetSession", request, pb.Session))
        return self

    def step(
        self,
        n: int = 1,
        *,
        rays: Sequence[npt.ArrayLike | None] | None = None,
        targets: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        background: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
    ) -> TrainReport:
        """`n` steps, 1 to 10000, fewer where the recipe ends; what they did.

        rays: train on these instead of the dataset's, all n steps on the same: (origins, directions), each (N, 3),
        world space, directions of unit length, and optionally t_near and t_far, (N,); N is 1 to 65536. targets: (N, 3)
        colours that the rays should have, over the ray's `background`, (N, 3) or one colour, by default black.
        weights: (N,) of the loss, >= 0, by default 1. ids: (N,) integers, the keys of sampling.

        Safe to call again after a lost connection: steps that have been done are not done twice. AbortedError where
        another client has trained the session meanwhile: refresh() it.
        """
        request = pb.TrainStepRequest(session=self.name, steps=n, expected_step=self.steps_done)
        own = self._own_rays(rays, targets, weights, background, ids)
        if own is not None:
            request.rays.CopyFrom(own)
        return self._stepped(self._connection.unary("TrainingService/TrainStep", request, pb.TrainStepResponse))

    def _own_rays(self, rays: Any, targets: Any, weights: Any, background: Any, ids: Any) -> pb.TrainingRays | None:
        if rays is None:
            for name, value in (("targets", targets), ("weights", weights), ("background", background), ("ids", ids)):
                if value is not None:
                    raise invalid(name, "given", "goes with rays")
            return None
        if targets is None:
            raise invalid("targets", None, "give the colours that the rays should have")
        return training_rays(rays, targets, weights, background, ids)

    def _stepped(self, answer: pb.TrainStepResponse) -> TrainReport:
        self.steps_done = answer.step
        self.finished = answer.finished
        if answer.HasField("report"):
            self._message.last_report.CopyFrom(answer.report)
        else:  # they had been done
            self.refresh()
        return TrainReport._from_message(self._message.last_report)

    def get_parameters(self) -> Parameters:
        """Values, cells and cameras as they are, of one step, also while another call trains."""
        return get_parameters(self._connection, self.name)

    def set_parameters(
        self,
        values: Parameters | npt.ArrayLike | None = None,
        cells: npt.ArrayLike | None = None,
        cameras: Sequence[PhotoCamera] | None = None,
    ) -> None:
        """Puts parameters in the place of what there is; the step and the optimizer's memory stay.

        values: what get_parameters() gave, which puts back all of it, or an array of the shape of its values. cells:
        (nz, ny, nx), by default all are there again. cameras: one for each photograph. AbortedError where another
        client has trained the session meanwhile.
        """
        if isinstance(values, Parameters):
            if cells is None:
                cells = values.cells
            if cameras is None:
                cameras = values.cameras
            values = values.values
        set_parameters(self._connection, self.name, values, cells, cameras, self.steps_done)

    def export_gradients(
        self,
        rank: int = 0,
        world_size: int = 1,
        dtype: str = "f32",
        *,
        rays: Sequence[npt.ArrayLike | None] | None = None,
        targets: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
        background: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
    ) -> StepGradients:
        """The gradient of the next step, which is not done: that is apply_gradients(), with what an all-reduce over
        all ranks has made of theirs. Sessions of the same recipe then stay the same, bit for bit.

        Of the rays of a step of the whole, world_size times the recipe's, it is of this rank's part; or of `rays`,
        which with the others are as in step(). dtype: "f32" or "f64", of the values.

            gradients = session.export_gradients(rank, world_size)
            gradients.values = all_reduce_mean(gradients.values)
            gradients.cameras = all_reduce_mean(gradients.cameras)
            gradients.seen = all_reduce_max(gradients.seen)
            session.apply_gradients(gradients)
        """
        request = pb.ExportGradientsRequest(
            session=self.name,
            expected_step=self.steps_done,
            rank=rank,
            world_size=world_size,
            dtype=gradient_dtype(dtype),
        )
        own = self._own_rays(rays, targets, weights, background, ids)
        if own is not None:
            request.rays.CopyFrom(own)
        return export_gradients(self._connection, request)

    def apply_gradients(self, gradients: StepGradients) -> TrainReport:
        """The rest of the step: total variation, optimizer, schedule, cameras, the step counter. AbortedError where the
        session is at another step than `gradients`. Safe to call again after a lost connection. Loss and PSNR of the
        report are of this session's own rays."""
        return self._stepped(apply_gradients(self._connection, self.name, gradients))

    def stream(
        self,
        until_step: int = 0,
        report_every_steps: int = 0,
        report_every: float | None = None,
        max_train_seconds: float = 0,
    ) -> Iterator[TrainReport]:
        """Trains until a step, by default the recipe's last, and yields reports: every so many steps or seconds, by
        default each half second. Leaving the loop stops the training at its next step."""
        request = pb.StreamTrainRequest(
            session=self.name,
            until_step=until_step,
            report_every_steps=report_every_steps,
            max_train_seconds=max_train_seconds,
        )
        if report_every is not None:
            if not 0 < report_every < float("inf"):
                raise invalid("report_every", report_every, "must be > 0 seconds")
            request.report_every.FromNanoseconds(round(report_every * 1e9))
        ended = False
        messages = self._connection.receive("TrainingService/StreamTrain", request, pb.StreamTrainResponse)
        with contextlib.closing(messages):  # type: ignore[type-var]
            for message in messages:
                if message.HasField("session"):
                    self._take(message.session)
                    ended = True
                elif message.HasField("report"):
                    self._message.last_report.CopyFrom(message.report)
                    self.steps_done = message.report.step
                    yield TrainReport._from_message(message.report)
        if not ended:
            raise DataLossError("StreamTrain: the stream ended before its end; refresh() the session")

    def train(self, until_step: int = 0) -> TrainingSession:
        """stream() without its reports; returns itself."""
        for _ in self.stream(until_step):
            pass
        return self

    def evaluate(
        self,
        dataset: DatasetLike | None = None,
        split: str = "test",
        background: str | Sequence[float] = "white",
        images: bool = False,
        max_views: int = 0,
    ) -> Evaluation:
        """Renders views from the field as it is, beside their photographs.

        dataset: by default that of the session, `split` of it. background: "white", "black" or r, g, b from 0 to 1, in
        the photographs' colour space. images: also fetches render and photograph of each view. max_views: so many,
        evenly spread; 0: all.
        """
        request = pb.EvaluateRequest(session=self.name, max_views=max_views)
        request.dataset.CopyFrom(self._message.dataset if dataset is None else dataset_source(dataset))
        if dataset is None or not request.dataset.split:
            request.dataset.split = split
        if isinstance(background, str):
            background = tensors.enum_value("background", background, _BACKGROUNDS)
        request.background.CopyFrom(tensors.to_vec3("background", background))
        if images:
            request.images.extend([pb.EVALUATED_IMAGE_RENDER, pb.EVALUATED_IMAGE_TRUTH])
            request.dtype = common.DTYPE_F32
        header: pb.EvaluationHeader | None = None
        summary: pb.EvaluationSummary | None = None
        views: list[EvaluatedView] = []
        rows: dict[str, list[npt.NDArray[Any]]] = {"render": [], "truth": []}
        messages = self._connection.receive("TrainingService/Evaluate", request, pb.EvaluateResponse)
        with contextlib.closing(messages):  # type: ignore[type-var]
            for message in messages:
                part = message.WhichOneof("part")
                if part == "header":
                    header = message.header
                elif part == "tile":
                    for name, parts in rows.items():
                        if message.tile.HasField(name):
                            parts.append(tensors.from_tensor(getattr(message.tile, name), f"tile.{name}"))
                elif part == "view":
                    views.append(_view(message.view, rows))
                    rows = {"render": [], "truth": []}
                elif part == "summary":
                    summary = message.summary
        if header is None or summary is None:
            raise DataLossError("Evaluate: the stream ended before its summary; evaluate again")
        report = DatasetReport._from_message(header.dataset)
        return Evaluation(summary.psnr, summary.ssim, header.step, tuple(views), report)

    def save_checkpoint(self, name: str) -> Checkpoint:
        """Keeps all that goes on from here needs, on the daemon's disk; one of the same name is replaced. name:
        letters, digits, ".", "_", "-"."""
        request = pb.SaveCheckpointRequest(session=self.name, name=name)
        message = self._connection.unary("TrainingService/SaveCheckpoint", request, pb.Checkpoint)
        return Checkpoint._from_message(message)

    def restore(self, checkpoint: str | Checkpoint) -> TrainingSession:
        """Goes back to a checkpoint of the same recipe and dataset; FailedPreconditionError says what differs."""
        name = checkpoint.name if isinstance(checkpoint, Checkpoint) else checkpoint
        request = pb.RestoreCheckpointRequest(session=self.name, checkpoint=name)
        self._take(self._connection.unary("TrainingService/RestoreCheckpoint", request, pb.Session))
        return self

    def cameras(self) -> tuple[PhotoCamera, ...]:
        """The cameras of the photographs that are trained on, in the dataset's order, moved as far as the recipe has
        refined them. They fit the photographs as stored, whatever `downscale` trains on; dvren.write_transforms keeps
        them as a transforms.json."""
        request = pb.GetCamerasRequest(session=self.name)
        answer = self._connection.unary("TrainingService/GetCameras", request, pb.GetCamerasResponse)
        return tuple(PhotoCamera(one.photo, Camera._from_message(one.camera)) for one in answer.cameras)

    def publish(self) -> Field:
        """Keeps the values as they are as the field `self.field`: a new one, or a new version."""
        request = pb.PublishFieldRequest(session=self.name, request_id=uuid.uuid4().hex)
        return Field._from_message(self._connection.unary("TrainingService/PublishField", request, fields.Field))

    def close(self) -> None:
        """Lets go of the session; what was not published or saved is gone. It may be closed already."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(NotFoundError):  # its time was over
            request = pb.CloseSessionRequest(name=self.name)
            self._connection.unary("TrainingService/CloseSession", request, pb.CloseSessionResponse)

    def __enter__(self) -> TrainingSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<dvren.TrainingSession {self.name}: {self.field}, step {self.steps_done} of {self.last_step}{state}>"


def train_session(
    connection: Connection,
    field: str | Field | None,
    recipe: RecipeLike,
    dataset: DatasetLike | None,
    checkpoint: str,
    device: str,
) -> TrainingSession:
    """client.train_session: see there."""
    file = recipe_file(recipe)
    name = file.field_name if field is None else field.name if isinstance(field, Field) else field
    if not name:
        raise invalid("field", '""', "name the field, here or as the recipe's field_name")
    request = pb.CreateSessionRequest(
        field=name, recipe=file.recipe, checkpoint=checkpoint, device=device, request_id=uuid.uuid4().hex
    )
    if dataset is not None:
        request.dataset.CopyFrom(dataset_source(dataset))
    elif file.HasField("dataset"):
        request.dataset.CopyFrom(file.dataset)
        if file.dataset.path:
            request.dataset.path = dataset_source(file.dataset.path).path
    return TrainingSession(connection, connection.unary("TrainingService/CreateSession", request, pb.Session))


def train_sessions(connection: Connection) -> list[TrainingSession]:
    """client.train_sessions: see there."""
    answer = connection.unary("TrainingService/ListSessions", pb.ListSessionsRequest(), pb.ListSessionsResponse)
    return [TrainingSession(connection, message) for message in answer.sessions]


def _view(message: pb.EvaluatedView, rows: Mapping[str, list[npt.NDArray[Any]]]) -> EvaluatedView:
    images = {name: np.concatenate(parts) if parts else None for name, parts in rows.items()}
    for name, image in images.items():
        if image is not None and image.shape != (message.height, message.width, 3):
            raise mismatch(f"Evaluate: {name} of {message.name} has shape {image.shape}")
    return EvaluatedView(message.name, message.psnr, message.ssim, message.width, message.height, **images)
