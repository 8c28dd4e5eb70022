"""Renders: from keyword arguments to requests, and from tiles back to arrays. gradients.py uses both ways, too."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import render_service_pb2 as pb
from ._proto.dvren.v1 import scene_pb2 as scene
from ._proto.dvren.v1 import training_service_pb2 as training
from .camera import Camera
from .errors import DataLossError, invalid, mismatch
from .fields import Field, Fields

CameraLike = Union[Camera, Mapping[str, Any], str, "os.PathLike[str]"]
TransferLike = Union[Mapping[str, Any], str, "os.PathLike[str]"]
Progress = Callable[[int, int], None]

_AOVS = {
    "rgb": scene.AOV_RGB,
    "opacity": scene.AOV_OPACITY,
    "transmittance": scene.AOV_TRANSMITTANCE,
    "depth": scene.AOV_DEPTH,
    "hit": scene.AOV_HIT,
}
_SAMPLINGS = {
    "fixed": scene.SAMPLING_MODE_FIXED,
    "stratified": scene.SAMPLING_MODE_STRATIFIED,
    "uniform_jitter": scene.SAMPLING_MODE_UNIFORM_JITTER,
}
_PRECISIONS = {"f32": common.PRECISION_F32, "f64": common.PRECISION_F64}
_DEFAULT_EDGE = 1024  # of the daemon's default camera, too
# 64 Ki rays of f32 are 2.6 MB with everything given; of f64, half as many fit the daemon's 4 MiB.
RAYS_PER_REQUEST = {common.PRECISION_F32: 1 << 16, common.PRECISION_F64: 1 << 15}


@dataclasses.dataclass(frozen=True)
class RenderStats:
    rays: int
    samples: int  # field samples taken; fewer when empty space is skipped
    early_stopped_rays: int
    truncated_rays: int  # cut by max_steps
    invalid_pixels: int  # outside what the lens model maps
    kernel_seconds: float
    queue_seconds: float
    total_seconds: float

    @classmethod
    def _sum(cls, parts: Sequence[pb.RenderStats]) -> RenderStats:
        return cls(**{field.name: sum(getattr(p, field.name) for p in parts) for field in dataclasses.fields(cls)})


class RenderResult(Mapping[str, npt.NDArray[Any]]):
    """The arrays that were asked for, as result["rgb"] or result.rgb, and what the daemon said of the render.

    rgb is (H, W, 3), the others (H, W), of the region of interest; with given rays (N, 3) and (N,). Linear values, row
    0 on top. numpy.savez("a.npz", **result) writes what `dvrenctl render --out a.npz` writes.
    """

    stats: RenderStats
    warnings: list[str]
    camera: Camera | None  # as rendered; None for given rays
    request_id: str
    field_version: int | None  # None for given rays
    device: str | None

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        stats: RenderStats,
        warnings: Sequence[str],
        request_id: str,
        camera: Camera | None = None,
        field_version: int | None = None,
        device: str | None = None,
    ) -> None:
        self._arrays = dict(arrays)
        self.stats = stats
        self.warnings = list(warnings)
        self.request_id = request_id
        self.camera = camera
        self.field_version = field_version
        self.device = device

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        arrays = self.__dict__.get("_arrays", {})
        if name in arrays:
            return arrays[name]  # type: ignore[no-any-return]
        if name in _AOVS:
            raise AttributeError(
                f"{name} was not rendered: ask for it, as in aov=({', '.join(map(repr, [*arrays, name]))})"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name}={value.shape}" for name, value in self._arrays.items())
        return f"RenderResult({arrays}, {self.stats}, warnings={self.warnings})"


def render(
    connection: Connection, field: str | Field, progress: Progress | None = None, **options: Any
) -> RenderResult:
    """client.render: see there."""
    request = image_request(connection, field, **options)
    image = Assembler("Render", request.aovs, request.precision, progress)
    messages = connection.receive("RenderService/Render", request, pb.RenderResponse)
    with contextlib.closing(messages):  # type: ignore[type-var]
        for message in messages:
            image.take(message)
    arrays, header, summary = image.finish()
    return RenderResult(
        arrays,
        RenderStats._sum([summary.stats]),
        summary.warnings,
        header.request_id,
        camera_of(header),
        summary.field_version,
        header.device,
    )


def render_rays(
    connection: Connection,
    field: str | Field,
    origins: npt.ArrayLike,
    directions: npt.ArrayLike,
    t_near: npt.ArrayLike | None = None,
    t_far: npt.ArrayLike | None = None,
    ids: npt.ArrayLike | None = None,
    **options: Any,
) -> RenderResult:
    """client.render_rays: see there."""
    request = rays_request(field, **options)
    given = rays_arrays(origins, directions, t_near, t_far, ids, request.precision)
    count, step = len(given["origins"]), RAYS_PER_REQUEST[request.precision]
    deadline = connection.deadline()
    responses: list[pb.RenderRaysResponse] = []
    for first in range(0, count, step):
        part = slice(first, min(first + step, count))
        request.rays.CopyFrom(rays_message({name: values[part] for name, values in given.items()}))
        if ids is None and first > 0:
            # A ray's key is its index in the whole, so that the split changes no stratified sample.
            request.rays.ids.CopyFrom(tensors.to_tensor(np.arange(part.start, part.stop, dtype=np.int64)))
        responses.append(connection.unary("RenderService/RenderRays", request, pb.RenderRaysResponse, deadline))
    images = [image for response in responses for image in response.images]
    arrays = ray_images(images, request.aovs, count)
    warnings = dict.fromkeys(warning for response in responses for warning in response.warnings)
    stats = RenderStats._sum([response.stats for response in responses])
    return RenderResult(arrays, stats, list(warnings), responses[-1].request_id)


def image_request(
    connection: Connection,
    field: str | Field,
    camera: CameraLike | None = None,
    orbit: Sequence[float] | None = None,
    width: int | None = None,
    height: int | None = None,
    fov_deg: float | None = None,
    aov: str | Sequence[str] = ("rgb",),
    roi: Sequence[int] | None = None,
    precision: str = "f32",
    device: str = "",
    tile: int = 0,
    **scene_and_sampling: Any,
) -> pb.RenderRequest:
    request = pb.RenderRequest(
        scene=_scene(field, scene_and_sampling),
        sampling=_sampling(scene_and_sampling),
        aovs=_aovs(aov),
        precision=tensors.enum_value("precision", precision, _PRECISIONS),
        device=device,
        tile=tile,
    )
    view = _camera(connection, field, camera, orbit, width, height, fov_deg)
    if view is not None:
        request.camera.CopyFrom(view._to_message())
    if roi is not None:
        request.roi.CopyFrom(_roi(roi))
    return request


def rays_request(
    field: str | Field,
    aov: str | Sequence[str] = ("rgb",),
    precision: str = "f32",
    device: str = "",
    **scene_and_sampling: Any,
) -> pb.RenderRaysRequest:
    """All but the rays."""
    return pb.RenderRaysRequest(
        scene=_scene(field, scene_and_sampling),
        sampling=_sampling(scene_and_sampling),
        aovs=_aovs(aov),
        precision=tensors.enum_value("precision", precision, _PRECISIONS),
        device=device,
    )


def rays_message(rays: Mapping[str, npt.NDArray[Any]]) -> pb.Rays:
    return pb.Rays(**{name: tensors.to_tensor(values) for name, values in rays.items()})


def ray_images(images: Sequence[pb.AovTensor], aovs: Sequence[int], count: int) -> dict[str, npt.NDArray[Any]]:
    """(count, 3) and (count,), put together where they came in parts."""
    arrays = {}
    for name in _names(aovs):
        parts = [tensors.from_tensor(image.tensor, name) for image in images if image.aov == _AOVS[name]]
        if not parts:
            raise mismatch(f"the answer lacks {name}")
        arrays[name] = np.concatenate(parts)
        if arrays[name].shape != ((count, 3) if name == "rgb" else (count,)):
            raise mismatch(f"{name}: shape {arrays[name].shape} for {count} rays")
    return arrays


def camera_of(header: pb.RenderHeader) -> Camera | None:
    return Camera._from_message(header.camera) if header.HasField("camera") else None


class Assembler:
    """Puts the tiles of a Render or a Forward into arrays as they arrive, in any order."""

    def __init__(self, rpc: str, aovs: Sequence[int], precision: int, progress: Progress | None) -> None:
        self._rpc = rpc
        self._names = _names(aovs)
        self._dtype = dtype_of_precision(precision)
        self._progress = progress
        self._header: pb.RenderHeader | None = None
        self._summary: Any = None
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._done = self._total = 0

    def take(self, message: pb.RenderResponse | pb.ForwardResponse) -> None:
        part = message.WhichOneof("part")
        if part == "header":
            self._begin(message.header)
        elif part == "tile":
            self._add(message.tile)
        elif part == "summary":
            self._summary = message.summary

    def finish(self) -> tuple[dict[str, npt.NDArray[Any]], pb.RenderHeader, Any]:
        """Arrays, header and summary of the stream."""
        if self._header is None or self._summary is None or self._done != self._total:
            came = f"{self._done} of {self._total} pixels"
            raise DataLossError(f"{self._rpc}: the stream ended after {came}; render again")
        return self._arrays, self._header, self._summary

    def _begin(self, header: pb.RenderHeader) -> None:
        self._header = header
        shape = (header.roi.height, header.roi.width)
        self._total = shape[0] * shape[1]
        self._arrays = {name: np.empty(shape + ((3,) if name == "rgb" else ()), self._dtype) for name in self._names}

    def _add(self, tile: pb.RenderTile) -> None:
        if self._header is None:
            raise mismatch(f"{self._rpc}: a tile came before the header")
        x, y = tile.roi.x - self._header.roi.x, tile.roi.y - self._header.roi.y
        for name, whole in self._arrays.items():
            values = _image(tile.images, name)
            if min(x, y) < 0 or y + tile.roi.height > whole.shape[0] or x + tile.roi.width > whole.shape[1]:
                raise mismatch(f"{self._rpc}: a tile lies outside the image")
            if values.shape[:2] != (tile.roi.height, tile.roi.width) or values.dtype != whole.dtype:
                raise mismatch(f"{self._rpc}: a tile of {name} is {values.dtype} {values.shape}")
            whole[y : y + tile.roi.height, x : x + tile.roi.width] = values
        self._done += tile.roi.width * tile.roi.height
        if self._progress is not None:
            self._progress(self._done, self._total)


def _scene(field: str | Field, options: dict[str, Any]) -> scene.Scene:
    instance = scene.Instance(field=_name(field), field_version=options["field_version"])
    if options["object_to_world"] is not None:
        instance.object_to_world.CopyFrom(tensors.to_affine("object_to_world", options["object_to_world"]))
    if options["sigma_scale"] is not None:
        instance.sigma_scale = options["sigma_scale"]
    color, transfer = options["color"], options["transfer"]
    if color is not None and transfer is not None:
        raise invalid("color", color, "leave out either color or transfer")
    if color is not None:
        instance.constant.rgb.CopyFrom(tensors.to_vec3("color", color))
    if transfer is not None:
        instance.transfer.CopyFrom(_transfer(transfer))
    message = scene.Scene(instances=[instance])
    if options["background"] is not None:
        message.background.CopyFrom(tensors.to_vec3("background", options["background"]))
    return message


def _sampling(options: dict[str, Any]) -> scene.Sampling:
    step, max_steps, seed = options["step"], options["max_steps"], options["seed"]
    # 0 would mean the daemon's default to it.
    if step is not None and not step > 0:
        raise invalid("step", step, "must be > 0 world units; leave it out for half the smallest voxel")
    if max_steps is not None and not max_steps > 0:
        raise invalid("max_steps", max_steps, "must be > 0; leave it out for the daemon's limit")
    if not 0 <= seed < 1 << 64:
        raise invalid("seed", seed, "must be in [0, 2^64)")
    message = scene.Sampling(
        mode=tensors.enum_value("sampling", options["sampling"], _SAMPLINGS),
        dt=step or 0,
        max_steps=max_steps or 0,
        seed=seed,
    )
    if options["early_stop"] is not None:
        message.early_stop = options["early_stop"]
    if options["skip_empty"] is not None:
        message.skip_empty = options["skip_empty"]
    return message


def _transfer(source: TransferLike) -> scene.TransferFunction:
    """{"density": [n], "rgb": [[3], ...]}, or the path of such a file."""
    if not isinstance(source, Mapping):
        with open(source, encoding="utf-8") as file:
            source = json.load(file)
    if not isinstance(source, Mapping) or set(source) != {"density", "rgb"}:
        raise invalid("transfer", source, 'must be {"density": [...], "rgb": [[r, g, b], ...]}')
    density, rgb = source["density"], source["rgb"]
    if len(density) != len(rgb):
        raise invalid("transfer.rgb", f"{len(rgb)} colours", f"must be {len(density)}, one for each density")
    return scene.TransferFunction(
        density=tensors.numbers("transfer.density", density, len(density)),
        rgb=[tensors.to_vec3(f"transfer.rgb[{i}]", color) for i, color in enumerate(rgb)],
    )


def _camera(
    connection: Connection,
    field: str | Field,
    camera: CameraLike | None,
    orbit: Sequence[float] | None,
    width: int | None,
    height: int | None,
    fov_deg: float | None,
) -> Camera | None:
    """None: the daemon's default, which is the default orbit at 1024 x 1024."""
    if camera is not None:
        for name, value in (("orbit", orbit), ("fov_deg", fov_deg)):
            if value is not None:
                raise invalid(name, value, "leave it out: the camera says it")
        return Camera.from_json(camera.to_json() if isinstance(camera, Camera) else camera, width, height)
    if orbit is None and width is None and height is None and fov_deg is None:
        return None
    angles = (30.0, 20.0) if orbit is None else tuple(orbit)
    if len(angles) not in (2, 3):
        raise invalid("orbit", orbit, "must be (azimuth, elevation) or (azimuth, elevation, distance)")
    # One edge alone means a square image.
    width = width if width is not None else _DEFAULT_EDGE if height is None else height
    height = width if height is None else height
    return Camera.orbit(
        _box(connection, field),
        angles[0],
        angles[1],
        angles[2] if len(angles) == 3 else None,
        width,
        height,
        40.0 if fov_deg is None else fov_deg,
    )


def _box(connection: Connection, field: str | Field) -> npt.NDArray[np.float64]:
    """Two corners, world space; of a training session that of the field it trains."""
    if isinstance(field, Field):
        return field.box
    if field.startswith("sessions/"):
        request = training.GetSessionRequest(name=field)
        session = connection.unary("TrainingService/GetSession", request, training.Session)
        return tensors.from_box(session.recipe.field.box)
    return Fields(connection).get(field).box


def _roi(roi: Sequence[int]) -> common.Roi:
    if len(roi) != 4:
        raise invalid("roi", roi, "must be (x, y, width, height) in pixels")
    x, y, width, height = (int(value) for value in roi)
    return common.Roi(x=x, y=y, width=width, height=height)


def dtype_of_precision(precision: int) -> np.dtype[Any]:
    return np.dtype(np.float64 if precision == common.PRECISION_F64 else np.float32)


def rays_arrays(
    origins: npt.ArrayLike,
    directions: npt.ArrayLike,
    t_near: npt.ArrayLike | None,
    t_far: npt.ArrayLike | None,
    ids: npt.ArrayLike | None,
    precision: int,
) -> dict[str, npt.NDArray[Any]]:
    """Checked, and converted to what `precision` takes."""
    dtype = dtype_of_precision(precision)
    rays = {"origins": np.asarray(origins, dtype), "directions": np.asarray(directions, dtype)}
    count = len(rays["origins"]) if rays["origins"].ndim else 0
    for name, values in rays.items():
        if values.shape != (count, 3) or count == 0:
            raise invalid(name, f"array of shape {values.shape}", "must be (N, 3), N >= 1, the same for both")
    for name, limit in (("t_near", t_near), ("t_far", t_far)):
        if limit is not None:
            rays[name] = _per_ray(name, np.asarray(limit, dtype), count)
    if ids is not None:
        keys = np.asarray(ids)
        if keys.dtype.kind not in "iu":
            raise invalid("ids", f"array of {keys.dtype}", "must be integers")
        rays["ids"] = _per_ray("ids", keys.astype(np.int64), count)
    return rays


def _per_ray(name: str, values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    if values.ndim == 0 and name != "ids":
        return np.full(count, values)
    if values.shape != (count,):
        raise invalid(name, f"array of shape {values.shape}", f"must be ({count},), one for each ray")
    return values


def _aovs(aov: str | Sequence[str]) -> list[Any]:
    names = [aov] if isinstance(aov, str) else list(aov)
    if not names or len(set(names)) != len(names):
        raise invalid("aov", names, f"must name some of {', '.join(_AOVS)}, each once")
    return [tensors.enum_value("aov", name, _AOVS) for name in names]


def _names(aovs: Sequence[int]) -> list[str]:
    return [tensors.enum_name(aov, _AOVS) for aov in aovs]


def _image(images: Sequence[pb.AovTensor], name: str) -> npt.NDArray[Any]:
    for image in images:
        if image.aov == _AOVS[name]:
            return tensors.from_tensor(image.tensor, name)
    raise mismatch(f"the answer lacks {name}")


def _name(field: str | Field) -> str:
    return field.name if isinstance(field, Field) else field
