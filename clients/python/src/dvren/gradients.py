"""Gradients: a forward that leaves a tape, and the backward pass over it. Conventions in docs/conventions.md."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import render_service_pb2 as pb
from ._proto.dvren.v1 import scene_pb2 as scene
from .errors import DataLossError, InvalidArgumentError, NotFoundError, invalid, mismatch
from .fields import GRADIENT_DTYPES, Field, append_chunk, split_gradient
from .render import (
    RAYS_PER_REQUEST,
    Assembler,
    Progress,
    RenderResult,
    RenderStats,
    camera_of,
    image_request,
    rays_arrays,
    rays_message,
    rays_request,
)

ADJOINT_AOVS = {
    "rgb": scene.AOV_RGB,
    "opacity": scene.AOV_OPACITY,
    "transmittance": scene.AOV_TRANSMITTANCE,
    "depth": scene.AOV_DEPTH,
}
_TILE_BYTES = 2 << 20  # of dL/d(image) in one message; the daemon takes 4 MiB with all that is around them


class Tape:
    """What a backward pass needs of a forward, in the daemon's memory. Leaving it as a context releases it.

    The daemon lets it go at expire_time, which every use moves on; a successful backward releases it unless told to
    keep it.
    """

    name: str  # "tapes/{id}"
    bytes: int  # that it takes of the caller's tape budget
    expire_time: datetime.datetime
    field: str  # "fields/{id}"
    field_version: int  # backward is an AbortedError when the field has another by then
    width: int  # of the image that the gradients given to backward must cover; N x 1 for given rays
    height: int
    precision: str  # of those gradients, "f32" or "f64"
    released: bool

    def __init__(self, connection: Connection, message: pb.Tape, origin: tuple[int, int], of_rays: bool) -> None:
        self._connection = connection
        self._origin = origin  # pixel of the whole image that the tape's first one is
        self._of_rays = of_rays
        self.name = message.name
        self.bytes = message.bytes
        self.expire_time = message.expire_time.ToDatetime().replace(tzinfo=datetime.timezone.utc)
        self.field = message.field
        self.field_version = message.field_version
        self.width = message.width
        self.height = message.height
        self.precision = "f64" if message.precision == common.PRECISION_F64 else "f32"
        self.released = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of opacity's gradient: (H, W), or (N,) for given rays; that of rgb has three channels more."""
        return (self.width,) if self._of_rays else (self.height, self.width)

    def release(self) -> None:
        """Lets go of it before its time. It may be gone already."""
        if not self.released:
            self.released = True
            release_tape(self._connection, self.name)

    def __enter__(self) -> Tape:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        state = ", released" if self.released else ""
        return f"<dvren.Tape {self.name}: {self.width}x{self.height} {self.precision}, {self.bytes} bytes{state}>"


class ForwardResult(RenderResult):
    """A RenderResult, and the `tape` that client.backward() takes."""

    tape: Tape

    def __init__(self, tape: Tape, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tape = tape

    def __repr__(self) -> str:
        return f"ForwardResult({self.tape}, {super().__repr__()})"


@dataclasses.dataclass(frozen=True, eq=False)
class CameraGradient:
    """dL/d(camera), in the axes of the camera's convention. What the camera's model lacks is 0."""

    camera_to_world: npt.NDArray[np.float64]  # 3x4, ambient, of normalise(R d)
    omega: npt.NDArray[np.float64]  # of R <- exp(omega) R, in world axes
    v: npt.NDArray[np.float64]  # of o <- o + v
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: Mapping[str, float]  # k1 to k4, p1, p2
    ortho_scale: float
    t_near: float
    t_far: float


@dataclasses.dataclass(frozen=True, eq=False)
class SceneGradient:
    background: npt.NDArray[np.float64]  # (3,)
    sigma_scale: float
    color: npt.NDArray[np.float64]  # (3,) of a constant colour
    knot_density: npt.NDArray[np.float64]  # (K,) of a transfer function, and (K, 3)
    knot_rgb: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class RayGradient:
    """Of the tape's precision."""

    origins: npt.NDArray[Any]  # (N, 3)
    directions: npt.NDArray[Any]  # (N, 3)
    t_near: npt.NDArray[Any]  # (N,)
    t_far: npt.NDArray[Any]  # (N,)


@dataclasses.dataclass(frozen=True)
class GradientStats:
    """What there is to know of a gradient at a glance."""

    count: int
    zeros: int
    not_finite: int
    l1: float
    l2: float
    largest: float  # magnitude
    histogram: tuple[int, ...]  # bin i: 2^(i - 40) <= |v| < 2^(i - 39)

    @classmethod
    def _from_message(cls, message: pb.GradientStats) -> GradientStats:
        values = {field.name: getattr(message, field.name) for field in dataclasses.fields(cls)}
        return cls(**{**values, "histogram": tuple(message.histogram)})


@dataclasses.dataclass(frozen=True, eq=False)
class Gradients:
    """What a backward pass computed; None is what it was not asked for."""

    values: npt.NDArray[Any] | None  # (nz, ny, nx, channels) of a dense grid; (leaves, 8, 8, 8), z, y, x, of NanoVDB
    origins: npt.NDArray[np.int32] | None  # NanoVDB: (leaves, 3) index coordinates x, y, z of each leaf's first voxel
    exponent: int | None  # of values: quantum 2^exponent of its sums
    field_version: int
    camera: CameraGradient | None
    scene: SceneGradient | None
    dt: float | None
    rays: RayGradient | None
    stats: RenderStats
    value_stats: GradientStats | None
    request_id: str


def forward(
    connection: Connection,
    field: str | Field,
    lease: float | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ForwardResult:
    """client.forward: see there."""
    return _forward(connection, pb.ForwardRequest(image=image_request(connection, field, **options)), lease, progress)


def forward_rays(
    connection: Connection,
    field: str | Field,
    origins: npt.ArrayLike,
    directions: npt.ArrayLike,
    t_near: npt.ArrayLike | None = None,
    t_far: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
    lease: float | None = None,
    **options: Any,
) -> ForwardResult:
    """client.forward_rays: see there."""
    request = rays_request(field, **options)
    rays = rays_arrays(origins, directions, t_near, t_far, ids, request.precision)
    most = RAYS_PER_REQUEST[request.precision]
    if len(rays["origins"]) > most:
        raise invalid(
            "origins", f"{len(rays['origins'])} rays", f"a tape holds at most {most}; call it for parts of them"
        )
    request.rays.CopyFrom(rays_message(rays))
    return _forward(connection, pb.ForwardRequest(rays=request), lease, None)


def backward(
    connection: Connection,
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
    """client.backward: see there."""
    if tape.released:
        raise invalid("tape", tape.name, "was released; call forward again, or backward with keep_tape=True before")
    given = {"rgb": rgb, "opacity": opacity, "transmittance": transmittance, "depth": depth}
    adjoints = {name: _adjoint(name, array, tape) for name, array in given.items() if array is not None}
    if not adjoints:
        raise InvalidArgumentError(
            "adjoints = none: give dL/d(image) as one or more of rgb, opacity, transmittance, depth"
        )
    if rays and not tape._of_rays:
        raise invalid("rays", rays, "needs a tape of forward_rays(); of an image ask for camera=True")
    if camera and tape._of_rays:
        raise invalid("camera", camera, "needs a tape of forward(); of given rays ask for rays=True")
    want = pb.GradientRequest(
        accumulate=accumulate,
        values=values,
        camera=camera,
        scene=scene,
        step=step,
        rays=rays,
        dtype=tensors.enum_value("dtype", dtype, GRADIENT_DTYPES),
    )
    if exponent is not None:
        want.exponent = exponent
    header = pb.BackwardHeader(tape=tape.name, want=want, keep_tape=keep_tape)
    array: pb.GradientArray | None = None
    summary: pb.BackwardSummary | None = None
    data = bytearray()
    messages = connection.exchange("RenderService/Backward", _requests(header, tape, adjoints), pb.BackwardResponse)
    with contextlib.closing(messages):  # type: ignore[type-var]
        for message in messages:
            part = message.WhichOneof("part")
            if part == "values":
                array = message.values
            elif part == "chunk":
                append_chunk(data, message.chunk, "call backward again")
            elif part == "summary":
                summary = message.summary
    if summary is None or (values and array is None):
        raise DataLossError("Backward: the stream ended before its summary; call backward again")
    if not keep_tape:
        tape.released = True
    return _gradients(tape, array, data, summary)


def release_tape(connection: Connection, name: str) -> None:
    with contextlib.suppress(NotFoundError):  # its time was over
        connection.unary("RenderService/ReleaseTape", pb.ReleaseTapeRequest(tape=name), pb.ReleaseTapeResponse)


def _forward(
    connection: Connection, request: pb.ForwardRequest, lease: float | None, progress: Progress | None
) -> ForwardResult:
    if lease is not None:
        if not 0 < lease < float("inf"):
            raise invalid("lease", lease, "must be > 0 seconds; leave it out for the daemon's default")
        request.lease.FromNanoseconds(round(lease * 1e9))
    of_rays = request.WhichOneof("target") == "rays"
    target = request.rays if of_rays else request.image
    image = Assembler("Forward", target.aovs, target.precision, progress)
    messages = connection.receive("RenderService/Forward", request, pb.ForwardResponse)
    with contextlib.closing(messages):  # type: ignore[type-var]
        for message in messages:
            image.take(message)
    arrays, header, summary = image.finish()
    tape = Tape(connection, summary.tape, (header.roi.x, header.roi.y), of_rays)
    if (tape.height, tape.width) != (header.roi.height, header.roi.width):
        raise mismatch(
            f"Forward: a tape of {tape.width}x{tape.height} for {header.roi.width}x{header.roi.height} pixels"
        )
    return ForwardResult(
        tape,
        {name: array[0] for name, array in arrays.items()} if of_rays else arrays,
        RenderStats._sum([summary.stats]),
        summary.warnings,
        header.request_id,
        None if of_rays else camera_of(header),
        tape.field_version,
        header.device,
    )


def _adjoint(name: str, array: npt.ArrayLike, tape: Tape) -> npt.NDArray[Any]:
    """(H, W[, 3]) of the tape's precision."""
    wire = adjoint_array(name, array, tape.shape, tape.precision)
    return wire.reshape((tape.height, tape.width) + wire.shape[len(tape.shape) :])


def adjoint_array(name: str, array: npt.ArrayLike, shape: tuple[int, ...], precision: str) -> npt.NDArray[Any]:
    """dL/d(image), checked and of the precision; `shape` is that of opacity's."""
    given = np.asarray(array)
    shape = shape + ((3,) if name == "rgb" else ())
    if given.dtype not in (np.float32, np.float64):
        raise invalid(name, f"array of {given.dtype}", f"must be float32 or float64; {precision} is sent")
    if given.shape != shape:
        raise invalid(name, f"array of shape {given.shape}", f"must be {shape}, as the image")
    with np.errstate(over="ignore"):
        wire = np.ascontiguousarray(given, np.float64 if precision == "f64" else np.float32)
    finite = np.isfinite(wire)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise invalid(f"{name}[{', '.join(map(str, at))}]", given[at], f"must be finite in {precision}")
    return wire


def _requests(
    header: pb.BackwardHeader, tape: Tape, adjoints: Mapping[str, npt.NDArray[Any]]
) -> Iterator[pb.BackwardRequest]:
    yield pb.BackwardRequest(header=header)
    pixel_bytes = sum(a.itemsize * (3 if a.ndim == 3 else 1) for a in adjoints.values())
    columns = min(tape.width, max(1, _TILE_BYTES // pixel_bytes))
    rows = min(tape.height, max(1, _TILE_BYTES // (pixel_bytes * columns)))
    for y in range(0, tape.height, rows):
        for x in range(0, tape.width, columns):
            part = (slice(y, min(y + rows, tape.height)), slice(x, min(x + columns, tape.width)))
            roi = common.Roi(
                x=tape._origin[0] + x,
                y=tape._origin[1] + y,
                width=part[1].stop - x,
                height=part[0].stop - y,
            )
            images = [
                pb.AovTensor(aov=ADJOINT_AOVS[name], tensor=tensors.to_tensor(array[part]))
                for name, array in adjoints.items()
            ]
            yield pb.BackwardRequest(adjoint=pb.RenderTile(roi=roi, images=images))


def _gradients(tape: Tape, array: pb.GradientArray | None, data: bytearray, summary: pb.BackwardSummary) -> Gradients:
    values = origins = None
    if array is not None:
        values, origins = split_gradient(data, array.dtype, array.shape, array.origins_bytes)
    return Gradients(
        values=values,
        origins=origins,
        exponent=None if array is None else array.exponent,
        field_version=tape.field_version if array is None else array.field_version,
        stats=RenderStats._sum([summary.stats]),
        value_stats=GradientStats._from_message(summary.value_stats) if summary.HasField("value_stats") else None,
        request_id=summary.request_id,
        **parameter_gradients(summary.gradients),
    )


def parameter_gradients(message: pb.Gradients) -> dict[str, Any]:
    """Those of few parameters and of rays; None where they were not asked for."""
    return {
        "camera": _camera_gradient(message.camera) if message.HasField("camera") else None,
        "scene": _scene_gradient(message.scene) if message.HasField("scene") else None,
        "dt": message.dt if message.HasField("dt") else None,
        "rays": _ray_gradient(message.rays) if message.HasField("rays") else None,
    }


def _camera_gradient(message: pb.CameraGradient) -> CameraGradient:
    pose = tensors.from_affine(message.camera_to_world)
    return CameraGradient(
        camera_to_world=np.zeros((3, 4)) if pose is None else pose,
        omega=_vector(message.omega),
        v=_vector(message.v),
        distortion={key: getattr(message, key) for key in ("k1", "k2", "k3", "k4", "p1", "p2")},
        **{key: getattr(message, key) for key in ("fx", "fy", "cx", "cy", "ortho_scale", "t_near", "t_far")},
    )


def _scene_gradient(message: pb.SceneGradient) -> SceneGradient:
    return SceneGradient(
        background=_vector(message.background),
        sigma_scale=message.sigma_scale,
        color=_vector(message.color),
        knot_density=np.array(message.knot_density),
        knot_rgb=np.array([tensors.from_vec3(rgb) for rgb in message.knot_rgb]).reshape(-1, 3),
    )


def _ray_gradient(message: pb.RayGradient) -> RayGradient:
    names = ("origins", "directions", "t_near", "t_far")
    return RayGradient(**{name: tensors.from_tensor(getattr(message, name), f"rays.{name}") for name in names})


def _vector(message: common.Vec3) -> npt.NDArray[np.float64]:
    return np.array(tensors.from_vec3(message))
