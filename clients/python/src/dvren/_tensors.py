"""NumPy arrays and messages: tensors, vectors, boxes, affine maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._proto.dvren.v1 import common_pb2 as common
from .errors import invalid, mismatch

Array = npt.NDArray[Any]

_DTYPE_OF_ENUM: dict[int, np.dtype[Any]] = {
    common.DTYPE_F32: np.dtype("<f4"),
    common.DTYPE_F64: np.dtype("<f8"),
    common.DTYPE_F16: np.dtype("<f2"),
    common.DTYPE_I32: np.dtype("<i4"),
    common.DTYPE_I64: np.dtype("<i8"),
    common.DTYPE_U8: np.dtype("u1"),
}
_ENUM_OF_DTYPE = {dtype: enum for enum, dtype in _DTYPE_OF_ENUM.items()}


def dtype_of(enum: int) -> np.dtype[Any]:
    if enum not in _DTYPE_OF_ENUM:
        raise mismatch(f"dtype = {enum}: this client does not know it")
    return _DTYPE_OF_ENUM[enum]


def dtype_enum(dtype: npt.DTypeLike) -> Any:
    return _ENUM_OF_DTYPE[np.dtype(dtype).newbyteorder("<")]


def to_tensor(array: Array) -> common.Tensor:
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    payload = common.TensorPayload(inline=array.tobytes())
    return common.Tensor(dtype=dtype_enum(array.dtype), shape=array.shape, payload=payload)


def from_tensor(tensor: common.Tensor, name: str) -> Array:
    """A read-only view of the message's bytes."""
    dtype, shape = dtype_of(tensor.dtype), tuple(tensor.shape)
    data = tensor.payload.inline
    if tensor.payload.WhichOneof("source") != "inline" or int(np.prod(shape)) * dtype.itemsize != len(data):
        raise mismatch(f"{name}: {len(data)} bytes for shape {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape)


def numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    """`count` finite numbers, whatever the nesting."""
    wanted = "a finite number" if count == 1 else f"{count} finite numbers"
    try:
        flat = np.asarray(values).ravel()
    except ValueError:  # ragged
        raise invalid(name, values, f"must be {wanted}") from None
    if flat.size != count or flat.dtype.kind not in "iuf" or not np.isfinite(flat).all():
        raise invalid(name, values, f"must be {wanted}")
    return tuple(flat.astype(np.float64).tolist())


def to_vec3(name: str, values: Any) -> common.Vec3:
    x, y, z = numbers(name, values, 3)
    return common.Vec3(x=x, y=y, z=z)


def from_vec3(vec: common.Vec3) -> tuple[float, float, float]:
    return vec.x, vec.y, vec.z


def to_box(name: str, values: Any) -> common.Box:
    """x0, y0, z0, x1, y1, z1, or the two corners."""
    flat = numbers(name, values, 6)
    return common.Box(min=to_vec3(name, flat[:3]), max=to_vec3(name, flat[3:]))


def from_box(box: common.Box) -> Array:
    return np.array([from_vec3(box.min), from_vec3(box.max)])


def to_affine(name: str, matrix: Any) -> common.Affine:
    """A 3x4 matrix, or a 4x4 one whose last row is 0 0 0 1."""
    matrix = np.asarray(matrix)
    if matrix.shape == (4, 4) and (matrix[3] == (0, 0, 0, 1)).all():
        matrix = matrix[:3]
    if matrix.shape != (3, 4):
        raise invalid(name, f"array of shape {matrix.shape}", "must be 3x4, or 4x4 with the last row 0 0 0 1")
    return common.Affine(m=numbers(name, matrix, 12))


def from_affine(affine: common.Affine) -> Array | None:
    """3x4; None where the message is empty."""
    return np.reshape(affine.m, (3, 4)) if len(affine.m) == 12 else None


def enum_value(field: str, name: str, choices: dict[str, Any]) -> Any:
    if name not in choices:
        raise invalid(field, repr(name), f"must be one of {', '.join(choices)}")
    return choices[name]


def enum_name(value: int, choices: dict[str, Any]) -> str:
    return next((name for name, number in choices.items() if number == value), "unknown")


def shape_of(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(v) for v in values)
