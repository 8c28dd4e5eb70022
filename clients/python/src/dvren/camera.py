"""Camera: one view of a scene, and its form as `cam.json`."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._proto.dvren.v1 import scene_pb2 as scene
from ._tensors import enum_name, enum_value, from_affine, numbers, to_affine
from .errors import invalid

_DISTORTION_KEYS = {
    "pinhole": ("k1", "k2", "k3", "p1", "p2"),
    "fisheye": ("k1", "k2", "k3", "k4"),
    "orthographic": (),
}
_CONVENTIONS = {"opencv": scene.AXIS_CONVENTION_OPENCV, "opengl": scene.AXIS_CONVENTION_OPENGL}
_LENS_KEYS = ("fx", "fy", "cx", "cy")


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """One view. Pixel centres lie at +0.5, row 0 is the top.

    camera_to_world: 3x4, row-major. fx, fy, cx, cy: pixels, of `pinhole` and `fisheye`; cx, cy default to the image's
    centre. distortion: coefficient to value, absent is 0; k1, k2, k3, p1, p2 (Brown-Conrady) of `pinhole`, k1..k4 of
    `fisheye`. ortho_scale: world height of the image, of `orthographic`. convention: `opencv` (x right, y down, z
    forward) or `opengl` (x right, y up, z back). t_near, t_far: world distances along the unit ray direction.
    """

    width: int
    height: int
    camera_to_world: npt.NDArray[np.float64]
    model: str = "pinhole"
    fx: float | None = None
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    distortion: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ortho_scale: float | None = None
    convention: str = "opencv"
    t_near: float = 0.0
    t_far: float = math.inf

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        enum_value("camera.model", self.model, dict.fromkeys(_DISTORTION_KEYS))
        enum_value("camera.convention", self.convention, _CONVENTIONS)
        for name in ("width", "height"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise invalid(f"camera.{name}", value, "must be a whole number of pixels, at least 1")
            put(name, int(value))
        matrix = np.reshape(numbers("camera.camera_to_world", self.camera_to_world, 12), (3, 4))
        if np.shape(self.camera_to_world) != (3, 4):
            raise invalid("camera.camera_to_world", self.camera_to_world, "must be three rows of four numbers")
        matrix.flags.writeable = False
        put("camera_to_world", matrix)

        needed = ("ortho_scale",) if self.model == "orthographic" else _LENS_KEYS
        for name in (*_LENS_KEYS, "ortho_scale"):
            if name not in needed and getattr(self, name) is not None:
                raise invalid(f"camera.{name}", getattr(self, name), f"leave it out: {self.model} cameras have none")
        for name in needed:
            value = getattr(self, name)
            if value is None and name in ("cx", "cy"):
                continue
            if value is None:
                raise invalid(f"camera.{name}", value, f"is required for {self.model} cameras")
            (number,) = numbers(f"camera.{name}", value, 1)
            if name not in ("cx", "cy") and not number > 0:
                raise invalid(f"camera.{name}", value, "must be > 0")
            put(name, number)
        for key in self.distortion:
            if key not in _DISTORTION_KEYS[self.model]:
                known = ", ".join(_DISTORTION_KEYS[self.model]) or "none"
                remedy = f"leave it out: {self.model} has {known}"
                raise invalid(f"camera.distortion.{key}", self.distortion[key], remedy)
        put("distortion", {k: numbers(f"camera.distortion.{k}", v, 1)[0] for k, v in self.distortion.items()})
        put("t_near", numbers("camera.t_near", self.t_near, 1)[0])
        put("t_far", math.inf if self.t_far == math.inf else numbers("camera.t_far", self.t_far, 1)[0])
        if not 0 <= self.t_near < self.t_far:
            raise invalid("camera.t_near", f"{self.t_near}, t_far = {self.t_far}", "need 0 <= t_near < t_far")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Camera) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_json(
        cls, source: Mapping[str, Any] | str | os.PathLike[str], width: int | None = None, height: int | None = None
    ) -> Camera:
        """From a dict, or the path of a `cam.json`. Unknown keys are errors.

        width and height fill in what it leaves out; where they contradict it, its intrinsics would not fit.
        """
        where = "camera"
        if not isinstance(source, Mapping):
            where = os.fspath(source)
            with open(source, encoding="utf-8") as file:
                try:
                    source = json.load(file)
                except ValueError as error:
                    raise invalid("camera", where, f"is no JSON: {error}") from None
        if not isinstance(source, Mapping):
            raise invalid("camera", where, "must hold one JSON object")
        known = [field.name for field in dataclasses.fields(cls)]
        for key in source:
            if key not in known:
                raise invalid(f"camera.{key}", source[key], f"unknown key; known are {', '.join(sorted(known))}")
        source = dict(source)
        for key, value in (("width", width), ("height", height)):
            if value is not None and source.setdefault(key, value) != value:
                raise invalid(key, value, f"leave it out: the camera says {source[key]}")
        for key in ("width", "height", "camera_to_world"):
            if key not in source:
                raise invalid(f"camera.{key}", "absent", "is required")
        if not isinstance(source.get("distortion", {}), Mapping):
            raise invalid("camera.distortion", source["distortion"], 'must be an object such as {"k1": 0.1}')
        return cls(**source)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """Dict that from_json reads back, without what has its default; also written to `path` where one is given."""
        out: dict[str, Any] = {"model": self.model, "width": self.width, "height": self.height}
        for name in (*_LENS_KEYS, "ortho_scale"):
            if getattr(self, name) is not None:
                out[name] = getattr(self, name)
        if self.distortion:
            out["distortion"] = dict(self.distortion)
        out["camera_to_world"] = self.camera_to_world.tolist()
        out["convention"] = self.convention
        if self.t_near > 0:
            out["t_near"] = self.t_near
        if not math.isinf(self.t_far):
            out["t_far"] = self.t_far
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(out, file, indent=1)
                file.write("\n")
        return out

    @classmethod
    def orbit(
        cls,
        box: npt.ArrayLike,
        azimuth_deg: float = 30.0,
        elevation_deg: float = 20.0,
        distance: float | None = None,
        width: int = 1024,
        height: int = 1024,
        fov_deg: float = 40.0,
    ) -> Camera:
        """Looks at the centre of a world box (x0, y0, z0, x1, y1, z1, or its two corners).

        Azimuth about +y from +z, elevation up; `distance` from the centre in world units, by default such that the
        box's bounding sphere is seen whole. fov_deg is vertical.
        """
        low, high = np.reshape(numbers("box", box, 6), (2, 3))
        (az,), (el,) = numbers("orbit azimuth", azimuth_deg, 1), numbers("orbit elevation", elevation_deg, 1)
        if not 0 < fov_deg < 180:
            raise invalid("fov_deg", fov_deg, "must be between 0 and 180 degrees")
        if min(width, height) < 1:
            raise invalid("size", f"{width}x{height}", "must be at least 1x1 pixels")
        half_fov = math.radians(fov_deg) / 2
        if distance is None:
            # A sphere of radius r fits a cone of half angle a from r / sin(a); the narrower side of the image decides.
            half_angle = min(half_fov, math.atan(math.tan(half_fov) * width / height))
            distance = math.hypot(*(high - low)) / 2 / math.sin(half_angle)
        elif not 0 < distance < math.inf:
            raise invalid("orbit distance", distance, "must be > 0; leave it out to see the whole box")
        az, el = math.radians(az), math.radians(el)
        right = np.array([math.cos(az), 0.0, -math.sin(az)])  # stays defined at the poles
        forward = -np.array([math.cos(el) * math.sin(az), math.sin(el), math.cos(el) * math.cos(az)])
        position = (low + high) / 2 - distance * forward
        focal = height / 2 / math.tan(half_fov)
        pose = np.stack([right, np.cross(forward, right), forward, position], axis=1)
        return cls(width, height, pose, fx=focal, fy=focal)

    def _to_message(self) -> scene.Camera:
        message = scene.Camera(
            width=self.width,
            height=self.height,
            convention=_CONVENTIONS[self.convention],
            camera_to_world=to_affine("camera.camera_to_world", self.camera_to_world),
            t_near=self.t_near,
        )
        if not math.isinf(self.t_far):
            message.t_far = self.t_far
        lens = getattr(message, self.model)
        lens.SetInParent()
        for name in (*_LENS_KEYS, "ortho_scale"):
            if getattr(self, name) is not None:
                setattr(lens, name, getattr(self, name))
        for key, value in self.distortion.items():
            setattr(lens, key, value)
        return message

    @classmethod
    def _from_message(cls, message: scene.Camera) -> Camera:
        model = message.WhichOneof("model") or "pinhole"
        lens = getattr(message, model)
        pose = from_affine(message.camera_to_world)
        known: dict[str, Any] = {}
        for name in ("ortho_scale",) if model == "orthographic" else _LENS_KEYS:
            if name not in ("cx", "cy") or lens.HasField(name):
                known[name] = getattr(lens, name)
        convention = enum_name(message.convention, _CONVENTIONS)
        return cls(
            width=message.width,
            height=message.height,
            camera_to_world=np.eye(3, 4) if pose is None else pose,
            model=model,
            distortion={key: getattr(lens, key) for key in _DISTORTION_KEYS[model] if getattr(lens, key) != 0},
            convention="opencv" if convention == "unknown" else convention,
            t_near=message.t_near,
            t_far=message.t_far if message.HasField("t_far") else math.inf,
            **known,
        )
