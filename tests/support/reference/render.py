"""March rays through a field and composite, in float64, all rays step by step.

Segment k of a ray is [t_near + k dt, t_near + (k + 1) dt] cut to [t0, t1], the ray inside the field; each non-empty one
gives one sample. alpha = -expm1(-sigma len), w = T alpha, T -= w; rgb = sum w c + T background, opacity = 1 - T,
depth = sum w t (not normalised), hit = opacity > 0.5.
"""

import dataclasses

import numpy as np

from .color import TransferFunction
from .philox import sample_offset

AOVS = ("rgb", "opacity", "transmittance", "depth", "hit")


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """dt: world length of a segment; None takes half the field's smallest voxel. early_stop = 0 turns it off.

    color colours a scalar field and does nothing to one with its own colour; transfer takes color's place on a scalar
    field and is an error on the other.
    """

    dt: float = None
    sigma_scale: float = 1.0
    background: tuple = (0.0, 0.0, 0.0)
    early_stop: float = 1e-4
    max_steps: int = 1_000_000
    sampling: str = "fixed"
    seed: int = 0
    color: tuple = (1.0, 1.0, 1.0)
    transfer: TransferFunction = None

    def __post_init__(self):
        if self.dt is not None and not self.dt > 0:
            raise ValueError(f"settings.dt = {self.dt}: must be > 0")
        if self.sampling not in ("fixed", "stratified", "uniform_jitter"):
            raise ValueError(f"settings.sampling = {self.sampling!r}: must be fixed, stratified or uniform_jitter")
        if not 0 <= self.early_stop < 1:
            raise ValueError(f"settings.early_stop = {self.early_stop}: must be in [0, 1)")
        if self.max_steps < 1:
            raise ValueError(f"settings.max_steps = {self.max_steps}: must be >= 1")
        if not self.sigma_scale >= 0:
            raise ValueError(f"settings.sigma_scale = {self.sigma_scale}: must be >= 0")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"settings.seed = {self.seed}: must be an unsigned 64-bit integer")


def render_rays(field, origins, directions, t_near=0.0, t_far=np.inf, settings=None, ray_ids=None):
    """Render rays with origins and unit directions (n, 3); t_near, t_far scalars or (n,); ray_ids default 0..n-1.

    Returns a dict: rgb (n, 3); opacity, transmittance, depth (n,); hit (n,) bool; samples (n,) taken per ray;
    first_segment (n,) k of the first one; and the counters truncated_rays, early_stopped_rays, total_samples.
    A ray that reaches max_steps and has T < early_stop there counts as stopped, not as truncated.
    """
    settings = settings or RenderSettings()
    origins = np.asarray(origins, dtype=np.float64)
    directions = np.asarray(directions, dtype=np.float64)
    if np.abs(np.linalg.norm(directions, axis=1) - 1).max(initial=0) > 1e-5:
        raise ValueError("directions: must have unit length")
    dt = field.default_step_world() if settings.dt is None else float(settings.dt)
    background = np.asarray(settings.background, dtype=np.float64)
    n = len(origins)
    ray_ids = np.arange(n) if ray_ids is None else np.asarray(ray_ids)
    t_near = np.broadcast_to(np.asarray(t_near, dtype=np.float64), (n,))
    t0, t1 = field.clip(origins, directions, t_near, t_far)

    rgb, depth, transmittance = np.zeros((n, 3)), np.zeros(n), np.ones(n)
    samples, first_segment = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    truncated = early = 0

    live = np.flatnonzero(t1 > t0)
    k = _first_segment(t0[live], t_near[live], dt)
    first_segment[live] = k
    step = 0
    while True:
        keep = t_near[live] + k * dt < t1[live]
        if settings.early_stop > 0:
            stopped = keep & (transmittance[live] < settings.early_stop)
            early += int(stopped.sum())
            keep &= ~stopped
        live, k = live[keep], k[keep]
        if step == settings.max_steps:
            truncated = live.size
        if live.size == 0 or step == settings.max_steps:
            break
        ta = np.maximum(t_near[live] + k * dt, t0[live])
        tb = np.minimum(t_near[live] + (k + 1) * dt, t1[live])
        length = tb - ta
        key = k if settings.sampling == "stratified" else np.zeros_like(k)
        u = 0.5 if settings.sampling == "fixed" else sample_offset(settings.seed, ray_ids[live], key)
        t = ta + u * length
        density, color = field.sample(origins[live] + t[:, None] * directions[live], directions[live])
        weight = transmittance[live] * -np.expm1(-density * settings.sigma_scale * length)
        rgb[live] += weight[:, None] * _color(settings, density, color)
        depth[live] += weight * t
        transmittance[live] -= weight
        samples[live] += 1
        k = k + 1
        step += 1

    opacity = 1 - transmittance
    return {
        "rgb": rgb + transmittance[:, None] * background,
        "opacity": opacity,
        "transmittance": transmittance,
        "depth": depth,
        "hit": opacity > 0.5,
        "samples": samples,
        "first_segment": first_segment,
        "truncated_rays": truncated,
        "early_stopped_rays": early,
        "total_samples": int(samples.sum()),
    }


def render_image(field, camera, settings=None, roi=None):
    """Render a camera, or its roi = (x, y, w, h): as render_rays, with arrays shaped (H, W) and rgb (H, W, 3).

    ray_id = y * width + x of the full image, so a roi has the pixels of the whole.
    """
    x, y = camera.pixel_grid(roi)
    origins, directions = camera.rays(x, y)
    out = render_rays(field, origins, directions, camera.t_near, camera.t_far, settings, y * camera.width + x)
    shape = (camera.height, camera.width) if roi is None else (roi[3], roi[2])
    return {
        name: value.reshape(shape + value.shape[1:]) if isinstance(value, np.ndarray) else value
        for name, value in out.items()
    }


def _first_segment(t0, t_near, dt):
    """Largest k >= 0 whose segment [t_near + k dt, t_near + (k + 1) dt] still reaches past t0."""
    k = np.maximum(np.floor((t0 - t_near) / dt), 0).astype(np.int64)
    k += t_near + (k + 1) * dt <= t0  # the quotient may be off by one either way
    k -= (k > 0) & (t_near + k * dt > t0)
    return k


def _color(settings, density, color):
    if settings.transfer is not None:
        if color is not None:
            raise ValueError("settings.transfer: a field with its own colour takes none")
        return settings.transfer(density)
    return np.asarray(settings.color, dtype=np.float64) if color is None else color
