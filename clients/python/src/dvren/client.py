"""connect() and Client."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import grpc
import numpy.typing as npt

from ._connection import Connection
from ._proto.dvren.v1 import admin_service_pb2 as pb
from .checkpoints import Checkpoints
from .errors import InvalidArgumentError, UnimplementedError, invalid
from .fields import Field, Fields
from .gradients import ForwardResult, Gradients, Tape, backward, forward, forward_rays
from .jobs import Jobs
from .ray_stream import RayStream, ray_stream
from .render import CameraLike, Progress, RenderResult, TransferLike, render, render_rays
from .training import DatasetLike, RecipeLike, TrainingSession, train_session, train_sessions

DEFAULT_ENDPOINT = "127.0.0.1:50551"
_SERVING = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")  # of grpc.health.v1


@dataclasses.dataclass(frozen=True)
class Limits:
    max_message_bytes: int
    max_chunk_bytes: int
    max_upload_bytes: int
    max_image_edge: int
    max_steps: int
    max_queued_requests: int
    max_tape_bytes: int  # of the caller's tapes together
    default_tape_lease_s: int  # how long a tape is kept after its last use
    max_tape_lease_s: int
    max_gradient_bytes: int  # of gradients in memory, over all callers


@dataclasses.dataclass(frozen=True)
class ServerInfo:
    version: str
    commit: str
    start_time: datetime.datetime
    field_types: tuple[str, ...]
    file_formats: tuple[str, ...]
    limits: Limits
    cuda_built: bool
    tenant: str  # who the caller is


@dataclasses.dataclass(frozen=True)
class Device:
    id: str  # "cpu", "cuda:0"
    kind: str
    name: str
    uuid: str
    isa: str
    threads: int
    memory_total_bytes: int
    memory_used_bytes: int
    queue_depth: int
    healthy: bool
    busy_seconds: float
    multiprocessors: int  # GPUs only
    driver: str  # GPUs only: the newest CUDA that the driver runs


def connect(
    addr: str | None = None,
    token: str | None = None,
    timeout: float | None = None,
    *,
    tls: bool = False,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> Client:
    """A client of the daemon at `addr`: "host:port" or "unix:/path".

    By default addr is $DVREN_ENDPOINT or 127.0.0.1:50551, and token $DVREN_TOKEN or none. timeout: seconds that one
    operation may take. ca, cert, key are PEM files, and any of them turns TLS on: `ca` signed the daemon's certificate
    (default: the system's authorities), `cert` and `key` are the client's own. The first call finds out whether a
    daemon is there.
    """
    addr = addr or os.environ.get("DVREN_ENDPOINT") or DEFAULT_ENDPOINT
    if addr == "local":
        raise UnimplementedError(
            'addr = local: this version has no engine in the process; start dvrend and give its "host:port"'
        )
    token = os.environ.get("DVREN_TOKEN") if token is None else token
    return Client(Connection(addr, token, timeout, _credentials(tls, ca, cert, key)))


class Client:
    """One daemon. Thread-safe. A context manager: leaving it closes the connection."""

    fields: Fields
    checkpoints: Checkpoints
    jobs: Jobs

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fields = Fields(connection)
        self.checkpoints = Checkpoints(connection)
        self.jobs = Jobs(connection)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return f"<dvren.Client of {self._connection.endpoint}>"

    def info(self) -> ServerInfo:
        message = self._connection.unary("AdminService/GetServerInfo", pb.GetServerInfoRequest(), pb.ServerInfo)
        return ServerInfo(
            version=message.version,
            commit=message.commit,
            start_time=message.start_time.ToDatetime().replace(tzinfo=datetime.timezone.utc),
            field_types=tuple(message.field_types),
            file_formats=tuple(message.file_formats),
            limits=Limits(**_values(message.limits, Limits)),
            cuda_built=message.cuda_built,
            tenant=message.tenant,
        )

    def devices(self) -> list[Device]:
        answer = self._connection.unary("AdminService/ListDevices", pb.ListDevicesRequest(), pb.ListDevicesResponse)
        return [Device(**_values(message, Device)) for message in answer.devices]

    def health(self, service: str = "") -> str:
        """ "SERVING" or "NOT_SERVING": a service such as "dvren.v1.RenderService" or, by default, the whole daemon."""
        # grpc.health.v1, its two one-field messages in wire form: a package for that would be one more dependency.
        name = service.encode()
        if len(name) > 127:
            raise invalid("service", service, "must be the name of a service of at most 127 bytes")
        request = b"\x0a" + bytes([len(name)]) + name if name else b""
        answer = self._connection.unary_bytes("/grpc.health.v1.Health/Check", request)
        status = answer[1] if answer[:1] == b"\x08" and len(answer) > 1 else 0
        return _SERVING[status] if status < len(_SERVING) else "UNKNOWN"

    def render(
        self,
        field: str | Field,
        camera: CameraLike | None = None,
        orbit: Sequence[float] | None = None,
        width: int | None = None,
        height: int | None = None,
        fov_deg: float | None = None,
        step: float | None = None,
        max_steps: int | None = None,
        sampling: str = "fixed",
        seed: int = 0,
        early_stop: float | None = None,
        background: Sequence[float] | None = None,
        sigma_scale: float | None = None,
        color: Sequence[float] | None = None,
        transfer: TransferLike | None = None,
        aov: str | Sequence[str] = ("rgb",),
        roi: Sequence[int] | None = None,
        precision: str = "f32",
        progress: Progress | None = None,
        *,
        field_version: int = 0,
        object_to_world: npt.ArrayLike | None = None,
        skip_empty: bool | None = None,
        device: str = "",
        tile: int = 0,
    ) -> RenderResult:
        """Renders a field, given by name or as a Field.

        camera: a Camera, a dict of the same form as cam.json, or the path of a cam.json. Without one the view is an
        orbit around the field's box: orbit=(azimuth_deg, elevation_deg[, distance]), by default 30, 20 at a distance
        that shows the whole box, at fov_deg 40 and 1024 x 1024 pixels.

        step: world length of a segment, by default half the smallest voxel. sampling: "fixed" (midpoints),
        "stratified" or "uniform_jitter" (random by `seed`, per segment or per ray). early_stop: a ray whose transmittance is below it ends; 0 = off, default 1e-4.
        background, color: linear r, g, b. transfer: {"density": [n], "rgb": [[3], ...]} or the path of such a JSON
        file, in color's place. aov: of "rgb", "opacity", "transmittance", "depth", "hit". roi: x, y, width, height of
        the part to render. precision: "f32" or "f64". progress: called with pixels done and pixels of all.

        field_version: AbortedError unless it is the current one (0: any). skip_empty and tile, the edge of a streamed
        tile in pixels, change no bits. device: such as "cpu" or "cuda:0", by default the daemon's choice.
        """
        return render(
            self._connection,
            field,
            camera=camera,
            orbit=orbit,
            width=width,
            height=height,
            fov_deg=fov_deg,
            step=step,
            max_steps=max_steps,
            sampling=sampling,
            seed=seed,
            early_stop=early_stop,
            background=background,
            sigma_scale=sigma_scale,
            color=color,
            transfer=transfer,
            aov=aov,
            roi=roi,
            precision=precision,
            progress=progress,
            field_version=field_version,
            object_to_world=object_to_world,
            skip_empty=skip_empty,
            device=device,
            tile=tile,
        )

    def render_rays(
        self,
        field: str | Field,
        origins: npt.ArrayLike,
        directions: npt.ArrayLike,
        t_near: npt.ArrayLike | None = None,
        t_far: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        step: float | None = None,
        max_steps: int | None = None,
        sampling: str = "fixed",
        seed: int = 0,
        early_stop: float | None = None,
        background: Sequence[float] | None = None,
        sigma_scale: float | None = None,
        color: Sequence[float] | None = None,
        transfer: TransferLike | None = None,
        aov: str | Sequence[str] = ("rgb",),
        precision: str = "f32",
        *,
        field_version: int = 0,
        object_to_world: npt.ArrayLike | None = None,
        skip_empty: bool | None = None,
        device: str = "",
    ) -> RenderResult:
        """Renders given rays: origins (N, 3) and unit directions (N, 3), world space, sent in `precision`.

        t_near, t_far: numbers or (N,), by default 0 and infinity. ids: (N,) integers, the keys of stratified sampling,
        by default the index. Any N: what exceeds one message goes in several, with the same bits. The rest as in
        render(); the arrays are (N, 3) and (N,).
        """
        return render_rays(
            self._connection,
            field,
            origins,
            directions,
            t_near=t_near,
            t_far=t_far,
            ids=ids,
            step=step,
            max_steps=max_steps,
            sampling=sampling,
            seed=seed,
            early_stop=early_stop,
            background=background,
            sigma_scale=sigma_scale,
            color=color,
            transfer=transfer,
            aov=aov,
            precision=precision,
            field_version=field_version,
            object_to_world=object_to_world,
            skip_empty=skip_empty,
            device=device,
        )

    def forward(
        self,
        field: str | Field,
        camera: CameraLike | None = None,
        orbit: Sequence[float] | None = None,
        width: int | None = None,
        height: int | None = None,
        fov_deg: float | None = None,
        step: float | None = None,
        max_steps: int | None = None,
        sampling: str = "fixed",
        seed: int = 0,
        early_stop: float | None = None,
        background: Sequence[float] | None = None,
        sigma_scale: float | None = None,
        color: Sequence[float] | None = None,
        transfer: TransferLike | None = None,
        aov: str | Sequence[str] = ("rgb",),
        roi: Sequence[int] | None = None,
        precision: str = "f32",
        progress: Progress | None = None,
        *,
        lease: float | None = None,
        field_version: int = 0,
        object_to_world: npt.ArrayLike | None = None,
        skip_empty: bool | None = None,
        device: str = "",
        tile: int = 0,
    ) -> ForwardResult:
        """Renders as render() does, with the same bits, and keeps what backward() needs under result.tape.

        lease: seconds that the daemon keeps the tape after its last use, by default as it is configured. A tape takes
        five numbers per ray of the caller's budget: use it as a context, release() it, or let backward() do so.
        """
        return forward(
            self._connection,
            field,
            lease=lease,
            camera=camera,
            orbit=orbit,
            width=width,
            height=height,
            fov_deg=fov_deg,
            step=step,
            max_steps=max_steps,
            sampling=sampling,
            seed=seed,
            early_stop=early_stop,
            background=background,
            sigma_scale=sigma_scale,
            color=color,
            transfer=transfer,
            aov=aov,
            roi=roi,
            precision=precision,
            progress=progress,
            field_version=field_version,
            object_to_world=object_to_world,
            skip_empty=skip_empty,
            device=device,
            tile=tile,
        )

    def forward_rays(
        self,
        field: str | Field,
        origins: npt.ArrayLike,
        directions: npt.ArrayLike,
        t_near: npt.ArrayLike | None = None,
        t_far: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        step: float | None = None,
        max_steps: int | None = None,
        sampling: str = "fixed",
        seed: int = 0,
        early_stop: float | None = None,
        background: Sequence[float] | None = None,
        sigma_scale: float | None = None,
        color: Sequence[float] | None = None,
        transfer: TransferLike | None = None,
        aov: str | Sequence[str] = ("rgb",),
        precision: str = "f32",
        *,
        lease: float | None = None,
        field_version: int = 0,
        object_to_world: npt.ArrayLike | None = None,
        skip_empty: bool | None = None,
        device: str = "",
    ) -> ForwardResult:
        """Renders given rays as render_rays() does, and keeps what backward() needs under result.tape.

        One tape is one message: at most 65536 rays in f32, 32768 in f64. lease as in forward().
        """
        return forward_rays(
            self._connection,
            field,
            origins,
            directions,
            lease=lease,
            t_near=t_near,
            t_far=t_far,
            ids=ids,
            step=step,
            max_steps=max_steps,
            sampling=sampling,
            seed=seed,
            early_stop=early_stop,
            background=background,
            sigma_scale=sigma_scale,
            color=color,
            transfer=transfer,
            aov=aov,
            precision=precision,
            field_version=field_version,
            object_to_world=object_to_world,
            skip_empty=skip_empty,
            device=device,
        )

    def backward(
        self,
        tape: Tape,
        rgb: npt.ArrayLike | None = None,
        opacity: npt.ArrayLike | None = None,
        transmittance: npt.ArrayLike | None = None,
        depth: npt.ArrayLike | None = None,
        accumulate: bool = False,
        values: bool = True,
        camera: bool = False,
        scene: bool = False,
        step: bool = False,
        rays: bool = False,
        exponent: int | None = None,
        dtype: str = "f32",
        keep_tape: bool = False,
    ) -> Gradients:
        """Gradients of a loss L, from dL/d(image): rgb (H, W, 3), the others (H, W), float32 or float64, of the tape's
        image, whether forward() returned that array or not; for given rays (N, 3) and (N,). Left out, they count as 0.

        values: dL/d(field values), as Gradients.values, of `dtype` "f32" or "f64". accumulate: adds it to the field's
        own gradient in the daemon (fields.zero_gradients, fields.gradient); with both, the sum so far comes back.
        camera: of pose, intrinsics, distortion, t_near, t_far. scene: of background, sigma scale, colour or transfer
        function. step: of dt. rays: of origins, directions, t_near, t_far, for forward_rays().

        exponent: sums of dL/d(field values) are exact multiples of 2^exponent, -100 to 60; by default it is chosen from
        dL/d(image), or with `accumulate` is the field gradient's own. OutOfRangeError where it is too small.

        Success releases the tape unless keep_tape. AbortedError where the field has changed since the forward.
        """
        return backward(
            self._connection,
            tape,
            rgb=rgb,
            opacity=opacity,
            transmittance=transmittance,
            depth=depth,
            accumulate=accumulate,
            values=values,
            camera=camera,
            scene=scene,
            step=step,
            rays=rays,
            exponent=exponent,
            dtype=dtype,
            keep_tape=keep_tape,
        )

    def stream_rays(
        self,
        field: str | Field,
        step: float | None = None,
        max_steps: int | None = None,
        sampling: str = "fixed",
        seed: int = 0,
        early_stop: float | None = None,
        background: Sequence[float] | None = None,
        sigma_scale: float | None = None,
        color: Sequence[float] | None = None,
        transfer: TransferLike | None = None,
        aov: str | Sequence[str] = ("rgb",),
        precision: str = "f32",
        *,
        accumulate: bool = False,
        scene: bool = False,
        dt: bool = False,
        rays: bool = False,
        exponent: int | None = None,
        field_version: int = 0,
        object_to_world: npt.ArrayLike | None = None,
        skip_empty: bool | None = None,
        device: str = "",
    ) -> RayStream:
        """A context that takes small batches of rays, forward and backward in one exchange, without tapes:

            with client.stream_rays("cloud", accumulate=True) as stream:
                result = stream.send(origins, directions, rgb=adjoint)

        The scene, sampling and images are as in render_rays(); accumulate, scene, dt (backward's `step`), rays and
        exponent as in backward(), for batches that carry dL/d(image).
        """
        return ray_stream(
            self._connection,
            field,
            wanted={"accumulate": accumulate, "scene": scene, "step": dt, "rays": rays},
            exponent=exponent,
            step=step,
            max_steps=max_steps,
            sampling=sampling,
            seed=seed,
            early_stop=early_stop,
            background=background,
            sigma_scale=sigma_scale,
            color=color,
            transfer=transfer,
            aov=aov,
            precision=precision,
            field_version=field_version,
            object_to_world=object_to_world,
            skip_empty=skip_empty,
            device=device,
        )

    def train_session(
        self,
        field: str | Field | None,
        recipe: RecipeLike,
        dataset: DatasetLike | None = None,
        *,
        checkpoint: str = "",
        device: str = "",
    ) -> TrainingSession:
        """A session that trains `field` on photographs of the daemon's machine.

        field: the name that publish() gives it; None: the recipe's field_name. recipe: a dict with the keys of a
        recipe file, such as {"steps": 1000, "optimizer": {"color_rate": 0.02}}, or the path of one (needs PyYAML).
        dataset: a folder below one of the daemon's roots, or a dict such as {"path": ..., "downscale": 2}; by default
        the recipe's; without one, session.step(rays=..., targets=...) trains it. checkpoint: the name of one to go on
        from, with the recipe and the dataset it was made with.

            with client.train_session("lego", "configs/recipes/lego_dense.yaml") as session:
                for report in session.stream():
                    print(report.step, report.psnr)
                print(session.evaluate().psnr)
                session.publish()
        """
        return train_session(self._connection, field, recipe, dataset, checkpoint, device)

    def train_sessions(self) -> list[TrainingSession]:
        """The caller's sessions, oldest first."""
        return train_sessions(self._connection)


def _values(message: Any, cls: Any) -> dict[str, Any]:
    """The message's fields that the dataclass has."""
    return {field.name: getattr(message, field.name) for field in dataclasses.fields(cls)}


def _credentials(tls: bool, ca: str | None, cert: str | None, key: str | None) -> grpc.ChannelCredentials | None:
    if not (tls or ca or cert or key):
        return None
    if bool(cert) != bool(key):
        raise invalid("cert", cert, f"key = {key}: a client certificate needs both files")
    return grpc.ssl_channel_credentials(_pem("ca", ca), _pem("key", key), _pem("cert", cert))


def _pem(name: str, path: str | None) -> bytes | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidArgumentError(f"{name} = {path}: must be a readable PEM file ({error.strerror})") from None
