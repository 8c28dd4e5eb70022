"""Fields: the volumes that the daemon keeps. `client.fields` makes, lists, updates, downloads and deletes them, and
reads their gradients."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import datetime
import hashlib
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Callable

import numpy as np
import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection, Deadline
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import field_service_pb2 as pb
from .errors import AbortedError, DataLossError, DvrenError, InternalError, UnavailableError, invalid, mismatch

try:
    import google_crc32c
except ImportError:  # optional: without it chunks travel without a checksum of their own
    google_crc32c = None

Progress = Callable[[int, int], None]

CHUNK_BYTES = 1 << 20
_INLINE_BYTES = 3 << 20  # of new values in one message; the daemon takes 4 MiB with all that is around them
_MAX_ATTEMPTS = 9  # connections tried without a byte gained in between: some 20 s, for a daemon that restarts
_RETRY_DELAY_S = 0.2  # before the second attempt; doubles up to _RETRY_DELAY_MAX_S
_RETRY_DELAY_MAX_S = 5.0

_INTERPS = {"linear": pb.INTERP_LINEAR, "nearest": pb.INTERP_NEAREST}
_BORDERS = {"zero": pb.BORDER_ZERO, "clamp": pb.BORDER_CLAMP}
_ACTIVATIONS = {
    "identity": pb.ACTIVATION_IDENTITY,
    "softplus": pb.ACTIVATION_SOFTPLUS,
    "exp": pb.ACTIVATION_EXP,
    "trunc_exp": pb.ACTIVATION_TRUNC_EXP,
}
GRADIENT_DTYPES = {"f32": common.DTYPE_F32, "f64": common.DTYPE_F64}
_KINDS = {"nanovdb": pb.FIELD_KIND_NANOVDB, "dense": pb.FIELD_KIND_DENSE}


@dataclasses.dataclass(frozen=True, eq=False)
class DenseGrid:
    """How the values of a dense field lie in space."""

    shape: tuple[int, ...]  # nz, ny, nx, channels
    dtype: np.dtype[Any]
    box: npt.NDArray[np.float64]  # two corners, local space
    local_to_world: npt.NDArray[np.float64]  # 3x4
    interp: str
    border: str
    activation: str


@dataclasses.dataclass(frozen=True, eq=False)
class NanoVdb:
    """What a NanoVDB field says of its grid."""

    grid_name: str
    index_to_world: npt.NDArray[np.float64]  # 3x4
    active_min: tuple[int, ...]  # inclusive index bounds
    active_max: tuple[int, ...]
    active_voxels: int


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """Description of a field; one of `dense_grid` and `nanovdb` is there, by `type`. Equal by name and version."""

    name: str  # "fields/{id}"
    display_name: str
    owner: str
    version: int  # grows with every write
    sha256: str  # of the payload, in hex
    payload_bytes: int
    create_time: datetime.datetime
    type: str
    box: npt.NDArray[np.float64]  # two corners, world space
    min_voxel_world: float
    channels: int
    source: str  # file name it came from
    dense_grid: DenseGrid | None
    nanovdb: NanoVdb | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and (self.name, self.version) == (other.name, other.version)

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    @classmethod
    def _from_message(cls, message: pb.Field) -> Field:
        spec = message.WhichOneof("spec")
        return cls(
            name=message.name,
            display_name=message.display_name,
            owner=message.owner,
            version=message.version,
            sha256=message.sha256.hex(),
            payload_bytes=message.payload_bytes,
            create_time=message.create_time.ToDatetime().replace(tzinfo=datetime.timezone.utc),
            type=message.type,
            box=tensors.from_box(message.world_box),
            min_voxel_world=message.min_voxel_world,
            channels=message.channels,
            source=message.source,
            dense_grid=_dense_grid(message.dense_grid) if spec == "dense_grid" else None,
            nanovdb=_nanovdb(message.nanovdb) if spec == "nanovdb" else None,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class FieldGradient:
    """dL/d(field values): (nz, ny, nx, channels) of a dense grid; (leaves, 8, 8, 8), z, y, x, of a NanoVDB field."""

    values: npt.NDArray[Any]
    origins: npt.NDArray[np.int32] | None  # (leaves, 3) index coordinates x, y, z of each leaf's first voxel; NanoVDB
    exponent: int  # quantum 2^exponent of its sums
    field_version: int


class Fields:
    """`client.fields`. Wherever a name is taken, "fields/{id}" or a display name will do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, filter: str = "", order_by: str = "name") -> builtins.list[Field]:
        """All fields whose display name contains `filter`, by "name" or "create_time"."""
        request = pb.ListFieldsRequest(filter=filter, order_by=order_by)
        fields: list[Field] = []
        while True:
            page = self._connection.unary("FieldService/ListFields", request, pb.ListFieldsResponse)
            fields += [Field._from_message(message) for message in page.fields]
            if not page.next_page_token:
                return fields
            request.page_token = page.next_page_token

    def get(self, name: str) -> Field:
        request = pb.GetFieldRequest(name=name)
        return Field._from_message(self._connection.unary("FieldService/GetField", request, pb.Field))

    def delete(self, name: str, version: int = 0) -> None:
        """AbortedError where `version` (0: any) is not the current one."""
        request = pb.DeleteFieldRequest(name=name, expected_version=version)
        self._connection.unary("FieldService/DeleteField", request, pb.DeleteFieldResponse)

    def upload(
        self,
        name: str,
        array: npt.NDArray[Any],
        box: npt.ArrayLike | None = None,
        local_to_world: npt.ArrayLike | None = None,
        interp: str = "linear",
        border: str = "zero",
        progress: Progress | None = None,
        activation: str = "identity",
    ) -> Field:
        """Makes a dense field of float32 or float16 values (nz, ny, nx) or (nz, ny, nx, channels), C order.

        Channels: 1 = sigma; 4 = r, g, b, sigma; 13, 28, 49 = spherical harmonics of r, then g, then b, then sigma.
        box: x0, y0, z0, x1, y1, z1 or its two corners, by default the unit cube. `progress` is told bytes, done of all.
        activation: density from the interpolated sigma values: "identity", "softplus", "exp" or "trunc_exp", the exp
        whose derivative does not grow beyond exp(15). All but identity take any finite value.
        """
        array = np.asarray(array)
        dtype = array.dtype.newbyteorder("<")
        if dtype not in ("<f4", "<f2"):
            raise invalid("array.dtype", array.dtype, "must be float32 or float16: array.astype(numpy.float32)")
        if array.ndim == 3:
            array = array[..., np.newaxis]
        if array.ndim != 4 or 0 in array.shape:
            raise invalid("array.shape", array.shape, "must be (nz, ny, nx) or (nz, ny, nx, channels), none of them 0")
        array = np.ascontiguousarray(array, dtype)
        grid = _dense_spec(box, local_to_world, interp, border, activation)
        grid.shape.extend(array.shape)
        grid.dtype = tensors.dtype_enum(dtype)
        data = array.data.cast("B")
        header = pb.UploadHeader(
            display_name=name,
            total_bytes=len(data),
            options=pb.ImportOptions(format=pb.FILE_FORMAT_RAW, dense_grid=grid),
        )
        return self._make(header, lambda offset, size: bytes(data[offset : offset + size]), progress)

    def import_file(
        self,
        name: str,
        path: str | os.PathLike[str],
        grid: str | None = None,
        kind: str | None = None,
        on_server: bool = False,
        box: npt.ArrayLike | None = None,
        local_to_world: npt.ArrayLike | None = None,
        interp: str = "linear",
        border: str = "zero",
        convert_level_set: bool = False,
        progress: Progress | None = None,
        activation: str = "identity",
    ) -> Field:
        """Makes a field of a .vdb, .nvdb, .npy or .npz file of this machine, which is streamed to the daemon.

        grid: which one of the file, by default "density" or the only one. kind: "nanovdb" or "dense", by default the
        former for .vdb and .nvdb. box, local_to_world, interp, border and activation are for arrays, as in upload().
        on_server: `path` is on the daemon's machine instead, below one of its allow-listed roots.
        """
        path = os.fspath(path)
        options = pb.ImportOptions(grid=grid or "", convert_level_set=convert_level_set)
        if kind is not None:
            options.kind = tensors.enum_value("kind", kind, _KINDS)
        spec = _dense_spec(box, local_to_world, interp, border, activation)
        if os.path.splitext(path)[1].lower() in (".npy", ".npz"):
            options.dense_grid.CopyFrom(spec)
        elif spec != _dense_spec(None, None, "linear", "zero", "identity"):
            names = "box, local_to_world, interp, border and activation"
            raise invalid("path", path, f"{names} are for .npy and .npz; leave them out")
        if on_server:
            request = pb.ImportFieldRequest(display_name=name, path=path, options=options, request_id=_new_request_id())
            return Field._from_message(self._connection.unary("FieldService/ImportField", request, pb.Field))
        # Only the file's own name goes out, not the folders of this machine.
        header = pb.UploadHeader(display_name=name, source=os.path.basename(path), options=options)
        with open(path, "rb") as file:
            header.total_bytes = os.fstat(file.fileno()).st_size
            return self._make(header, _FileReader(file), progress)

    def update(self, name: str | Field, array: npt.NDArray[Any], expected_version: int | None = None) -> Field:
        """New values for a dense field, of its shape and dtype: the version grows. Gives the field as it is now.

        AbortedError where expected_version (None: any) is not the current one. A single channel may be left out of the
        shape, as in upload().
        """
        field = name if isinstance(name, Field) else self.get(name)
        if field.dense_grid is None:
            raise invalid("name", field.display_name, f"must be a dense_grid; {field.type} fields take no new values")
        grid = field.dense_grid
        array = np.asarray(array)
        if array.dtype.newbyteorder("<") != grid.dtype:
            raise invalid("array.dtype", array.dtype, f"must be {grid.dtype.name}, as the field stores")
        if (*array.shape, 1) == grid.shape:
            array = array[..., np.newaxis]
        if array.shape != grid.shape:
            raise invalid("array.shape", array.shape, f"must be {grid.shape}, as the field's")
        data = np.ascontiguousarray(array, grid.dtype).data.cast("B")
        request = pb.UpdateFieldRequest(
            name=field.name, expected_version=expected_version or 0, request_id=_new_request_id()
        )
        retry = _Retry(self._connection.deadline())
        if len(data) <= _INLINE_BYTES:
            request.payload.inline = bytes(data)
        else:
            header = pb.UploadHeader(total_bytes=len(data), keep_only=True)
            kept = self._upload(header, lambda offset, size: bytes(data[offset : offset + size]), None, retry.deadline)
            request.payload.upload = kept.upload.name
        while True:
            try:
                # The same id in every attempt: should only the answer be lost, the daemon gives the field again.
                message = self._connection.unary("FieldService/UpdateField", request, pb.Field, retry.deadline)
                return Field._from_message(message)
            except UnavailableError as error:
                retry.again(error)

    def zero_gradients(self, name: str | Field, exponent: int | None = None) -> None:
        """Sets the field's gradient, to which backward(accumulate=True) adds, to zero, and makes it if there is none.

        exponent: of the quantum 2^exponent of its sums, -100 to 60; by default the next backward chooses it.
        """
        request = pb.ZeroGradientsRequest(name=_name(name))
        if exponent is not None:
            request.exponent = exponent
        self._connection.unary("FieldService/ZeroGradients", request, pb.ZeroGradientsResponse)

    def gradient(self, name: str | Field, dtype: str = "f32") -> FieldGradient:
        """The sum of what backward(accumulate=True) has added since zero_gradients(), as "f32" or "f64".

        FailedPreconditionError where nothing was added yet. It lives in the daemon's memory: a restart forgets it.
        """
        request = pb.DownloadFieldRequest(
            name=_name(name),
            content=pb.FIELD_CONTENT_GRADIENT,
            dtype=tensors.enum_value("dtype", dtype, GRADIENT_DTYPES),
        )
        gradient: pb.GradientDescription | None = None
        version = 0
        data = bytearray()
        messages = self._connection.receive("FieldService/DownloadField", request, pb.DownloadFieldResponse)
        with contextlib.closing(messages):  # type: ignore[type-var]
            for message in messages:
                if message.HasField("gradient"):
                    gradient, version = message.gradient, message.field.version
                if message.HasField("chunk"):
                    append_chunk(data, message.chunk, "download again")
        if gradient is None:
            raise mismatch(f"DownloadField {_name(name)}: the daemon did not describe the gradient")
        values, origins = split_gradient(data, gradient.dtype, gradient.shape, gradient.origins_bytes)
        return FieldGradient(values, origins, gradient.exponent, version)

    def download(self, name: str, progress: Progress | None = None) -> npt.NDArray[Any] | bytes:
        """The values (nz, ny, nx, channels) of a dense field, or the grid buffer of a NanoVDB field.

        Checked against the field's SHA-256. After a lost connection it goes on where it stopped.
        """
        retry = _Retry(self._connection.deadline())
        field: Field | None = None
        data = bytearray()
        while True:
            before = len(data)
            try:
                request = pb.DownloadFieldRequest(name=name if field is None else field.name, offset=len(data))
                messages = self._connection.receive(
                    "FieldService/DownloadField", request, pb.DownloadFieldResponse, retry.deadline
                )
                with contextlib.closing(messages):  # type: ignore[type-var]
                    for message in messages:
                        if message.HasField("field"):
                            field = _same_version(field, Field._from_message(message.field))
                        if message.HasField("chunk"):
                            append_chunk(data, message.chunk, "download again")
                            if progress is not None and field is not None:
                                progress(len(data), field.payload_bytes)
                break
            except UnavailableError as error:
                if len(data) > before:
                    retry.progressed()
                retry.again(error)
        if field is None:
            raise InternalError(f"DownloadField {name}: the daemon did not describe the field; its log says more")
        if len(data) != field.payload_bytes or hashlib.sha256(data).hexdigest() != field.sha256:
            came = f"{len(data)} of {field.payload_bytes} bytes came, or not those of its SHA-256"
            raise DataLossError(f"field = {name}: {came}; download again")
        if field.dense_grid is None:
            return bytes(data)
        return np.frombuffer(data, field.dense_grid.dtype).reshape(field.dense_grid.shape)

    def _make(self, header: pb.UploadHeader, read: Callable[[int, int], bytes], progress: Progress | None) -> Field:
        if not header.display_name:
            raise invalid("name", repr(header.display_name), "must name the new field")
        response = self._upload(header, read, progress, self._connection.deadline())
        if not response.HasField("field"):
            raise InternalError("UploadField: the daemon named no field at the end; its log says more")
        return Field._from_message(response.field)

    def _upload(
        self,
        header: pb.UploadHeader,
        read: Callable[[int, int], bytes],
        progress: Progress | None,
        deadline: Deadline,
    ) -> pb.UploadFieldResponse:
        # The same id in every attempt: it names the upload, and should only the answer be lost, the daemon gives the
        # field that it made.
        header.request_id = _new_request_id()
        retry = _Retry(deadline)
        may_pass: tuple[type[DvrenError], ...] = (UnavailableError, DataLossError)  # the latter: damaged on its way
        offset = 0
        while True:
            failures: list[BaseException] = []  # of reading or of `progress`, which run on a thread of gRPC's
            requests = _upload_requests(header, read, offset, progress, failures)
            try:
                return self._connection.send(
                    "FieldService/UploadField", requests, pb.UploadFieldResponse, retry.deadline
                )
            except DvrenError as lost:
                if failures:
                    raise failures[0] from None
                error = lost
            before = offset
            while True:
                retry.again(error, may_pass)
                try:
                    offset = self._received(header, retry.deadline)
                    break
                except UnavailableError as unavailable:  # the daemon may still be starting again
                    error = unavailable
            if offset > before:
                retry.progressed()
            # From now on the daemon may still wait for the rest on the lost connection.
            may_pass = (UnavailableError, DataLossError, AbortedError)

    def _received(self, header: pb.UploadHeader, deadline: Deadline) -> int:
        """How much of the upload the daemon has; 0 where it does not know it (any more). Sets header.upload."""
        header.upload = ""
        try:
            request = pb.GetUploadRequest(name=header.request_id)
            upload = self._connection.unary("FieldService/GetUpload", request, pb.Upload, deadline)
        except UnavailableError:
            raise
        except DvrenError:
            return 0
        if upload.received_bytes > header.total_bytes:
            return 0
        header.upload = upload.name
        return upload.received_bytes


class _Retry:
    """How long to wait between the attempts of a resumable transfer, and when to give up."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.progressed()

    def progressed(self) -> None:
        self._attempts = 0
        self._delay = _RETRY_DELAY_S

    def again(self, error: DvrenError, may_pass: tuple[type[DvrenError], ...] = (UnavailableError,)) -> None:
        """Waits before another attempt; raises `error` where none may help."""
        self._attempts += 1
        left = self.deadline.left()
        if not isinstance(error, may_pass) or self._attempts >= _MAX_ATTEMPTS:
            raise error
        if left is not None and left <= self._delay:
            raise error
        time.sleep(self._delay)
        self._delay = min(2 * self._delay, _RETRY_DELAY_MAX_S)


def _upload_requests(
    header: pb.UploadHeader,
    read: Callable[[int, int], bytes],
    offset: int,
    progress: Progress | None,
    failures: list[BaseException],
) -> Iterator[pb.UploadFieldRequest]:
    try:
        yield pb.UploadFieldRequest(header=header)
        while offset < header.total_bytes:
            data = read(offset, min(CHUNK_BYTES, header.total_bytes - offset))
            yield pb.UploadFieldRequest(chunk=chunk_of(offset, data))
            offset += len(data)
            if progress is not None:
                progress(offset, header.total_bytes)
    except GeneratorExit:
        raise
    except BaseException as error:
        failures.append(error)
        raise


class _FileReader:
    """Reads at an offset. The lock keeps apart a new attempt and gRPC's thread of one that has just failed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def __call__(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(size)
        if len(data) != size:
            raise invalid("path", self._file.name, "became shorter while it was read; import it again")
        return data


def chunk_of(offset: int, data: bytes) -> common.Chunk:
    chunk = common.Chunk(offset=offset, data=data)
    if google_crc32c is not None:
        chunk.crc32c = google_crc32c.value(data)
    return chunk


def append_chunk(data: bytearray, chunk: common.Chunk, remedy: str) -> None:
    if chunk.offset != len(data):
        raise DataLossError(f"chunk.offset = {chunk.offset}: {len(data)} was due; {remedy}")
    if google_crc32c is not None and chunk.HasField("crc32c") and google_crc32c.value(chunk.data) != chunk.crc32c:
        raise DataLossError(f"chunk at {chunk.offset}: its CRC32C does not fit; {remedy}")
    data += chunk.data


def split_gradient(
    data: bytearray, dtype_enum: int, shape: Sequence[int], origins_bytes: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32] | None]:
    """Values and leaf origins of a gradient's bytes: the latter come first."""
    dtype, shape = tensors.dtype_of(dtype_enum), tensors.shape_of(shape)
    leaves = origins_bytes // 12
    if len(data) != origins_bytes + math.prod(shape) * dtype.itemsize or origins_bytes not in (0, 12 * shape[0]):
        raise DataLossError(f"gradient: {len(data)} bytes came for shape {shape} of {dtype}; ask for it again")
    values = np.frombuffer(data, dtype, offset=origins_bytes).reshape(shape)
    if not leaves:
        return values, None
    return values, np.frombuffer(data, "<i4", count=3 * leaves).reshape(leaves, 3)


def _same_version(before: Field | None, now: Field) -> Field:
    if before is not None and before.version != now.version:
        raise AbortedError(
            f"field = {now.name}: changed from version {before.version} to {now.version} in the middle; download again"
        )
    return now


def _new_request_id() -> str:
    return uuid.uuid4().hex


def _name(field: str | Field) -> str:
    return field.name if isinstance(field, Field) else field


def _dense_spec(
    box: npt.ArrayLike | None, local_to_world: npt.ArrayLike | None, interp: str, border: str, activation: str
) -> pb.DenseGridSpec:
    spec = pb.DenseGridSpec(
        interp=tensors.enum_value("interp", interp, _INTERPS),
        border=tensors.enum_value("border", border, _BORDERS),
        activation=tensors.enum_value("activation", activation, _ACTIVATIONS),
    )
    if box is not None:
        spec.box.CopyFrom(tensors.to_box("box", box))
    if local_to_world is not None:
        spec.local_to_world.CopyFrom(tensors.to_affine("local_to_world", local_to_world))
    return spec


def _dense_grid(spec: pb.DenseGridSpec) -> DenseGrid:
    affine = tensors.from_affine(spec.local_to_world)
    return DenseGrid(
        shape=tensors.shape_of(spec.shape),
        dtype=tensors.dtype_of(spec.dtype),
        box=tensors.from_box(spec.box) if spec.HasField("box") else np.array([[0.0] * 3, [1.0] * 3]),
        local_to_world=np.eye(3, 4) if affine is None else affine,
        interp="nearest" if spec.interp == pb.INTERP_NEAREST else "linear",
        border="clamp" if spec.border == pb.BORDER_CLAMP else "zero",
        activation=tensors.enum_name(spec.activation or pb.ACTIVATION_IDENTITY, _ACTIVATIONS),
    )


def _nanovdb(spec: pb.NanoVdbSpec) -> NanoVdb:
    affine = tensors.from_affine(spec.index_to_world)
    return NanoVdb(
        grid_name=spec.grid_name,
        index_to_world=np.eye(3, 4) if affine is None else affine,
        active_min=tensors.shape_of(spec.active_min),
        active_max=tensors.shape_of(spec.active_max),
        active_voxels=spec.active_voxels,
    )
