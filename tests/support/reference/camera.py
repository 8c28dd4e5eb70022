"""Cameras: pixel (x, y) to a world ray, origin and unit direction, in float64.

Pixel centres lie at (x + 0.5, y + 0.5), row 0 is the top. Camera axes are OpenCV's (x right, y down, z forward) unless
the convention is `opengl` (x right, y up, z back). fx, fy, cx, cy are pixels; `ortho_scale` is the world height of the
image. Distortion follows OpenCV: Brown-Conrady k1, k2, k3, p1, p2 for `pinhole`, k1..k4 in the angle for `fisheye`.
"""

import dataclasses
import json
import math

import numpy as np

_DISTORTION_KEYS = {
    "pinhole": ("k1", "k2", "k3", "p1", "p2"),
    "fisheye": ("k1", "k2", "k3", "k4"),
    "orthographic": (),
}
_CONVENTIONS = ("opencv", "opengl")
_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])
_NEWTON_ITERATIONS = 100
_NEWTON_TOLERANCE = 1e-13  # relative to 1 + the largest normalised image coordinate or angle


@dataclasses.dataclass(frozen=True)
class Camera:
    """One view. `camera_to_world` is 3x4 row-major; `distortion` maps coefficient to value, absent is 0."""

    width: int
    height: int
    camera_to_world: np.ndarray
    model: str = "pinhole"
    fx: float = None
    fy: float = None
    cx: float = None  # default: width / 2
    cy: float = None  # default: height / 2
    distortion: dict = dataclasses.field(default_factory=dict)
    ortho_scale: float = None
    convention: str = "opencv"
    t_near: float = 0.0
    t_far: float = math.inf

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        if self.model not in _DISTORTION_KEYS:
            raise ValueError(f"camera.model = {self.model!r}: must be one of {', '.join(_DISTORTION_KEYS)}")
        if self.convention not in _CONVENTIONS:
            raise ValueError(f"camera.convention = {self.convention!r}: must be one of {', '.join(_CONVENTIONS)}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"camera size = {self.width}x{self.height}: must be at least 1x1")
        matrix = np.array(self.camera_to_world, dtype=np.float64)
        if matrix.shape != (3, 4) or not np.isfinite(matrix).all():
            raise ValueError(f"camera.camera_to_world: must be 3x4 and finite, has shape {matrix.shape}")
        put("camera_to_world", matrix)
        for key in self.distortion:
            if key not in _DISTORTION_KEYS[self.model]:
                raise ValueError(f"camera.distortion.{key}: not a coefficient of {self.model}")
        put("cx", self.width / 2 if self.cx is None else self.cx)
        put("cy", self.height / 2 if self.cy is None else self.cy)
        for name in ("ortho_scale",) if self.model == "orthographic" else ("fx", "fy"):
            value = getattr(self, name)
            if value is None or not value > 0:
                raise ValueError(f"camera.{name} = {value}: must be > 0 for {self.model}")
        if not 0 <= self.t_near <= self.t_far:
            raise ValueError(f"camera.t_near = {self.t_near}, t_far = {self.t_far}: need 0 <= t_near <= t_far")

    @classmethod
    def from_json(cls, source):
        """From a dict, or the path of a `cam.json`. Unknown keys are errors."""
        if not isinstance(source, dict):
            with open(source, encoding="utf-8") as file:
                source = json.load(file)
        known = {f.name for f in dataclasses.fields(cls)}
        for key in source:
            if key not in known:
                raise ValueError(f"camera.{key}: unknown key; known are {', '.join(sorted(known))}")
        return cls(**source)

    def to_json(self):
        """Dict that `from_json` reads back; an infinite t_far and what the model does not use are left out."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        out["camera_to_world"] = self.camera_to_world.tolist()
        if math.isinf(self.t_far):
            del out["t_far"]
        for name in ("fx", "fy", "cx", "cy") if self.model == "orthographic" else ("ortho_scale",):
            del out[name]
        return out

    def rays(self, x, y):
        """World rays through the centres of pixels x, y (arrays (n,)): origins (n, 3), unit directions (n, 3)."""
        px = np.asarray(x, dtype=np.float64) + 0.5
        py = np.asarray(y, dtype=np.float64) + 0.5
        rotation, position = self.camera_to_world[:, :3], self.camera_to_world[:, 3]
        if self.convention == "opengl":
            rotation = rotation @ _OPENCV_FROM_OPENGL
        origin_camera = np.zeros((px.size, 3))
        direction_camera = np.zeros((px.size, 3))
        if self.model == "orthographic":
            pixel_world = self.ortho_scale / self.height
            origin_camera[:, 0] = (px - self.width / 2) * pixel_world
            origin_camera[:, 1] = (py - self.height / 2) * pixel_world
            direction_camera[:, 2] = 1.0
        else:
            u, v = (px - self.cx) / self.fx, (py - self.cy) / self.fy
            undistort = _pinhole_direction if self.model == "pinhole" else _fisheye_direction
            direction_camera[:] = undistort(u, v, self.distortion)
        direction = direction_camera @ rotation.T
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return position + origin_camera @ rotation.T, direction

    def pixel_grid(self, roi=None):
        """Integer pixel coordinates x, y (n,) of the image, or of roi = (x, y, w, h), row by row."""
        x0, y0, w, h = (0, 0, self.width, self.height) if roi is None else roi
        if x0 < 0 or y0 < 0 or w < 1 or h < 1 or x0 + w > self.width or y0 + h > self.height:
            raise ValueError(f"roi = {roi}: must lie inside the {self.width}x{self.height} image")
        y, x = np.mgrid[y0 : y0 + h, x0 : x0 + w]
        return x.ravel(), y.ravel()


def _pinhole_direction(u, v, distortion):
    """Inverse of OpenCV's Brown-Conrady model by 2D Newton from the distorted point: (n, 3), z = 1."""
    k1, k2, k3, p1, p2 = (float(distortion.get(k, 0.0)) for k in _DISTORTION_KEYS["pinhole"])
    x, y = u.copy(), v.copy()
    if any((k1, k2, k3, p1, p2)):
        tolerance = _NEWTON_TOLERANCE * (1 + max(np.abs(u).max(initial=0), np.abs(v).max(initial=0)))
        for _ in range(_NEWTON_ITERATIONS):
            r2 = x * x + y * y
            radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
            radial_r2 = k1 + r2 * (2 * k2 + r2 * 3 * k3)  # d radial / d r2
            ex = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u
            ey = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v
            if max(np.abs(ex).max(initial=0), np.abs(ey).max(initial=0)) < tolerance:
                break
            jxx = radial + 2 * x * x * radial_r2 + 2 * p1 * y + 6 * p2 * x
            jxy = 2 * x * y * radial_r2 + 2 * p1 * x + 2 * p2 * y
            jyy = radial + 2 * y * y * radial_r2 + 6 * p1 * y + 2 * p2 * x
            det = jxx * jyy - jxy * jxy  # the Jacobian is symmetric
            x -= (jyy * ex - jxy * ey) / det
            y -= (jxx * ey - jxy * ex) / det
        else:
            raise ValueError(f"camera.distortion = {distortion}: undistortion does not converge for these pixels")
    return np.stack([x, y, np.ones_like(x)], axis=1)


def _fisheye_direction(u, v, distortion):
    """Inverse of OpenCV's fisheye model, theta_d = theta (1 + k1 theta^2 + ...), by Newton: unit (n, 3)."""
    k1, k2, k3, k4 = (float(distortion.get(k, 0.0)) for k in _DISTORTION_KEYS["fisheye"])
    theta_d = np.hypot(u, v)
    theta = theta_d.copy()
    tolerance = _NEWTON_TOLERANCE * (1 + theta_d.max(initial=0))
    for _ in range(_NEWTON_ITERATIONS):
        q = theta * theta
        error = theta * (1 + q * (k1 + q * (k2 + q * (k3 + q * k4)))) - theta_d
        if np.abs(error).max(initial=0) < tolerance:
            break
        theta -= error / (1 + q * (3 * k1 + q * (5 * k2 + q * (7 * k3 + q * 9 * k4))))
    else:
        raise ValueError(f"camera.distortion = {distortion}: undistortion does not converge for these pixels")
    scale = np.where(theta_d > 0, np.sin(theta) / np.where(theta_d > 0, theta_d, 1.0), 1.0)
    return np.stack([u * scale, v * scale, np.cos(theta)], axis=1)


def orbit_camera(box_world_corners, width, height, azimuth_deg, elevation_deg, distance_world, fov_deg=40.0):
    """Pinhole camera that looks at the box centre from (azimuth about +y from +z, elevation up, distance).

    box_world_corners (8, 3): their mean is the centre. fov_deg is the vertical field of view; pixels are square and the
    image's up is world +y.
    """
    centre = np.asarray(box_world_corners, dtype=np.float64).mean(axis=0)
    az, el = math.radians(azimuth_deg), math.radians(elevation_deg)
    back = np.array([math.sin(az) * math.cos(el), math.sin(el), math.cos(az) * math.cos(el)])
    right = np.array([math.cos(az), 0.0, -math.sin(az)])  # stays defined at the poles
    down = np.cross(-back, right)
    camera_to_world = np.stack([right, down, -back, centre + distance_world * back], axis=1)
    focal = height / 2 / math.tan(math.radians(fov_deg) / 2)
    return Camera(width, height, camera_to_world, fx=focal, fy=focal)


def default_orbit_camera(box_world_corners, width, height, orbit=None, fov_deg=40.0):
    """The camera of a render without one: orbit 30, 20 at a distance that shows the box's bounding sphere whole.

    orbit = (azimuth_deg, elevation_deg) or (azimuth_deg, elevation_deg, distance_world). In a portrait image it is the
    narrower, horizontal field of view that decides the distance.
    """
    azimuth_deg, elevation_deg, *distance = (30.0, 20.0) if orbit is None else orbit
    if not distance:
        corners = np.asarray(box_world_corners, dtype=np.float64)
        radius = np.linalg.norm(corners - corners.mean(axis=0), axis=1).max()
        half = math.atan(math.tan(math.radians(fov_deg) / 2) * min(1.0, width / height))
        distance = [radius / math.sin(half)]
    return orbit_camera(box_world_corners, width, height, azimuth_deg, elevation_deg, distance[0], fov_deg)
