"""Volume fields: where a ray meets them, and density and colour at world positions.

A field offers
  clip(origins, directions, t_near, t_far) -> t0, t1        the ray inside the field; empty where t1 <= t0
  sample(positions, directions) -> density (n,), rgb (n, 3) or None where the colour is not the field's
  box_world_corners() -> (8, 3), default_step_world() -> half the smallest voxel
Density is raw: in 1/world unit before the render's sigma scale.
"""

import itertools

import numpy as np

from .color import SH_DEGREE_MAX, sh_basis

_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
_CHANNELS = {1: None, 4: None} | {3 * (degree + 1) ** 2 + 1: degree for degree in range(1, SH_DEGREE_MAX + 1)}


class Affine:
    """Column-vector affine map local -> world; a ray keeps its t, so t stays a world distance."""

    def __init__(self, matrix=None):
        full = np.eye(4)
        if matrix is not None:
            matrix = np.asarray(matrix, dtype=np.float64)
            if matrix.shape not in ((3, 4), (4, 4)) or not np.isfinite(matrix).all():
                raise ValueError(f"local_to_world: must be 3x4 or 4x4 and finite, has shape {matrix.shape}")
            if matrix.shape == (4, 4) and not (matrix[3] == (0, 0, 0, 1)).all():
                raise ValueError(f"local_to_world: last row = {matrix[3]}: must be 0 0 0 1")
            full[:3] = matrix[:3]
        self.linear, self.offset = full[:3, :3], full[:3, 3]
        self.inverse_linear = np.linalg.inv(self.linear)

    def to_world(self, points):
        return points @ self.linear.T + self.offset

    def to_local(self, points):
        return (points - self.offset) @ self.inverse_linear.T

    def direction_to_local(self, directions):
        return directions @ self.inverse_linear.T

    def axis_lengths_world(self):
        """World length of one local unit along each local axis (3,)."""
        return np.linalg.norm(self.linear, axis=0)


def clip_to_box(origins, directions, box_min, box_max, t_near, t_far):
    """Intersection of rays (n, 3) with an axis-aligned box and [t_near, t_far]: t0 (n,), t1 (n,)."""
    t0 = np.broadcast_to(t_near, origins.shape[:1]).astype(np.float64)
    t1 = np.broadcast_to(t_far, origins.shape[:1]).astype(np.float64)
    for axis in range(3):
        o, d = origins[:, axis], directions[:, axis]
        parallel = d == 0
        divisor = np.where(parallel, 1.0, d)
        ta, tb = (box_min[axis] - o) / divisor, (box_max[axis] - o) / divisor
        outside = parallel & ((o < box_min[axis]) | (o > box_max[axis]))
        t0 = np.maximum(t0, np.where(parallel, -np.inf, np.minimum(ta, tb)))
        t1 = np.minimum(t1, np.where(parallel, np.inf, np.maximum(ta, tb)))
        t1 = np.where(outside, -np.inf, t1)
    return t0, t1


def _refuse_bad_density(density):
    """Density must be finite and not negative; the error counts the offenders and names the first (array index)."""
    bad = ~(np.isfinite(density) & (density >= 0))
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"density: {int(bad.sum())} values negative or not finite, first {density[first]} at {first}")


def _box_corners(box_min, box_max, transform):
    return transform.to_world(np.where(_CORNERS == 0, box_min, box_max))


class DenseGrid:
    """Grid of values (nz, ny, nx, channels) that fill the box [box_min, box_max] of local space.

    Channels: 1 sigma; 4 r, g, b, sigma; 3 (L+1)^2 + 1 SH coefficients of r, then g, then b, then sigma (13, 28, 49).
    Voxel centres lie at (i + 0.5) / n of the box. interp: linear | nearest. border: zero | clamp.
    local_to_world: 3x4 affine, default identity. The SH direction is the ray's in world space.
    """

    def __init__(self, values, box_min, box_max, interp="linear", border="zero", local_to_world=None):
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        self.box_min = np.array(box_min, dtype=np.float64)
        self.box_max = np.array(box_max, dtype=np.float64)
        self.interp, self.border = interp, border
        self.transform = Affine(local_to_world)
        if self.values.ndim != 4 or 0 in self.values.shape:
            raise ValueError(f"values: shape {self.values.shape}: must be (nz, ny, nx, channels), none 0")
        if self.values.shape[3] not in _CHANNELS:
            raise ValueError(f"channels = {self.values.shape[3]}: must be one of {sorted(_CHANNELS)}")
        if not (self.box_max > self.box_min).all():
            raise ValueError(f"box = {self.box_min} .. {self.box_max}: box_max must exceed box_min")
        if interp not in ("linear", "nearest"):
            raise ValueError(f"interp = {interp!r}: must be linear or nearest")
        if border not in ("zero", "clamp"):
            raise ValueError(f"border = {border!r}: must be zero or clamp")
        if not np.isfinite(self.values).all():
            raise ValueError("values: must be finite")
        _refuse_bad_density(self.values[..., -1])
        self.size = np.array(self.values.shape[2::-1])  # (nx, ny, nz)
        self.sh_degree = _CHANNELS[self.values.shape[3]]

    def box_world_corners(self):
        return _box_corners(self.box_min, self.box_max, self.transform)

    def default_step_world(self):
        voxel_local = (self.box_max - self.box_min) / self.size
        return 0.5 * float((voxel_local * self.transform.axis_lengths_world()).min())

    def clip(self, origins, directions, t_near, t_far):
        if self.border == "clamp":
            shape = origins.shape[:1]
            return tuple(np.broadcast_to(t, shape).astype(np.float64) for t in (t_near, t_far))
        return clip_to_box(
            self.transform.to_local(origins),
            self.transform.direction_to_local(directions),
            self.box_min,
            self.box_max,
            t_near,
            t_far,
        )

    def sample(self, positions, directions):
        local = self.transform.to_local(positions)
        grid = (local - self.box_min) / (self.box_max - self.box_min) * self.size  # voxel i covers [i, i + 1)
        values = self._nearest(grid) if self.interp == "nearest" else self._linear(grid - 0.5)
        if self.values.shape[3] == 1:
            return values[:, 0], None
        if self.sh_degree is None:
            return values[:, 3], values[:, :3]
        coefficients = values[:, :-1].reshape(len(values), 3, -1)
        basis = sh_basis(directions, self.sh_degree)
        return values[:, -1], np.maximum(0.0, 0.5 + np.einsum("nci,ni->nc", coefficients, basis))

    def _nearest(self, grid):
        i = np.clip(np.floor(grid), 0, self.size - 1).astype(np.int64)
        return self.values[i[:, 2], i[:, 1], i[:, 0]]

    def _linear(self, position):
        position = np.clip(position, 0, self.size - 1)  # the edge value holds beyond the outermost centres
        low = np.floor(position).astype(np.int64)
        high = np.minimum(low + 1, self.size - 1)
        fraction = position - low
        flat = self.values.reshape(-1, self.values.shape[3])
        out = np.zeros((len(position), flat.shape[1]))
        for corner in _CORNERS:
            i = np.where(corner, high, low)
            weight = np.where(corner, fraction, 1 - fraction).prod(axis=1)
            out += weight[:, None] * flat[(i[:, 2] * self.size[1] + i[:, 1]) * self.size[0] + i[:, 0]]
        return out


class SparseGrid:
    """Scalar density at integer index positions, as a VDB grid holds it.

    values (ni, nj, nk), indexed [i, j, k]; values[0, 0, 0] sits at index coordinate `index_origin` (3,); outside the
    array the background holds. index_to_world: 4x4 or 3x4 column-vector affine. active_min, active_max (3,): inclusive
    bounding box of the active voxels; the field's box is that grown by one voxel on every side, in index space.
    Always trilinear; positions are sampled as they are, with no half-voxel shift.
    """

    def __init__(self, values, index_origin, index_to_world, active_min, active_max, background=0.0):
        self.values = np.asarray(values, dtype=np.float64)
        self.index_origin = np.array(index_origin, dtype=np.int64)
        self.transform = Affine(index_to_world)
        self.active_min = np.array(active_min, dtype=np.int64)
        self.active_max = np.array(active_max, dtype=np.int64)
        self.background = float(background)
        if self.values.ndim != 3 or 0 in self.values.shape:
            raise ValueError(f"values: shape {self.values.shape}: must be (ni, nj, nk), none 0")
        if (self.active_max < self.active_min).any():
            raise ValueError(f"active box = {self.active_min} .. {self.active_max}: empty")
        _refuse_bad_density(self.values)
        self.box_min = self.active_min - 1.0
        self.box_max = self.active_max + 1.0
        # Two layers of background on every side, so that a clamped cell reads background in all its corners.
        self._padded = np.ascontiguousarray(np.pad(self.values, 2, constant_values=self.background))

    def box_world_corners(self):
        return _box_corners(self.box_min, self.box_max, self.transform)

    def default_step_world(self):
        return 0.5 * float(self.transform.axis_lengths_world().min())

    def clip(self, origins, directions, t_near, t_far):
        return clip_to_box(
            self.transform.to_local(origins),
            self.transform.direction_to_local(directions),
            self.box_min,
            self.box_max,
            t_near,
            t_far,
        )

    def sample(self, positions, directions):
        del directions
        index = self.transform.to_local(positions) - self.index_origin
        cell = np.floor(index)
        fraction = index - cell
        low = np.clip(cell, -2, self.values.shape).astype(np.int64) + 2
        shape = self._padded.shape
        flat = self._padded.reshape(-1)
        base = (low[:, 0] * shape[1] + low[:, 1]) * shape[2] + low[:, 2]
        strides = np.array([shape[1] * shape[2], shape[2], 1])
        out = np.zeros(len(positions))
        for corner in _CORNERS:
            out += np.where(corner, fraction, 1 - fraction).prod(axis=1) * flat[base + corner @ strides]
        return out, None

    def values_in(self, index_min, index_max):
        """Values at the index coordinates index_min..index_max (inclusive), background where the array has none."""
        index_min, index_max = np.asarray(index_min), np.asarray(index_max)
        out = np.full(index_max - index_min + 1, self.background)
        low = np.maximum(index_min, self.index_origin)
        high = np.minimum(index_max, self.index_origin + self.values.shape - 1)
        if (low <= high).all():
            source = tuple(slice(a, b + 1) for a, b in zip(low - self.index_origin, high - self.index_origin))
            target = tuple(slice(a, b + 1) for a, b in zip(low - index_min, high - index_min))
            out[target] = self.values[source]
        return out
