"""A daemon in the test's own process: the services of dvren.v1 with arithmetic in place of renders.

Pixel (x, y) of a render is rgb = (x, y, x * y), opacity = x + 100 y; ray i of RenderRays gives opacity = its id.
Its switches break connections at chosen points.
"""

import hashlib
import threading
from concurrent import futures

import grpc
import numpy as np

import dvren  # noqa: F401  (before its generated modules)
from dvren._proto.dvren.v1 import admin_service_pb2 as admin
from dvren._proto.dvren.v1 import common_pb2 as common
from dvren._proto.dvren.v1 import field_service_pb2 as fields
from dvren._proto.dvren.v1 import render_service_pb2 as renders
from dvren._proto.dvren.v1 import scene_pb2 as scene

AOV_CHANNELS = {scene.AOV_RGB: 3}
TILE = 16


class Abort(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class FakeDaemon:
    """`address` is where it listens. What was asked of it last stands in `last`, by method."""

    def __init__(self, address="127.0.0.1:0", token=None):
        self.token = token
        self.last = {}
        self.metadata = {}
        self.fields = {}
        self.uploads = {}
        self.created = {}  # request_id → field name
        self.break_upload_after = []  # bytes after which successive uploads lose their connection
        self.forget_uploads = False
        self.busy = 0  # so many uploads are told that another call sends the same one
        self.busy_after_break = 0
        self.lose_answer = False
        self.break_download_after = []
        self.corrupt_download = False
        self.wrong_tile = None  # called with each tile before it is sent
        self.cancelled = threading.Event()
        self.chunk_sizes = []
        self.checksums = []
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        self.server.add_generic_rpc_handlers((_Handlers(self),))
        port = self.server.add_insecure_port(address)
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        self.server.start()

    def stop(self):
        self.server.stop(None).wait()

    # ---- AdminService, health ----

    def GetServerInfo(self, request, context):
        info = admin.ServerInfo(version="9.8.7", commit="abc", field_types=["dense_grid", "nanovdb"], tenant="default")
        info.start_time.FromSeconds(1_700_000_000)
        info.limits.max_image_edge = 8192
        return info

    def ListDevices(self, request, context):
        return admin.ListDevicesResponse(devices=[admin.DeviceStatus(id="cpu", kind="cpu", threads=2, healthy=True)])

    def Check(self, request, context):
        if request not in (b"", b"\x0a\x16dvren.v1.RenderService"):
            raise Abort(grpc.StatusCode.NOT_FOUND, "service = x: unknown")
        return b"\x08\x01" if request else b"\x08\x02"

    # ---- FieldService ----

    def _find(self, name):
        for field, payload in self.fields.values():
            if name in (field.name, field.display_name):
                return field, payload
        raise Abort(grpc.StatusCode.NOT_FOUND, f"field = {name}: not found;\nlist the fields")

    def _create(self, name, source, options, payload, request_id=""):
        field = fields.Field(
            name=f"fields/{len(self.fields) + 1}",
            display_name=name,
            owner="default",
            version=1,
            sha256=hashlib.sha256(payload).digest(),
            payload_bytes=len(payload),
            source=source,
            channels=1,
            min_voxel_world=0.5,
        )
        field.create_time.FromSeconds(1_700_000_000)
        field.world_box.max.x = field.world_box.max.y = field.world_box.max.z = 2
        if options.format == fields.FILE_FORMAT_RAW:
            field.type = "dense_grid"
            field.dense_grid.CopyFrom(options.dense_grid)
        else:
            field.type = "nanovdb"
            field.nanovdb.grid_name = options.grid
            field.nanovdb.active_max.extend([1, 2, 3])
        self.fields[field.name] = (field, payload)
        self.created[request_id] = field.name
        return field

    def GetField(self, request, context):
        return self._find(request.name)[0]

    def ListFields(self, request, context):
        found = sorted((f for f, _ in self.fields.values() if request.filter in f.display_name), key=lambda f: f.name)
        first = int(request.page_token or 0)
        more = str(first + 2) if first + 2 < len(found) else ""
        return fields.ListFieldsResponse(fields=found[first : first + 2], next_page_token=more)

    def DeleteField(self, request, context):
        field, _ = self._find(request.name)
        if request.expected_version not in (0, field.version):
            raise Abort(grpc.StatusCode.ABORTED, f"expected_version = {request.expected_version}: is {field.version}")
        del self.fields[field.name]
        return fields.DeleteFieldResponse()

    def ImportField(self, request, context):
        return self._create(request.display_name, request.path, request.options, b"from the server")

    def UploadField(self, requests, context):
        header = next(requests).header
        if header.request_id in self.created:
            field, _ = self.fields[self.created[header.request_id]]
            return fields.UploadFieldResponse(field=field)
        if self.busy:
            self.busy -= 1
            raise Abort(grpc.StatusCode.ABORTED, "upload = x: another call is using it; retry later")
        if not header.upload:
            self.uploads[header.request_id] = bytearray()
        data = self.uploads[header.upload or header.request_id]
        limit = self.break_upload_after.pop(0) if self.break_upload_after else None
        for request in requests:
            chunk = request.chunk
            if chunk.offset != len(data):
                raise Abort(grpc.StatusCode.INVALID_ARGUMENT, f"chunk.offset = {chunk.offset}: must be {len(data)}")
            data += chunk.data
            self.chunk_sizes.append(len(chunk.data))
            self.checksums.append(chunk.crc32c if chunk.HasField("crc32c") else None)
            if limit is not None and len(data) >= limit:
                self.busy = self.busy_after_break
                if self.forget_uploads:
                    self.uploads.clear()
                raise Abort(grpc.StatusCode.UNAVAILABLE, "going down")
        if len(data) != header.total_bytes:
            raise Abort(grpc.StatusCode.INVALID_ARGUMENT, f"total_bytes = {header.total_bytes}: {len(data)} came")
        field = self._create(header.display_name, header.source, header.options, bytes(data), header.request_id)
        if self.lose_answer:
            self.lose_answer = False
            raise Abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return fields.UploadFieldResponse(field=field)

    def GetUpload(self, request, context):
        if request.name not in self.uploads:
            raise Abort(grpc.StatusCode.NOT_FOUND, "upload: unknown")
        return fields.Upload(name=request.name, received_bytes=len(self.uploads[request.name]))

    def DownloadField(self, request, context):
        field, payload = self._find(request.name)
        yield fields.DownloadFieldResponse(field=field)
        if self.corrupt_download:
            payload = bytes(len(payload))
        limit = self.break_download_after.pop(0) if self.break_download_after else None
        for offset in range(request.offset, len(payload), 1000):
            if limit is not None and offset >= limit:
                raise Abort(grpc.StatusCode.UNAVAILABLE, "going down")
            yield fields.DownloadFieldResponse(chunk=common.Chunk(offset=offset, data=payload[offset : offset + 1000]))

    # ---- RenderService ----

    def Render(self, request, context):
        context.add_callback(self.cancelled.set)
        self._find(request.scene.instances[0].field)
        camera = scene.Camera(width=1024, height=1024, pinhole=scene.PinholeModel(fx=1, fy=1))
        camera.camera_to_world.m.extend(np.eye(3, 4).ravel())
        if request.HasField("camera"):
            camera = request.camera
        roi = common.Roi(width=camera.width, height=camera.height)
        if request.HasField("roi"):
            roi = request.roi
        header = renders.RenderHeader(
            request_id="req-1", roi=roi, camera=camera, sampling=request.sampling, device="cpu"
        )
        yield renders.RenderResponse(header=header)
        tile = request.tile or TILE
        tiles = [
            common.Roi(x=x, y=y, width=min(tile, roi.x + roi.width - x), height=min(tile, roi.y + roi.height - y))
            for y in range(roi.y, roi.y + roi.height, tile)
            for x in range(roi.x, roi.x + roi.width, tile)
        ]
        for part in reversed(tiles):
            message = renders.RenderTile(roi=part)
            y, x = np.mgrid[part.y : part.y + part.height, part.x : part.x + part.width].astype(np.float64)
            for aov in request.aovs or [scene.AOV_RGB]:
                image = np.stack([x, y, x * y], axis=-1) if aov == scene.AOV_RGB else x + 100 * y
                message.images.add(aov=aov).tensor.CopyFrom(_tensor(image, request.precision))
            if self.wrong_tile:
                self.wrong_tile(message)
            yield renders.RenderResponse(tile=message)
        stats = renders.RenderStats(rays=roi.width * roi.height, samples=12, truncated_rays=3)
        summary = renders.RenderSummary(stats=stats, warnings=["3 rays were cut by max_steps"], field_version=4)
        yield renders.RenderResponse(summary=summary)

    def RenderRays(self, request, context):
        count = request.rays.origins.shape[0]
        ids = np.arange(count)
        if request.rays.HasField("ids"):
            ids = np.frombuffer(request.rays.ids.payload.inline, np.int64)
        self.last.setdefault("ray_counts", []).append(count)
        answer = renders.RenderRaysResponse(
            stats=renders.RenderStats(rays=count), request_id="req-2", warnings=["the same each time"]
        )
        for aov in request.aovs:
            values = np.repeat(ids[:, None], 3, axis=1) if aov == scene.AOV_RGB else ids
            answer.images.add(aov=aov).tensor.CopyFrom(_tensor(values, request.precision))
        return answer


def _tensor(values, precision):
    f64 = precision == common.PRECISION_F64
    values = np.ascontiguousarray(values, np.float64 if f64 else np.float32)
    return common.Tensor(
        dtype=common.DTYPE_F64 if f64 else common.DTYPE_F32,
        shape=values.shape,
        payload=common.TensorPayload(inline=values.tobytes()),
    )


_REQUESTS = {
    "GetServerInfo": admin.GetServerInfoRequest,
    "ListDevices": admin.ListDevicesRequest,
    "GetField": fields.GetFieldRequest,
    "ListFields": fields.ListFieldsRequest,
    "DeleteField": fields.DeleteFieldRequest,
    "ImportField": fields.ImportFieldRequest,
    "UploadField": fields.UploadFieldRequest,
    "GetUpload": fields.GetUploadRequest,
    "DownloadField": fields.DownloadFieldRequest,
    "Render": renders.RenderRequest,
    "RenderRays": renders.RenderRaysRequest,
}
_SERVICE_OF_FILE = {admin: "AdminService", fields: "FieldService", renders: "RenderService"}


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, daemon):
        self.daemon = daemon
        self.handlers = {"/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(self._unary("Check"))}
        for file, service in _SERVICE_OF_FILE.items():
            for method in file.DESCRIPTOR.services_by_name[service].methods:
                self.handlers[f"/dvren.v1.{service}/{method.name}"] = self._handler(method.name)

    def service(self, details):
        return self.handlers.get(details.method)

    def _handler(self, name):
        if name not in _REQUESTS:
            return None
        codec = {
            "request_deserializer": _REQUESTS[name].FromString,
            "response_serializer": lambda message: message.SerializeToString(),
        }
        if name in ("Render", "DownloadField"):
            return grpc.unary_stream_rpc_method_handler(self._stream(name), **codec)
        if name == "UploadField":
            return grpc.stream_unary_rpc_method_handler(self._unary(name), **codec)
        return grpc.unary_unary_rpc_method_handler(self._unary(name), **codec)

    def _unary(self, name):
        def run(request, context):
            try:
                self._begin(name, request, context)
                return getattr(self.daemon, name)(request, context)
            except Abort as error:
                self._abort(error, context)

        return run

    def _stream(self, name):
        def run(request, context):
            try:
                self._begin(name, request, context)
                yield from getattr(self.daemon, name)(request, context)
            except Abort as error:
                self._abort(error, context)

        return run

    def _begin(self, name, request, context):
        self.daemon.last[name] = request
        self.daemon.metadata = dict(context.invocation_metadata())
        given = self.daemon.metadata.get("authorization")
        if self.daemon.token and given != f"Bearer {self.daemon.token}":
            raise Abort(grpc.StatusCode.UNAUTHENTICATED, "authorization: no known token; set DVREN_TOKEN")

    def _abort(self, error, context):
        if error.code != grpc.StatusCode.UNAVAILABLE:
            context.set_trailing_metadata((("x-request-id", "req-9"),))
        context.abort(error.code, error.message)
