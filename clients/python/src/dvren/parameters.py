"""What goes into training sessions and out of them besides steps: parameters, gradients, rays of the caller's own."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import training_service_pb2 as pb
from .camera import Camera
from .errors import DataLossError, invalid
from .fields import CHUNK_BYTES, GRADIENT_DTYPES, append_chunk, chunk_of
from .render import rays_arrays, rays_message
from .transforms import PhotoCamera

_CAMERA_NUMBERS = 13


@dataclasses.dataclass(frozen=True, eq=False)
class Parameters:
    """All that a session has learned, at one step."""

    step: int
    values: npt.NDArray[np.float32]  # (nz, ny, nx, channels), as client.fields.download gives those of a field
    # (nz, ny, nx): 0 = not there, training and renders pass it; 1 + n = there, last seen n refinements of the mask ago;
    # plus 128 when a ray has seen it since.
    cells: npt.NDArray[np.uint8]
    cameras: tuple[PhotoCamera, ...]  # of the photographs as stored
    box: npt.NDArray[np.float64]  # two corners, world space


@dataclasses.dataclass(eq=False)
class StepGradients:
    """The gradient of a step of one rank. Reduce the arrays over ranks, element by element, and apply what comes out:
    the mean of `values` and `cameras`, the maximum of `seen`."""

    step: int  # steps done before
    values: npt.NDArray[Any]  # (nz, ny, nx, channels)
    seen: npt.NDArray[np.uint8]  # (nz, ny, nx) 1: a ray has seen this cell
    # (photographs, 13): omega, v, log focal, distortion (5), rays; (0, 13) where the step refines no cameras
    cameras: npt.NDArray[np.float64]
    loss: float  # of this rank's rays
    psnr: float


def training_rays(
    rays: Any,
    targets: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    background: npt.ArrayLike | None,
    ids: npt.ArrayLike | None,
) -> pb.TrainingRays:
    """`rays`: origins and directions, and, where there are more, t_near and t_far."""
    if not isinstance(rays, Sequence) or not 2 <= len(rays) <= 4:
        raise invalid("rays", type(rays).__name__, "must be (origins, directions[, t_near[, t_far]])")
    given = [*rays, None, None]
    arrays = rays_arrays(given[0], given[1], given[2], given[3], ids, common.PRECISION_F32)
    count = len(arrays["origins"])
    message = pb.TrainingRays(rays=rays_message(arrays))
    message.target.CopyFrom(_tensor("targets", targets, (count, 3)))
    if background is not None:
        message.background.CopyFrom(_tensor("background", background, (count, 3), spread=True))
    if weights is not None:
        message.weights.CopyFrom(_tensor("weights", weights, (count,), spread=True))
    return message


def get_parameters(connection: Connection, session: str) -> Parameters:
    request = pb.GetParametersRequest(session=session)
    description: pb.ParametersDescription | None = None
    data = bytearray()
    messages = connection.receive("TrainingService/GetParameters", request, pb.GetParametersResponse)
    with contextlib.closing(messages):  # type: ignore[type-var]
        for message in messages:
            if message.HasField("parameters"):
                description = message.parameters
            if message.HasField("chunk"):
                append_chunk(data, message.chunk, "ask again")
    shape = tensors.shape_of(description.grid.shape) if description is not None else ()
    if description is None or len(data) != math.prod(shape) * 4 + math.prod(shape[:3]):
        raise DataLossError(f"GetParameters: {len(data)} bytes came for shape {shape}; ask again")
    values, cells = _split(data, [(np.dtype("<f4"), shape), (np.dtype("u1"), shape[:3])])
    cameras = tuple(PhotoCamera(one.photo, Camera._from_message(one.camera)) for one in description.cameras)
    return Parameters(description.step, values, cells, cameras, tensors.from_box(description.grid.box))


def set_parameters(
    connection: Connection,
    session: str,
    values: npt.ArrayLike | None,
    cells: npt.ArrayLike | None,
    cameras: Sequence[PhotoCamera] | None,
    expected_step: int | None,
) -> int:
    header = pb.SetParametersHeader(session=session, expected_step=expected_step)
    parts: list[npt.NDArray[Any]] = []
    if values is not None:
        parts.append(_array("values", values, np.dtype("<f4")))
        header.shape.extend(parts[0].shape)
    if cells is not None:
        parts.append(_array("cells", cells, np.dtype("u1")))
        header.cells = True
        if len(parts) == 1 or parts[1].shape != parts[0].shape[:3]:
            raise invalid("cells.shape", parts[-1].shape, "must be (nz, ny, nx) of the values that go with them")
    for one in cameras or ():
        header.cameras.add(photo=one.photo, camera=one.camera._to_message())
    requests = _requests(pb.SetParametersRequest, header, parts)
    method = "TrainingService/SetParameters"
    return connection.send(method, requests, pb.SetParametersResponse, connection.deadline()).step


def export_gradients(connection: Connection, request: pb.ExportGradientsRequest) -> StepGradients:
    description: pb.StepGradients | None = None
    data = bytearray()
    messages = connection.receive("TrainingService/ExportGradients", request, pb.ExportGradientsResponse)
    with contextlib.closing(messages):  # type: ignore[type-var]
        for message in messages:
            if message.HasField("gradients"):
                description = message.gradients
            if message.HasField("chunk"):
                append_chunk(data, message.chunk, "export again")
    if description is None:
        raise DataLossError("ExportGradients: the daemon did not describe the gradients; export again")
    shape, dtype = tensors.shape_of(description.shape), tensors.dtype_of(description.dtype)
    parts = [(dtype, shape), (np.dtype("u1"), shape[:3]), (np.dtype("<f8"), (description.cameras, _CAMERA_NUMBERS))]
    if len(data) != sum(math.prod(extents) * kind.itemsize for kind, extents in parts):
        raise DataLossError(f"ExportGradients: {len(data)} bytes came for shape {shape} of {dtype}; export again")
    values, seen, cameras = _split(data, parts)
    return StepGradients(description.step, values, seen, cameras, description.report.loss, description.report.psnr)


def apply_gradients(connection: Connection, session: str, gradients: StepGradients) -> pb.TrainStepResponse:
    values = np.asarray(gradients.values)
    if values.ndim != 4 or values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        given = f"array of shape {values.shape}, {values.dtype}"
        raise invalid("values", given, "must be (nz, ny, nx, channels), float32 or float64")
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    seen = _array("seen", gradients.seen, np.dtype("u1"))
    cameras = _array("cameras", gradients.cameras, np.dtype("<f8"))
    if seen.shape != values.shape[:3]:
        raise invalid("seen.shape", seen.shape, f"must be {values.shape[:3]}, as the values'")
    if cameras.ndim != 2 or cameras.shape[1] != _CAMERA_NUMBERS:
        raise invalid("cameras.shape", cameras.shape, f"must be (photographs, {_CAMERA_NUMBERS})")
    description = pb.StepGradients(
        step=gradients.step, dtype=tensors.dtype_enum(values.dtype), shape=values.shape, cameras=len(cameras)
    )
    header = pb.ApplyGradientsHeader(session=session, gradients=description)
    requests = _requests(pb.ApplyGradientsRequest, header, [values, seen, cameras])
    method = "TrainingService/ApplyGradients"
    return connection.send(method, requests, pb.TrainStepResponse, connection.deadline())


def gradient_dtype(dtype: str) -> Any:
    return tensors.enum_value("dtype", dtype, GRADIENT_DTYPES)


def _array(name: str, values: npt.ArrayLike, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or not np.can_cast(array.dtype, dtype, "same_kind"):
        raise invalid(name, f"array of {array.dtype}", f"must be of {dtype.name}")
    return np.ascontiguousarray(array, dtype)


def _tensor(name: str, values: npt.ArrayLike, shape: tuple[int, ...], spread: bool = False) -> common.Tensor:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise invalid(name, f"array of {array.dtype}", "must be numbers")
    if spread and array.ndim < len(shape):  # one value, or one colour, for all rays
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            pass
    if array.shape != shape:
        raise invalid(name, f"array of shape {array.shape}", f"must be {shape}, one for each ray")
    return tensors.to_tensor(np.asarray(array, "<f4"))


def _split(data: bytearray, parts: Sequence[tuple[np.dtype[Any], Sequence[int]]]) -> list[npt.NDArray[Any]]:
    """Arrays one after the other, each writable and of its own."""
    arrays, offset = [], 0
    for dtype, shape in parts:
        count = math.prod(shape)
        array = np.empty(count, dtype)
        array.view("u1")[:] = np.frombuffer(data, "u1", count * dtype.itemsize, offset)
        arrays.append(array.reshape(shape))
        offset += count * dtype.itemsize
    return arrays


def _requests(kind: Any, header: Any, parts: Sequence[npt.NDArray[Any]]) -> Iterator[Any]:
    yield kind(header=header)
    offset = 0
    for part in parts:
        data = part.reshape(-1).view("u1")
        for at in range(0, len(data), CHUNK_BYTES):
            piece = data[at : at + CHUNK_BYTES].tobytes()
            yield kind(chunk=chunk_of(offset, piece))
            offset += len(piece)
