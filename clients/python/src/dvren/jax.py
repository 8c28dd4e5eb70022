"""Volume rendering as a part of JAX: render() has a reverse-mode derivative, and works inside jit and grad.

    view = dvren.jax.View(client, "cloud", camera, aov="rgb")
    loss = lambda values: jnp.mean((dvren.jax.render(view, values) - image) ** 2)
    gradient = jax.grad(loss)(values)

The daemon is called from the host (jax.pure_callback), on JAX's CPU backend. Images come in float32; with
precision="f64" in float64, which needs jax_enable_x64. Gradients have their input's dtype. The daemon stores field
values as float32 (float16 where the field was made so). So that nothing but arrays passes from forward to backward, and
JAX may drop, repeat or reorder the calls, backward renders again. There is no forward mode and no second derivative.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._mirror import FieldMirror
from .camera import Camera
from .client import Client
from .errors import invalid
from .fields import Field
from .render import CameraLike

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("dvren.jax needs JAX: pip install 'dvren[jax]'") from error

__all__ = ["View", "render"]

_SHAPES = {"camera_to_world": (3, 4), "focal": (2,), "sigma_scale": (), "background": (3,), "color": (3,)}
_AOVS = ("rgb", "opacity", "transmittance", "depth")

Arrays = dict[str, npt.NDArray[Any]]


class View:
    """All of a render but its arrays: static under jit. Equal to itself alone."""

    def __init__(
        self,
        client: Client,
        field: str | Field,
        camera: CameraLike,
        aov: str | Sequence[str] = "rgb",
        precision: str = "f32",
        **options: Any,
    ) -> None:
        """field: a dense one, whose values render() writes, or a NanoVDB one. aov: of "rgb", "opacity",
        "transmittance", "depth": render() gives an array for one name, a tuple for several. options: step, max_steps,
        sampling, seed, early_stop, transfer, object_to_world, skip_empty, device, tile, as in Client.render."""
        self.client = client
        self.camera = camera if isinstance(camera, Camera) else Camera.from_json(camera)
        self.aov = aov
        self.precision = precision
        self.options = options
        self._names = (aov,) if isinstance(aov, str) else tuple(aov)
        if not self._names or any(name not in _AOVS for name in self._names):
            raise invalid("aov", aov, f"must be of {', '.join(_AOVS)}; Client.render has hit, which has no gradient")
        if precision == "f64" and not jax.config.jax_enable_x64:
            raise invalid("precision", precision, 'JAX has no float64 yet: jax.config.update("jax_enable_x64", True)')
        self._mirror = FieldMirror(client, field)

    def _shapes(self) -> tuple[Any, ...]:
        dtype = np.dtype(np.float64 if self.precision == "f64" else np.float32)
        size = (self.camera.height, self.camera.width)
        return tuple(jax.ShapeDtypeStruct(size + ((3,) if name == "rgb" else ()), dtype) for name in self._names)

    def _images(self, inputs: Mapping[str, Any]) -> tuple[npt.NDArray[Any], ...]:
        """On the host."""
        result = self._run(self.client.render, inputs)
        return tuple(result[name] for name in self._names)

    def _gradients(self, inputs: Mapping[str, Any], adjoints: Sequence[Any]) -> Arrays:
        """On the host: dL/d(input) of each input."""
        with self._run(self.client.forward, inputs).tape as tape:
            gradients = self.client.backward(
                tape,
                **{name: np.asarray(adjoint) for name, adjoint in zip(self._names, adjoints)},  # type: ignore[arg-type]
                values="values" in inputs,
                camera="camera_to_world" in inputs or "focal" in inputs,
                scene=any(name in inputs for name in ("sigma_scale", "background", "color")),
                dtype="f64" if "values" in inputs and inputs["values"].dtype == np.float64 else "f32",
            )
        found: dict[str, Any] = {"values": gradients.values}
        if gradients.camera is not None:
            found["camera_to_world"] = gradients.camera.camera_to_world
            found["focal"] = np.array([gradients.camera.fx, gradients.camera.fy])
        if gradients.scene is not None:
            for name in ("sigma_scale", "background", "color"):
                found[name] = getattr(gradients.scene, name)
        return {name: np.asarray(found[name]).reshape(x.shape).astype(x.dtype) for name, x in inputs.items()}

    def _run(self, call: Any, inputs: Mapping[str, Any]) -> Any:
        given = {name: np.asarray(x).astype(np.float64) for name, x in inputs.items() if name != "values"}
        changed: dict[str, Any] = {}
        if "camera_to_world" in given:
            changed["camera_to_world"] = given["camera_to_world"]
        if "focal" in given:
            changed["fx"], changed["fy"] = given["focal"].tolist()
        scene: dict[str, Any] = {name: given[name] for name in ("background", "color") if name in given}
        if "sigma_scale" in given:
            scene["sigma_scale"] = float(given["sigma_scale"])
        values = np.asarray(inputs["values"]).astype(np.float32) if "values" in inputs else None
        with self._mirror.holding(values) as field:
            return call(
                field,
                camera=dataclasses.replace(self.camera, **changed),
                **scene,
                **self.options,
                aov=self._names,
                precision=self.precision,
                field_version=field.version,
            )


def render(
    view: View,
    values: Any = None,
    *,
    camera_to_world: Any = None,
    focal: Any = None,
    sigma_scale: Any = None,
    background: Any = None,
    color: Any = None,
) -> Any:
    """Images (H, W, 3) and (H, W) of the view, as `view.aov` says, differentiable with respect to every array given.

    values: (nz, ny, nx[, channels]) of a dense field, by default what the daemon has. camera_to_world (3, 4) and focal
    (2,), fx and fy, by default those of view.camera; sigma_scale, background (3,), color (3,) as in Client.render.
    """
    given = {
        "values": values,
        "camera_to_world": camera_to_world,
        "focal": focal,
        "sigma_scale": sigma_scale,
        "background": background,
        "color": color,
    }
    inputs = {name: jnp.asarray(x) for name, x in given.items() if x is not None}
    for name, x in inputs.items():
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise invalid(f"{name}.dtype", x.dtype, "must be floating-point")
        if name in _SHAPES and x.shape != _SHAPES[name]:
            raise invalid(f"{name}.shape", x.shape, f"must be {_SHAPES[name]}")
    images = _render(view, inputs)
    return images[0] if isinstance(view.aov, str) else images


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _render(view: View, inputs: dict[str, Any]) -> Any:
    return jax.pure_callback(view._images, view._shapes(), inputs)


def _render_forward(view: View, inputs: dict[str, Any]) -> Any:
    return _render(view, inputs), inputs


def _render_backward(view: View, inputs: dict[str, Any], adjoints: Any) -> Any:
    shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in inputs.items()}
    return (jax.pure_callback(view._gradients, shapes, inputs, adjoints),)


_render.defvjp(_render_forward, _render_backward)
