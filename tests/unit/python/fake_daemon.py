"""A daemon in the test's own process: the services of dvren.v1 with arithmetic in place of renders.

Pixel (x, y) of a render is rgb = (x, y, x * y), opacity = x + 100 y; ray i of RenderRays gives opacity = its id. Of a
dense field with `differentiable` set, and in every Forward, it is rgb = (x + 1) m + background, opacity = (y + 1) m,
depth = m, where m is linear in each input: see _mean(). Its switches break connections at chosen points.
"""

import hashlib
import threading
from concurrent import futures

import fake_training
import grpc
import numpy as np

import dvren  # noqa: F401  (before its generated modules)
from dvren._proto.dvren.v1 import admin_service_pb2 as admin
from dvren._proto.dvren.v1 import common_pb2 as common
from dvren._proto.dvren.v1 import field_service_pb2 as fields
from dvren._proto.dvren.v1 import render_service_pb2 as renders
from dvren._proto.dvren.v1 import scene_pb2 as scene
from dvren._proto.dvren.v1 import training_service_pb2 as training

AOV_CHANNELS = {scene.AOV_RGB: 3}
TILE = 16


class Abort(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class FakeDaemon(fake_training.FakeTraining):
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
        self.differentiable = False
        self.tapes = {}  # name → (request, field version, origin of the image)
        self.released = []
        self.gradients = {}  # field name → f64 values
        self.update_ids = {}
        self.sessions = {}  # of training, by name
        self.lose_step = False
        self.cut_training = False
        self.abort = Abort
        self.lose_update = 0
        self.adjoint_tiles = []  # of the last Backward
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
        if header.keep_only:
            name = header.upload or header.request_id
            return fields.UploadFieldResponse(upload=fields.Upload(name=name, received_bytes=len(data), complete=True))
        field = self._create(header.display_name, header.source, header.options, bytes(data), header.request_id)
        if self.lose_answer:
            self.lose_answer = False
            raise Abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return fields.UploadFieldResponse(field=field)

    def GetUpload(self, request, context):
        if request.name not in self.uploads:
            raise Abort(grpc.StatusCode.NOT_FOUND, "upload: unknown")
        return fields.Upload(name=request.name, received_bytes=len(self.uploads[request.name]))

    def UpdateField(self, request, context):
        field, payload = self._find(request.name)
        if request.request_id in self.update_ids:
            return self.update_ids[request.request_id]
        if request.expected_version not in (0, field.version):
            raise Abort(grpc.StatusCode.ABORTED, f"expected_version = {request.expected_version}: is {field.version}")
        given = request.payload
        new = given.inline if given.WhichOneof("source") == "inline" else bytes(self.uploads.pop(given.upload))
        if len(new) != len(payload):
            raise Abort(grpc.StatusCode.INVALID_ARGUMENT, f"payload = {len(new)} bytes: must be {len(payload)}")
        changed = fields.Field()
        changed.CopyFrom(field)
        changed.version += 1
        changed.sha256 = hashlib.sha256(new).digest()
        self.fields[field.name] = (changed, new)
        self.update_ids[request.request_id] = changed
        if self.lose_update:
            self.lose_update -= 1
            raise Abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return changed

    def ZeroGradients(self, request, context):
        field, payload = self._find(request.name)
        self.gradients[field.name] = np.zeros(_values(field, payload).shape)
        return fields.ZeroGradientsResponse()

    def DownloadField(self, request, context):
        field, payload = self._find(request.name)
        if request.content == fields.FIELD_CONTENT_GRADIENT:
            yield from self._download_gradient(field, request)
            return
        yield fields.DownloadFieldResponse(field=field)
        if self.corrupt_download:
            payload = bytes(len(payload))
        limit = self.break_download_after.pop(0) if self.break_download_after else None
        for offset in range(request.offset, len(payload), 1000):
            if limit is not None and offset >= limit:
                raise Abort(grpc.StatusCode.UNAVAILABLE, "going down")
            yield fields.DownloadFieldResponse(chunk=common.Chunk(offset=offset, data=payload[offset : offset + 1000]))

    def _download_gradient(self, field, request):
        if field.name not in self.gradients:
            raise Abort(grpc.StatusCode.FAILED_PRECONDITION, f"field = {field.name}: has no gradient")
        values, origins = _on_wire(self.gradients[field.name], request.dtype)
        gradient = fields.GradientDescription(
            dtype=request.dtype, shape=values.shape, exponent=-20, origins_bytes=len(origins)
        )
        yield fields.DownloadFieldResponse(field=field, gradient=gradient)
        for chunk in _chunks(origins + values.tobytes()):
            yield fields.DownloadFieldResponse(chunk=chunk)

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
        forward = renders.ForwardRequest(image=request)
        images = self._images(forward, camera.width, camera.height) if self.differentiable else None
        yield from self._tiles(request, camera, roi, images, renders.RenderResponse)
        stats = renders.RenderStats(rays=roi.width * roi.height, samples=12, truncated_rays=3)
        summary = renders.RenderSummary(stats=stats, warnings=["3 rays were cut by max_steps"], field_version=4)
        yield renders.RenderResponse(summary=summary)

    def _tiles(self, request, camera, roi, images, response):
        header = renders.RenderHeader(
            request_id="req-1", roi=roi, camera=camera, sampling=request.sampling, device="cpu"
        )
        yield response(header=header)
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
                if images is not None:
                    image = images[aov][part.y : part.y + part.height, part.x : part.x + part.width]
                message.images.add(aov=aov).tensor.CopyFrom(_tensor(image, request.precision))
            if self.wrong_tile:
                self.wrong_tile(message)
            yield response(tile=message)

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

    def _inputs(self, forward):
        """What m is linear in, by name."""
        target = forward.image if forward.WhichOneof("target") == "image" else forward.rays
        (instance,) = target.scene.instances
        field, payload = self._find(instance.field)
        if instance.field_version not in (0, field.version):
            raise Abort(grpc.StatusCode.ABORTED, f"field_version = {instance.field_version}: is {field.version}")
        inputs = {
            "values": _values(field, payload),
            "sigma_scale": instance.sigma_scale if instance.HasField("sigma_scale") else 1.0,
            "color": _vector(instance.constant.rgb) if instance.WhichOneof("color") else np.ones(3),
            "pose": np.zeros(12),
            "focal": np.zeros(2),
        }
        if forward.WhichOneof("target") == "image":
            inputs["pose"] = np.array(target.camera.camera_to_world.m)
            inputs["focal"] = np.array([target.camera.pinhole.fx, target.camera.pinhole.fy])
        return field, inputs, _vector(target.scene.background)

    def _images(self, forward, width, height):
        field, inputs, background = self._inputs(forward)
        m = _mean(**inputs)
        y, x = np.mgrid[:height, :width].astype(np.float64)
        opacity = (y + 1) * m
        return {
            scene.AOV_RGB: ((x + 1) * m)[..., None] + background,
            scene.AOV_OPACITY: opacity,
            scene.AOV_TRANSMITTANCE: 1 - opacity,
            scene.AOV_DEPTH: np.full(x.shape, m),
        }

    def Forward(self, request, context):
        if request.WhichOneof("target") == "image":
            target, camera = request.image, request.image.camera
        else:
            target = request.rays
            camera = scene.Camera(width=target.rays.origins.shape[0], height=1)
        roi = common.Roi(width=camera.width, height=camera.height)
        if request.WhichOneof("target") == "image" and target.HasField("roi"):
            roi = target.roi
        tile = request.image.tile  # 0 of rays
        asked = renders.RenderRequest(aovs=target.aovs, precision=target.precision, tile=tile)
        images = self._images(request, camera.width, camera.height)
        yield from self._tiles(asked, camera, roi, images, renders.ForwardResponse)
        field, _ = self._find(target.scene.instances[0].field)
        name = f"tapes/{len(self.tapes) + len(self.released) + 1}"
        self.tapes[name] = (request, field.version, roi)
        tape = renders.Tape(
            name=name,
            bytes=20 * roi.width * roi.height,
            field=field.name,
            field_version=field.version,
            width=roi.width,
            height=roi.height,
            precision=target.precision or common.PRECISION_F32,
        )
        tape.expire_time.FromSeconds(1_800_000_000)
        stats = renders.RenderStats(rays=roi.width * roi.height, samples=12)
        yield renders.ForwardResponse(summary=renders.ForwardSummary(tape=tape, stats=stats, warnings=["taped"]))

    def StreamRays(self, requests, context):
        """Images are those of RenderRays; dL/d(origins) is the sum of the batch's adjoints."""
        header = next(requests).header
        self.last["StreamRays"] = header
        for request in requests:
            batch = request.batch
            whole = renders.RenderRaysRequest(rays=batch.rays, aovs=header.aovs, precision=header.precision)
            images = self.RenderRays(whole, context)
            answer = renders.StreamRaysResponse(images=images.images, stats=images.stats, request_id="req-4")
            forward = renders.ForwardRequest(rays=whole)
            total = sum(_array(image.tensor, forward).sum() for image in batch.adjoints)
            if batch.adjoints and header.want.rays:
                for name, tensor in (("origins", batch.rays.origins), ("directions", batch.rays.directions)):
                    getattr(answer.gradients.rays, name).CopyFrom(
                        _tensor(np.full(tensor.shape, total), header.precision)
                    )
                for name in ("t_near", "t_far"):
                    shape = batch.rays.origins.shape[:1]
                    getattr(answer.gradients.rays, name).CopyFrom(_tensor(np.zeros(shape), header.precision))
            if batch.adjoints and header.want.step:
                answer.gradients.dt = total
            if total == -1:
                raise Abort(grpc.StatusCode.OUT_OF_RANGE, "exponent = 0: too small")
            yield answer
        self.last["StreamRays ended"] = True

    def ReleaseTape(self, request, context):
        if request.tape not in self.tapes:
            raise Abort(grpc.StatusCode.NOT_FOUND, f"tape = {request.tape}: not found")
        del self.tapes[request.tape]
        self.released.append(request.tape)
        return renders.ReleaseTapeResponse()

    def Backward(self, requests, context):
        header = next(requests).header
        self.last["Backward"] = header
        self.adjoint_tiles = [request.adjoint for request in requests]
        if header.tape not in self.tapes:
            raise Abort(grpc.StatusCode.NOT_FOUND, f"tape = {header.tape}: not found")
        forward, version, roi = self.tapes[header.tape]
        field, inputs, _ = self._inputs(forward)
        if field.version != version:
            raise Abort(grpc.StatusCode.ABORTED, f"tape = {header.tape}: the field has version {field.version} by now")
        dm, covered = 0.0, np.zeros((roi.height, roi.width), int)
        d_background = np.zeros(3)
        for tile in self.adjoint_tiles:
            r = tile.roi
            covered[r.y - roi.y : r.y - roi.y + r.height, r.x - roi.x : r.x - roi.x + r.width] += 1
            y, x = np.mgrid[r.y : r.y + r.height, r.x : r.x + r.width].astype(np.float64)
            for image in tile.images:
                adjoint = _array(image.tensor, forward)
                if image.aov == scene.AOV_RGB:
                    dm += (adjoint * (x + 1)[..., None]).sum()
                    d_background += adjoint.sum((0, 1))
                else:
                    weight = {scene.AOV_OPACITY: y + 1, scene.AOV_TRANSMITTANCE: -y - 1, scene.AOV_DEPTH: 1.0}
                    dm += (adjoint * weight[image.aov]).sum()
        if not (covered == 1).all():
            raise Abort(grpc.StatusCode.INVALID_ARGUMENT, "adjoint: does not cover the image once")
        derivative = _mean_derivatives(**inputs)
        want, summary = header.want, renders.BackwardSummary(request_id="req-3")
        gradient = dm * derivative["values"]
        if want.accumulate:
            gradient = self.gradients[field.name] = self.gradients.get(field.name, 0) + gradient
            summary.value_stats.count = gradient.size
        if want.values:
            values, origins = _on_wire(gradient, want.dtype)
            array = renders.GradientArray(
                field=field.name,
                field_version=version,
                dtype=want.dtype,
                shape=values.shape,
                origins_bytes=len(origins),
                exponent=want.exponent if want.HasField("exponent") else -30,
            )
            yield renders.BackwardResponse(values=array)
            for chunk in _chunks(origins + values.tobytes()):
                yield renders.BackwardResponse(chunk=chunk)
            summary.value_stats.count = gradient.size
            summary.value_stats.histogram.extend([0] * 63 + [gradient.size])
        found = summary.gradients
        if want.camera:
            found.camera.camera_to_world.m.extend(dm * derivative["pose"])
            found.camera.omega.y, found.camera.v.z = 2.0, 3.0
            found.camera.fx, found.camera.fy = dm * derivative["focal"]
            found.camera.k4, found.camera.p1, found.camera.t_far = 4.0, 5.0, 6.0
        if want.scene:
            found.scene.background.CopyFrom(common.Vec3(x=d_background[0], y=d_background[1], z=d_background[2]))
            found.scene.sigma_scale = dm * derivative["sigma_scale"]
            found.scene.color.CopyFrom(common.Vec3(**dict(zip("xyz", dm * derivative["color"]))))
            found.scene.knot_density.extend([7.0])
            found.scene.knot_rgb.add(x=8.0)
        if want.step:
            found.dt = 9.0
        if want.rays:
            for name in ("origins", "directions", "t_near", "t_far"):
                shape = (roi.width, 3) if name in ("origins", "directions") else (roi.width,)
                getattr(found.rays, name).CopyFrom(_tensor(np.full(shape, dm), forward.rays.precision))
        summary.stats.rays = roi.width * roi.height
        if not header.keep_tape:
            del self.tapes[header.tape]
            self.released.append(header.tape)
        yield renders.BackwardResponse(summary=summary)


POSE_WEIGHTS = np.linspace(0.1, 1.2, 12)
FOCAL_WEIGHTS = np.array([0.5, 0.25])
COLOR_WEIGHTS = np.array([0.5, 0.25, 0.125])


def _mean(values, sigma_scale, color, pose, focal):
    return values.mean() * sigma_scale + COLOR_WEIGHTS @ color + POSE_WEIGHTS @ pose + FOCAL_WEIGHTS @ focal


def _mean_derivatives(values, sigma_scale, color, pose, focal):
    return {
        "values": np.full(values.shape, sigma_scale / values.size),
        "sigma_scale": values.mean(),
        "color": COLOR_WEIGHTS,
        "pose": POSE_WEIGHTS,
        "focal": FOCAL_WEIGHTS,
    }


def _values(field, payload):
    """Those of a dense field; a NanoVDB one has two leaves of ones."""
    if field.type == "nanovdb":
        return np.ones((2, 8, 8, 8))
    dtype = np.float16 if field.dense_grid.dtype == common.DTYPE_F16 else np.float32
    return np.frombuffer(payload, dtype).reshape(field.dense_grid.shape).astype(np.float64)


def _on_wire(gradient, dtype):
    """Values of the dtype, and the bytes of leaf origins."""
    leaves = gradient.shape[0] if gradient.shape[1:] == (8, 8, 8) else 0
    origins = np.arange(3 * leaves, dtype="<i4") * 8
    return gradient.astype(np.float64 if dtype == common.DTYPE_F64 else np.float32), origins.tobytes()


def _chunks(data, size=1000):
    return [common.Chunk(offset=at, data=data[at : at + size]) for at in range(0, len(data), size)]


def _vector(message):
    return np.array([message.x, message.y, message.z])


def _array(tensor, forward):
    """Of the precision that the forward had."""
    target = forward.image if forward.WhichOneof("target") == "image" else forward.rays
    f64 = target.precision == common.PRECISION_F64
    if tensor.dtype != (common.DTYPE_F64 if f64 else common.DTYPE_F32):
        raise Abort(
            grpc.StatusCode.INVALID_ARGUMENT, f"adjoint.dtype = {tensor.dtype}: must be of the tape's precision"
        )
    dtype = np.float64 if f64 else np.float32
    return np.frombuffer(tensor.payload.inline, dtype).reshape(tensor.shape).astype(np.float64)


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
    "UpdateField": fields.UpdateFieldRequest,
    "ZeroGradients": fields.ZeroGradientsRequest,
    "Forward": renders.ForwardRequest,
    "Backward": renders.BackwardRequest,
    "StreamRays": renders.StreamRaysRequest,
    "ReleaseTape": renders.ReleaseTapeRequest,
    "Render": renders.RenderRequest,
    "RenderRays": renders.RenderRaysRequest,
    **fake_training.REQUESTS,
}
_SERVICE_OF_FILE = {
    admin: "AdminService",
    fields: "FieldService",
    renders: "RenderService",
    training: "TrainingService",
}


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
        if name in ("Backward", "StreamRays"):
            return grpc.stream_stream_rpc_method_handler(self._stream(name), **codec)
        if name in ("Render", "Forward", "DownloadField", "StreamTrain", "Evaluate"):
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
