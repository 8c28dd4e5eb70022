"""Jobs: work that outlives the call and the daemon. `client.jobs` submits, follows and steers them."""

from __future__ import annotations

import builtins
import dataclasses
import datetime
import hashlib
import os
import pathlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Union

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import job_service_pb2 as pb
from ._recipes import dataset_source, recipe_file
from .errors import AbortedError, DataLossError, DvrenError, invalid
from .fields import Field, _Retry
from .render import CameraLike, image_request
from .training import DatasetLike, RecipeLike

_STATES = {
    "queued": pb.JOB_STATE_QUEUED,
    "running": pb.JOB_STATE_RUNNING,
    "paused": pb.JOB_STATE_PAUSED,
    "succeeded": pb.JOB_STATE_SUCCEEDED,
    "failed": pb.JOB_STATE_FAILED,
    "cancelled": pb.JOB_STATE_CANCELLED,
}
_CLASSES = {
    "interactive": pb.JOB_CLASS_INTERACTIVE,
    "normal": pb.JOB_CLASS_NORMAL,
    "batch": pb.JOB_CLASS_BATCH,
}
_FORMATS = {"png": pb.IMAGE_FORMAT_PNG, "exr": pb.IMAGE_FORMAT_EXR, "npz": pb.IMAGE_FORMAT_NPZ}
# What client.render has as defaults.
_RENDER_DEFAULTS: dict[str, Any] = {
    "step": None,
    "max_steps": None,
    "sampling": "fixed",
    "seed": 0,
    "early_stop": None,
    "background": None,
    "sigma_scale": None,
    "color": None,
    "transfer": None,
    "field_version": 0,
    "object_to_world": None,
    "skip_empty": None,
}
_IMAGE_OPTIONS = {"aov", "roi", "device"}


@dataclasses.dataclass(frozen=True)
class Artifact:
    name: str
    sha256: str
    bytes: int
    media_type: str


@dataclasses.dataclass(frozen=True)
class Job:
    name: str  # "jobs/17"
    kind: str  # "render_sequence", "train", "bench"
    title: str
    state: str  # "queued", "running", "paused", "succeeded", "failed", "cancelled"
    job_class: str
    priority: int
    attempts: int
    max_attempts: int
    done: int  # of `total` frames, steps or repeats
    total: int
    create_time: datetime.datetime
    last_event: int
    error: str = ""  # of the last attempt that failed
    artifacts: tuple[Artifact, ...] = ()  # not in lists

    @property
    def finished(self) -> bool:
        return self.state in ("succeeded", "failed", "cancelled")

    @classmethod
    def _from_message(cls, message: pb.Job) -> Job:
        return cls(
            name=message.name,
            kind=message.kind,
            title=message.title,
            state=tensors.enum_name(message.state, _STATES),
            job_class=tensors.enum_name(message.job_class, _CLASSES),
            priority=message.priority,
            attempts=message.attempts,
            max_attempts=message.max_attempts,
            done=message.done,
            total=message.total,
            create_time=message.create_time.ToDatetime().replace(tzinfo=datetime.timezone.utc),
            last_event=message.last_event,
            error=message.error.message,
            artifacts=tuple(_artifact(artifact) for artifact in message.artifacts),
        )


@dataclasses.dataclass(frozen=True)
class JobEvent:
    """One of state, progress, artifact, log is set."""

    number: int  # 1, 2, ... without gaps
    time: datetime.datetime
    state: str = ""
    done: int | None = None
    total: int | None = None
    figures: dict[str, float] = dataclasses.field(default_factory=dict)  # such as "loss", "psnr"
    artifact: Artifact | None = None
    log: str = ""

    @classmethod
    def _from_message(cls, message: pb.JobEvent) -> JobEvent:
        time = message.time.ToDatetime().replace(tzinfo=datetime.timezone.utc)
        which = message.WhichOneof("event")
        if which == "state":
            return cls(message.number, time, state=tensors.enum_name(message.state, _STATES))
        if which == "progress":
            progress = message.progress
            return cls(message.number, time, done=progress.done, total=progress.total, figures=dict(progress.figures))
        if which == "artifact":
            return cls(message.number, time, artifact=_artifact(message.artifact))
        return cls(message.number, time, log=message.log)


JobLike = Union[Job, str, int]


class Jobs:
    """`client.jobs`. A job is given as a Job, its name "jobs/17", or its number."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def render_sequence(
        self,
        field: str | Field,
        cameras: Sequence[CameraLike],
        format: str = "png",
        prefix: str = "",
        color_space: str = "linear",
        *,
        title: str = "",
        job_class: str = "batch",
        priority: int = 0,
        max_attempts: int = 0,
        request_id: str | None = None,
        **options: Any,
    ) -> Job:
        """An image file per camera: artifacts "frame_0000.png" and so on. format: "png" (sRGB, colour alone), "exr" or
        "npz" (linear, all of `aov`). color_space: of the field's colours, for "png"; "srgb" for one that was trained from
        photographs, whose colours are written as they are. options: those of client.render, but for camera, orbit, width, height, fov_deg,
        precision, tile. request_id: the same within 24 hours is the same job; None: a new one.
        """
        if not cameras:
            raise invalid("cameras", "[]", "must be at least one")
        spec = pb.JobSpec()
        for camera in cameras:
            spec.render_sequence.cameras.append(self._render(field, options, camera=camera).camera)
        spec.render_sequence.render.CopyFrom(self._render(field, options, camera=cameras[0]))
        spec.render_sequence.render.ClearField("camera")
        spec.render_sequence.format = tensors.enum_value("format", format, _FORMATS)
        spec.render_sequence.prefix = prefix
        choices = {"linear": False, "srgb": True}
        spec.render_sequence.srgb_colors = tensors.enum_value("color_space", color_space, choices)
        return self._submit(spec, title, job_class, priority, max_attempts, request_id)

    def train(
        self,
        field: str | Field | None,
        recipe: RecipeLike,
        dataset: DatasetLike | None = None,
        checkpoint_every_steps: int = 0,
        device: str = "",
        *,
        title: str = "",
        job_class: str = "batch",
        priority: int = 0,
        max_attempts: int = 0,
        request_id: str | None = None,
    ) -> Job:
        """Trains as client.train_session does, and keeps the field; field None: the recipe's field_name.
        checkpoint_every_steps: where an interrupted job goes on; 0: every 500."""
        file = recipe_file(recipe)
        name = file.field_name if field is None else field.name if isinstance(field, Field) else field
        spec = pb.JobSpec()
        spec.train.field = name
        spec.train.recipe.CopyFrom(file.recipe)
        if dataset is not None:
            spec.train.dataset.CopyFrom(dataset_source(dataset))
        elif file.HasField("dataset"):
            spec.train.dataset.CopyFrom(file.dataset)
            if file.dataset.path:
                spec.train.dataset.path = dataset_source(file.dataset.path).path
        spec.train.checkpoint_every_steps = checkpoint_every_steps
        spec.train.device = device
        return self._submit(spec, title, job_class, priority, max_attempts, request_id)

    def bench(
        self,
        field: str | Field,
        repeats: int = 10,
        *,
        title: str = "",
        job_class: str = "batch",
        priority: int = 0,
        max_attempts: int = 0,
        request_id: str | None = None,
        **options: Any,
    ) -> Job:
        """Renders one image again and again; the artifact "bench.json" has the figures. options: those of
        client.render, but for precision and tile."""
        spec = pb.JobSpec()
        spec.bench.render.CopyFrom(self._render(field, options))
        spec.bench.repeats = repeats
        return self._submit(spec, title, job_class, priority, max_attempts, request_id)

    def get(self, job: JobLike) -> Job:
        return self._call("GetJob", pb.GetJobRequest(name=_name(job)))

    def list(self, states: Sequence[str] = (), kind: str = "", limit: int = 100) -> builtins.list[Job]:
        """The caller's, newest first."""
        request = pb.ListJobsRequest(
            page_size=min(limit, 1000), kind=kind, states=[tensors.enum_value("states", s, _STATES) for s in states]
        )
        jobs: builtins.list[Job] = []
        while len(jobs) < limit:
            page = self._connection.unary("JobService/ListJobs", request, pb.ListJobsResponse)
            jobs += [Job._from_message(message) for message in page.jobs]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return jobs[:limit]

    def watch(self, job: JobLike, from_event: int = 1) -> Iterator[JobEvent]:
        """Its events from a number on, as they come, until it is finished. Goes on after a daemon that comes back."""
        request = pb.WatchJobRequest(name=_name(job), from_event=from_event)
        retry = _Retry(self._connection.deadline())
        while True:
            try:
                messages = self._connection.receive("JobService/WatchJob", request, pb.WatchJobResponse, retry.deadline)
                for message in messages:
                    retry.progressed()
                    request.from_event = message.event.number + 1
                    yield JobEvent._from_message(message.event)
                return
            except DvrenError as error:
                retry.again(error)

    def wait(self, job: JobLike) -> Job:
        """Until it is finished. AbortedError when it failed or was cancelled."""
        for _ in self.watch(job, self.get(job).last_event):
            pass
        done = self.get(job)
        if done.state != "succeeded":
            raise AbortedError(f"{done.name}: {done.state}{': ' if done.error else ''}{done.error}", None)
        return done

    def cancel(self, job: JobLike) -> Job:
        """At the end of its slice where it runs; watch tells when."""
        return self._call("CancelJob", pb.CancelJobRequest(name=_name(job)))

    def retry(self, job: JobLike) -> Job:
        """Queues one again that has failed or was cancelled; it goes on where it was."""
        return self._call("RetryJob", pb.RetryJobRequest(name=_name(job)))

    def pause(self, job: JobLike) -> Job:
        return self._call("PauseJob", pb.PauseJobRequest(name=_name(job)))

    def resume(self, job: JobLike) -> Job:
        return self._call("ResumeJob", pb.ResumeJobRequest(name=_name(job)))

    def set_priority(self, job: JobLike, priority: int) -> Job:
        """Among the caller's queued jobs of a class the highest goes first."""
        return self._call("UpdateJobPriority", pb.UpdateJobPriorityRequest(name=_name(job), priority=priority))

    def logs(self, job: JobLike) -> builtins.list[JobEvent]:
        """Its lines and states, oldest first."""
        request = pb.GetJobLogsRequest(name=_name(job))
        lines: builtins.list[JobEvent] = []
        while True:
            page = self._connection.unary("JobService/GetJobLogs", request, pb.GetJobLogsResponse)
            lines += [JobEvent._from_message(line) for line in page.lines]
            request.from_event = page.next_from_event
            if not page.next_from_event:
                return lines

    def download(self, job: JobLike, artifact: str | Artifact, path: str | os.PathLike[str]) -> pathlib.Path:
        """Writes an artifact to a file, or into a folder under its own name; whole or not at all."""
        name = artifact.name if isinstance(artifact, Artifact) else artifact
        target = pathlib.Path(path)
        if target.is_dir():
            target /= pathlib.PurePath(name).name
        scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with open(scratch, "xb") as file:
                self._fetch(_name(job), name, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, target)
        finally:
            scratch.unlink(missing_ok=True)
        return target

    def _fetch(self, job: str, name: str, file: Any) -> None:
        request = pb.DownloadArtifactRequest(name=job, artifact=name)
        retry = _Retry(self._connection.deadline())
        digest, described = hashlib.sha256(), None
        while True:
            try:
                messages = self._connection.receive(
                    "JobService/DownloadArtifact", request, pb.DownloadArtifactResponse, retry.deadline
                )
                for message in messages:
                    if message.HasField("artifact"):
                        described = message.artifact
                    if message.HasField("chunk"):
                        file.write(message.chunk.data)
                        digest.update(message.chunk.data)
                        request.offset = message.chunk.offset + len(message.chunk.data)
                        retry.progressed()
                break
            except DvrenError as error:
                retry.again(error)
        if described is None or digest.hexdigest() != described.sha256:
            raise DataLossError(f"artifact = {name}: came damaged (SHA-256 differs); download it again", None)

    def _render(self, field: str | Field, options: dict[str, Any], **view: Any) -> Any:
        known = {*_RENDER_DEFAULTS, *_IMAGE_OPTIONS}
        if not view:
            known |= {"camera", "orbit", "width", "height", "fov_deg"}
        for key in options:
            if key not in known:
                raise invalid(key, options[key], f"is no option here; one of {', '.join(sorted(known))}")
        return image_request(self._connection, field, **{**_RENDER_DEFAULTS, **options, **view})

    def _submit(
        self,
        spec: pb.JobSpec,
        title: str,
        job_class: str,
        priority: int,
        max_attempts: int,
        request_id: str | None,
    ) -> Job:
        request = pb.SubmitJobRequest(
            spec=spec,
            title=title,
            job_class=tensors.enum_value("job_class", job_class, _CLASSES),
            priority=priority,
            max_attempts=max_attempts,
            request_id=uuid.uuid4().hex if request_id is None else request_id,
        )
        # The same request each time: the job is made once.
        retry = _Retry(self._connection.deadline())
        while True:
            try:
                return Job._from_message(
                    self._connection.unary("JobService/SubmitJob", request, pb.Job, retry.deadline)
                )
            except DvrenError as error:
                retry.again(error)

    def _call(self, method: str, request: Any) -> Job:
        return Job._from_message(self._connection.unary(f"JobService/{method}", request, pb.Job))


def _name(job: JobLike) -> str:
    return job.name if isinstance(job, Job) else str(job)


def _artifact(message: pb.Artifact) -> Artifact:
    return Artifact(message.name, message.sha256, message.bytes, message.media_type)
