"""Volume rendering as a part of PyTorch: VolumeRenderer is a module whose parameters are a field's values, and, where
asked for, the camera's pose and focal lengths, the sigma scale, background and colour.

    renderer = dvren.torch.VolumeRenderer.from_values(client, "cloud", torch.full((32, 32, 32), 0.1))
    optimizer = torch.optim.Adam(renderer.parameters(), lr=0.05)
    loss = (renderer(camera) - image).square().mean()
    loss.backward()

Tensors are on the CPU, of any floating-point dtype; images come in float32, or float64 with precision="f64". Gradients
have their input's dtype. The daemon stores field values as float32 (float16 where the field was made so): float64
values are rounded to that before they are rendered, whatever the precision. There is no second derivative.

With DistributedDataParallel each process connects to a daemon of its own, or names a field of its own: a field that two
processes write to is an AbortedError.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._mirror import FieldMirror
from .camera import Camera
from .client import Client
from .errors import AbortedError, NotFoundError, invalid
from .fields import Field
from .gradients import Gradients, Tape
from .render import CameraLike, RenderResult

try:
    import torch
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise ImportError("dvren.torch needs PyTorch: pip install 'dvren[torch]', or Debian's python3-torch") from error

__all__ = ["RenderFunction", "VolumeRenderer"]

_INPUTS = ("values", "camera_to_world", "focal", "sigma_scale", "background", "color", "origins", "directions")
_LEARNABLE = ("values", "xi", "camera_to_world", "focal", "sigma_scale", "background", "color")
_AOVS = ("rgb", "opacity", "transmittance", "depth")

_log = logging.getLogger(__name__)


class RenderFunction(torch.autograd.Function):
    """RenderFunction.apply(view, *inputs): one image for each AOV of `view`. VolumeRenderer calls it.

    Its tape is released by backward, or when the graph is dropped without one. A second backward over the same graph
    (retain_graph), or one after the field took other values, renders again to have a tape.
    """

    @staticmethod
    def forward(ctx: Any, view: _View, *inputs: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        ctx.view = view
        ctx.given = [tensor is not None for tensor in inputs]
        ctx.save_for_backward(*(tensor for tensor in inputs if tensor is not None))
        ctx.set_materialize_grads(False)
        result = view.forward(inputs)
        _releaser.start()
        ctx.tape = _HeldTape(result.tape)
        return tuple(torch.from_numpy(result[name]) for name in view.aov)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *adjoints: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        saved = iter(ctx.saved_tensors)
        inputs = [next(saved) if given else None for given in ctx.given]
        wanted = [name for name, needed in zip(_INPUTS, ctx.needs_input_grad[1:]) if needed]
        given = {name: _array(a) for name, a in zip(ctx.view.aov, adjoints) if a is not None}
        if not given:
            return (None,) * (1 + len(inputs))
        gradients = ctx.view.backward(ctx.tape.take(), inputs, given, wanted)
        return (None, *(_gradient(n, x, gradients) if n in wanted else None for n, x in zip(_INPUTS, inputs)))


class VolumeRenderer(torch.nn.Module):
    """Renders one field of a daemon. See the module's text for dtypes and devices."""

    def __init__(
        self,
        client: Client,
        field: str | Field,
        values: torch.Tensor | None = None,
        *,
        learn: Sequence[str] = ("values",),
        camera: CameraLike | None = None,
        sigma_scale: float | torch.Tensor | None = None,
        background: Sequence[float] | torch.Tensor | None = None,
        color: Sequence[float] | torch.Tensor | None = None,
        aov: str | Sequence[str] = "rgb",
        precision: str = "f32",
        lease: float | None = None,
        **options: Any,
    ) -> None:
        """field: a name, or a Field. values: what it shall hold, by default what it holds; NanoVDB fields have none.

        learn: which of these are parameters, under their names as attributes:
          values           of a dense field, (nz, ny, nx[, channels])
          xi               (6,) tangent (omega, v) of the camera's pose, R <- exp(omega) R, o <- o + v; begins at 0
          camera_to_world  (3, 4), instead of xi; begins as the camera's
          focal            (2,) fx, fy; begin as the camera's
          sigma_scale, background (3,), color (3,) of a field without a colour of its own; begin as given here
        The rest stays as it is. camera: the view that forward() takes when it is given none; xi turns any view.

        aov: of "rgb", "opacity", "transmittance", "depth": forward() gives a tensor for one name, a tuple for several.
        lease: seconds that a tape may wait for its backward, as in Client.forward. options: step, max_steps, sampling,
        seed, early_stop, transfer, roi, object_to_world, skip_empty, device, tile, as in Client.render.
        """
        super().__init__()
        unknown = [name for name in learn if name not in _LEARNABLE]
        if unknown or (isinstance(learn, str)):
            raise invalid("learn", learn, f"must be a sequence of some of {', '.join(_LEARNABLE)}")
        if "xi" in learn and "camera_to_world" in learn:
            raise invalid("learn", learn, "xi and camera_to_world are two ways to the same pose; leave one out")
        self.client = client
        self.camera = None if camera is None else _camera(camera)
        self.aov = aov
        self.precision = precision
        self.lease = lease
        self.options = options
        self._learn = tuple(learn)
        _aov_names(aov)

        held = None
        stored = field if isinstance(field, Field) else client.fields.get(field)
        if stored.dense_grid is None and (values is not None or "values" in learn):
            raise invalid("values", "given or learnt", f"{stored.type} fields take no new values; import it as dense")
        if stored.dense_grid is not None and values is None:
            held = client.fields.download(stored.name)
            values = torch.from_numpy(np.array(held))
        self._mirror = FieldMirror(client, stored, held if isinstance(held, np.ndarray) else None)
        self._put("values", values)
        if sigma_scale is None and "sigma_scale" in learn:
            sigma_scale = 1.0
        if background is None and "background" in learn:
            background = (0.0, 0.0, 0.0)
        if color is None and "color" in learn:
            color = (1.0, 1.0, 1.0)
        for name, start in (("sigma_scale", sigma_scale), ("background", background), ("color", color)):
            self._put(name, None if start is None else torch.as_tensor(start, dtype=_dtype_of(start, values)))
        camera_dtype = torch.float64 if precision == "f64" else torch.float32
        self._put("xi", torch.zeros(6, dtype=camera_dtype) if "xi" in learn else None)
        pose = focal = None
        if "camera_to_world" in learn:
            pose = torch.tensor(self._camera_of(None).camera_to_world, dtype=camera_dtype)
        if "focal" in learn:
            view = self._camera_of(None)
            if view.fx is None or view.fy is None:
                raise invalid("learn", "focal", f"{view.model} cameras have none")
            focal = torch.tensor([view.fx, view.fy], dtype=camera_dtype)
        self._put("camera_to_world", pose)
        self._put("focal", focal)

    @classmethod
    def from_values(
        cls,
        client: Client,
        name: str,
        values: torch.Tensor,
        box: npt.ArrayLike | None = None,
        *,
        local_to_world: npt.ArrayLike | None = None,
        interp: str = "linear",
        border: str = "zero",
        activation: str = "identity",
        **options: Any,
    ) -> VolumeRenderer:
        """Makes the dense field `name`, as Fields.upload does, and a renderer of it; options are VolumeRenderer's."""
        array = _array(_float32("values", values))
        field = client.fields.upload(name, array, box, local_to_world, interp, border, activation=activation)
        renderer = cls(client, field, values, **options)
        renderer._mirror = FieldMirror(client, field, array)
        return renderer

    @property
    def field(self) -> Field:
        """As the daemon has it; forward() writes changed values to it."""
        return self._mirror.field

    def forward(
        self,
        camera: CameraLike | None = None,
        *,
        values: torch.Tensor | None = None,
        xi: torch.Tensor | None = None,
        camera_to_world: torch.Tensor | None = None,
        focal: torch.Tensor | None = None,
        sigma_scale: torch.Tensor | None = None,
        background: torch.Tensor | None = None,
        color: torch.Tensor | None = None,
        aov: str | Sequence[str] | None = None,
        **options: Any,
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Images (H, W, 3) and (H, W) of one view. What is given here goes before the module's own, for this call.

        Without a gradient to compute (torch.no_grad()) it is a plain render.
        """
        view = self._camera_of(camera)
        given = self._scene_inputs(values, sigma_scale, background, color)
        xi = self.xi if xi is None and camera_to_world is None else xi
        pose = self.camera_to_world if camera_to_world is None else camera_to_world
        if xi is not None:
            pose = _turned(view, xi, pose)
        given["camera_to_world"] = pose
        given["focal"] = self.focal if focal is None else focal
        return self._apply(view, None, given, aov, options)

    def rays(
        self,
        origins: torch.Tensor,
        directions: torch.Tensor,
        *,
        t_near: npt.ArrayLike | None = None,
        t_far: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        values: torch.Tensor | None = None,
        sigma_scale: torch.Tensor | None = None,
        background: torch.Tensor | None = None,
        color: torch.Tensor | None = None,
        aov: str | Sequence[str] | None = None,
        **options: Any,
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """As forward(), (N, 3) and (N,), of given rays: origins (N, 3) and unit directions (N, 3), which may want
        gradients; t_near, t_far and ids, as in Client.render_rays, may not."""
        given = self._scene_inputs(values, sigma_scale, background, color)
        given["origins"], given["directions"] = origins, directions
        limits = {"t_near": t_near, "t_far": t_far, "ids": ids}
        return self._apply(None, limits, given, aov, options)

    def extra_repr(self) -> str:
        field = self._mirror.field
        how = f"learn={self._learn}, aov={self.aov!r}, precision={self.precision!r}"
        return f"{field.display_name!r}, {field.name}, {how}"

    def _scene_inputs(self, *given: torch.Tensor | None) -> dict[str, torch.Tensor | None]:
        names = ("values", "sigma_scale", "background", "color")
        return {name: getattr(self, name) if own is None else own for name, own in zip(names, given)}

    def _apply(
        self,
        camera: Camera | None,
        ray_limits: dict[str, Any] | None,
        given: dict[str, torch.Tensor | None],
        aov: str | Sequence[str] | None,
        options: dict[str, Any],
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        aov = self.aov if aov is None else aov
        view = _View(
            client=self.client,
            mirror=self._mirror,
            camera=camera,
            ray_limits=ray_limits,
            aov=_aov_names(aov),
            precision=self.precision,
            lease=self.lease,
            options={**self.options, **options},
        )
        inputs = [given.get(name) for name in _INPUTS]
        for name, tensor in zip(_INPUTS, inputs):
            if tensor is not None:
                _check(name, tensor)
        if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs):
            images = RenderFunction.apply(view, *inputs)
        else:
            result = view.render(inputs)
            images = tuple(torch.from_numpy(result[name]) for name in view.aov)
        return images[0] if isinstance(aov, str) else images

    def _camera_of(self, camera: CameraLike | None) -> Camera:
        if camera is None and self.camera is None:
            raise invalid("camera", camera, "give a dvren.Camera to the module or to this call")
        return self.camera if camera is None else _camera(camera)  # type: ignore[return-value]

    def _put(self, name: str, tensor: torch.Tensor | None) -> None:
        """As a parameter where it is to be learnt, else as a buffer."""
        if tensor is not None:
            _check(name, tensor)
        if name in self._learn and tensor is not None:
            setattr(self, name, torch.nn.Parameter(tensor.detach().clone()))
        else:
            self.register_buffer(name, None if tensor is None else tensor.detach().clone())


@dataclasses.dataclass(frozen=True, eq=False)
class _View:
    """All of a render but its tensors."""

    client: Client
    mirror: FieldMirror
    camera: Camera | None
    ray_limits: dict[str, Any] | None  # of given rays, in the camera's place
    aov: tuple[str, ...]
    precision: str
    lease: float | None
    options: dict[str, Any]

    def render(self, inputs: Sequence[torch.Tensor | None]) -> RenderResult:
        call = self.client.render if self.ray_limits is None else self.client.render_rays
        return self._run(call, inputs)  # type: ignore[no-any-return]

    def forward(self, inputs: Sequence[torch.Tensor | None]) -> Any:
        call = self.client.forward if self.ray_limits is None else self.client.forward_rays
        return self._run(call, inputs, lease=self.lease)

    def backward(
        self,
        tape: Tape | None,
        inputs: Sequence[torch.Tensor | None],
        adjoints: Mapping[str, npt.NDArray[Any]],
        wanted: Sequence[str],
    ) -> Gradients:
        values = inputs[0]
        want = {
            "values": "values" in wanted,
            "camera": "camera_to_world" in wanted or "focal" in wanted,
            "scene": any(name in wanted for name in ("sigma_scale", "background", "color")),
            "rays": "origins" in wanted or "directions" in wanted,
            "dtype": "f64" if values is not None and values.dtype == torch.float64 else "f32",
        }
        if tape is not None:
            try:
                return self._backward(tape, adjoints, want)
            except (AbortedError, NotFoundError) as error:
                _log.info("rendering again for a gradient: %s", error)
        else:
            _log.info("rendering again for a second backward over the same graph")
        return self._backward(self.forward(inputs).tape, adjoints, want)

    def _backward(self, tape: Tape, adjoints: Mapping[str, npt.NDArray[Any]], want: Mapping[str, Any]) -> Gradients:
        with tape:
            return self.client.backward(tape, **adjoints, **want)  # type: ignore[arg-type]

    def _run(self, call: Any, inputs: Sequence[torch.Tensor | None], **more: Any) -> Any:
        given = {name: tensor for name, tensor in zip(_INPUTS, inputs) if tensor is not None}
        values = given.pop("values", None)
        scene: dict[str, Any] = {
            name: _array(given[name].double()) for name in ("background", "color") if name in given
        }
        if "sigma_scale" in given:
            scene["sigma_scale"] = float(given["sigma_scale"].double())
        if self.camera is None:
            where = {"origins": _array(given["origins"]), "directions": _array(given["directions"]), **self.ray_limits}  # type: ignore[dict-item]
        else:
            where = {"camera": self._camera(given)}
        with self.mirror.holding(None if values is None else _array(_float32("values", values))) as field:
            return call(
                field,
                **where,
                **scene,
                **self.options,
                **more,
                aov=self.aov,
                precision=self.precision,
                field_version=field.version,
            )

    def _camera(self, given: Mapping[str, torch.Tensor]) -> Camera:
        assert self.camera is not None
        changed: dict[str, Any] = {}
        if "camera_to_world" in given:
            changed["camera_to_world"] = _array(given["camera_to_world"].double())
        if "focal" in given:
            changed["fx"], changed["fy"] = given["focal"].double().tolist()
        return dataclasses.replace(self.camera, **changed)


class _HeldTape:
    """A tape of a graph: taken by the first backward, or released when the graph is dropped."""

    def __init__(self, tape: Tape) -> None:
        self._tape: Tape | None = tape
        self._finalizer = weakref.finalize(self, _releaser.put, tape)
        self._finalizer.atexit = False

    def take(self) -> Tape | None:
        tape, self._tape = self._tape, None
        self._finalizer.detach()
        return tape


class _Releaser:
    """Releases tapes on a thread of its own: a finalizer may run anywhere, in the middle of a call of gRPC's, too."""

    def __init__(self) -> None:
        self._tapes: queue.SimpleQueue[Tape] = queue.SimpleQueue()  # its put() may interrupt itself
        self._started = False

    def start(self) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="dvren tapes", daemon=True).start()

    def put(self, tape: Tape) -> None:
        self._tapes.put(tape)

    def _run(self) -> None:
        while True:
            tape = self._tapes.get()
            try:
                tape.release()
            except Exception as error:  # its lease ends it; the client may be closed
                _log.debug("tape %s was not released: %s", tape.name, error)


_releaser = _Releaser()


def _turned(view: Camera, xi: torch.Tensor, pose: torch.Tensor | None) -> torch.Tensor:
    """The pose (exp(omega) R, o + v) in float64; PyTorch differentiates exp, also away from xi = 0."""
    _check("xi", xi)
    base = torch.tensor(view.camera_to_world) if pose is None else pose.double()
    x, y, z, *_ = xi.double().unbind()
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return torch.cat([torch.matrix_exp(skew) @ base[:, :3], (base[:, 3] + xi.double()[3:])[:, None]], dim=1)


def _gradient(name: str, given: torch.Tensor | None, gradients: Gradients) -> torch.Tensor:
    """dL/d(input), of its shape and dtype."""
    assert given is not None
    if name == "values":
        found: Any = gradients.values
    elif name in ("camera_to_world", "focal"):
        camera = gradients.camera
        assert camera is not None
        found = camera.camera_to_world if name == "camera_to_world" else (camera.fx, camera.fy)
    elif name in ("origins", "directions"):
        found = getattr(gradients.rays, name)
    else:
        found = getattr(gradients.scene, name)
    return torch.from_numpy(np.array(found)).reshape(given.shape).to(given.dtype)


def _camera(camera: CameraLike) -> Camera:
    return camera if isinstance(camera, Camera) else Camera.from_json(camera)


def _aov_names(aov: str | Sequence[str]) -> tuple[str, ...]:
    names = (aov,) if isinstance(aov, str) else tuple(aov)
    if not names or any(name not in _AOVS for name in names):
        raise invalid("aov", aov, f"must be of {', '.join(_AOVS)}; Client.render has hit, which has no gradient")
    return names


_SHAPES = {"xi": (6,), "camera_to_world": (3, 4), "focal": (2,), "background": (3,), "color": (3,)}


def _check(name: str, tensor: torch.Tensor) -> None:
    if not isinstance(tensor, torch.Tensor) or not tensor.dtype.is_floating_point:
        kind = getattr(tensor, "dtype", type(tensor).__name__)
        raise invalid(f"{name}.dtype", kind, "must be a floating-point tensor")
    if tensor.device.type != "cpu":
        raise invalid(f"{name}.device", tensor.device, "must be on the CPU, no copy is made for you: use .cpu()")
    shape = tuple(tensor.shape)
    if name in _SHAPES and shape != _SHAPES[name]:
        raise invalid(f"{name}.shape", shape, f"must be {_SHAPES[name]}")
    if name == "sigma_scale" and tensor.numel() != 1:
        raise invalid(f"{name}.shape", shape, "must be one number")


def _float32(name: str, tensor: torch.Tensor) -> torch.Tensor:
    _check(name, tensor)
    return tensor.detach().to(torch.float32)


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    tensor = tensor.detach()
    # NumPy has no bfloat16; half precision has no place on the wire.
    return (tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor).numpy()  # type: ignore[no-any-return]


def _dtype_of(start: Any, values: torch.Tensor | None) -> torch.dtype:
    if isinstance(start, torch.Tensor):
        return start.dtype
    return torch.float32 if values is None else values.dtype
