"""RayStream: batches of rays over one call, each answered by its images and gradients."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy.typing as npt

from . import _tensors as tensors
from ._connection import Connection
from ._proto.dvren.v1 import common_pb2 as common
from ._proto.dvren.v1 import render_service_pb2 as pb
from .errors import DataLossError, FailedPreconditionError, InvalidArgumentError, invalid
from .fields import Field
from .gradients import ADJOINT_AOVS, RayGradient, SceneGradient, adjoint_array, parameter_gradients
from .render import RenderResult, RenderStats, ray_images, rays_arrays, rays_message, rays_request


class RayResult(RenderResult):
    """A RenderResult of a batch, with the gradients that its adjoints gave; None is what was not asked for."""

    scene: SceneGradient | None
    dt: float | None
    rays: RayGradient | None

    def __init__(self, gradients: Mapping[str, Any], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.scene, self.dt, self.rays = gradients["scene"], gradients["dt"], gradients["rays"]


class RayStream:
    """client.stream_rays: see there. A context manager; for one thread at a time."""

    def __init__(self, connection: Connection, header: pb.StreamRaysHeader) -> None:
        self._precision = header.precision
        self._aovs = list(header.aovs)
        self._gradients = header.HasField("want")
        self._requests: queue.SimpleQueue[pb.StreamRaysRequest | None] = queue.SimpleQueue()
        self._requests.put(pb.StreamRaysRequest(header=header))
        self._answers = connection.exchange("RenderService/StreamRays", self._sent(), pb.StreamRaysResponse)
        self._open, self._begun = True, False

    def send(
        self,
        origins: npt.ArrayLike,
        directions: npt.ArrayLike,
        t_near: npt.ArrayLike | None = None,
        t_far: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        *,
        rgb: npt.ArrayLike | None = None,
        opacity: npt.ArrayLike | None = None,
        transmittance: npt.ArrayLike | None = None,
        depth: npt.ArrayLike | None = None,
    ) -> RayResult:
        """Renders one batch, as Client.render_rays does; rgb (N, 3), opacity, … (N,) are its dL/d(image).

        After an error of the daemon's the stream is closed.
        """
        if not self._open:
            raise FailedPreconditionError("stream = closed: open another one with Client.stream_rays")
        rays = rays_arrays(origins, directions, t_near, t_far, ids, self._precision)
        count = len(rays["origins"])
        batch = pb.RayBatch(rays=rays_message(rays))
        precision = "f64" if self._precision == common.PRECISION_F64 else "f32"
        given = {"rgb": rgb, "opacity": opacity, "transmittance": transmittance, "depth": depth}
        for name, array in given.items():
            if array is not None:
                if not self._gradients:
                    raise invalid(name, "given", "the stream was opened for no gradient; leave it out or ask for some")
                tensor = tensors.to_tensor(adjoint_array(name, array, (count,), precision))
                batch.adjoints.add(aov=ADJOINT_AOVS[name], tensor=tensor)
        self._requests.put(pb.StreamRaysRequest(batch=batch))
        self._begun = True
        try:
            answer = next(self._answers, None)
        except BaseException:
            self._cancel()
            raise
        if answer is None:
            self._cancel()
            raise DataLossError("StreamRays: the daemon ended the stream; open another one")
        return RayResult(
            parameter_gradients(answer.gradients),
            ray_images(answer.images, self._aovs, count),
            RenderStats._sum([answer.stats]),
            [],
            answer.request_id,
        )

    def close(self) -> None:
        """Ends the call in good order: the daemon sees no cancellation."""
        if self._open and self._begun:
            self._requests.put(None)
            try:
                for _ in self._answers:
                    pass
            finally:
                self._cancel()
        self._open = False

    def __enter__(self) -> RayStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._cancel()

    def _cancel(self) -> None:
        self._open = False
        self._requests.put(None)  # gRPC's thread waits for it
        self._answers.close()  # type: ignore[attr-defined]

    def _sent(self) -> Iterator[pb.StreamRaysRequest]:
        """On a thread of gRPC's."""
        while (request := self._requests.get()) is not None:
            yield request


def ray_stream(
    connection: Connection, field: str | Field, wanted: Mapping[str, bool], exponent: int | None, **options: Any
) -> RayStream:
    """client.stream_rays: see there."""
    request = rays_request(field, **options)
    header = pb.StreamRaysHeader(
        scene=request.scene,
        sampling=request.sampling,
        aovs=request.aovs,
        precision=request.precision,
        device=request.device,
    )
    if any(wanted.values()):
        for name, value in wanted.items():
            setattr(header.want, name, value)
        if exponent is not None:
            header.want.exponent = exponent
    elif exponent is not None:
        raise InvalidArgumentError(
            f"exponent = {exponent}: is of accumulated gradients; set accumulate=True or leave it out"
        )
    return RayStream(connection, header)
