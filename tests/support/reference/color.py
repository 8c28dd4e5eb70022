"""Colour of a sample: spherical harmonics of the ray direction, or a transfer function of the density."""

import json
import math

import numpy as np

SH_DEGREE_MAX = 3


def sh_basis(directions, degree):
    """Real spherical harmonics of unit directions (n, 3) up to `degree` (0..3): (n, (degree + 1)^2).

    Order l, then m = -l..l; signs as Plenoxels and 3D Gaussian splatting use them.
    """
    if not 0 <= degree <= SH_DEGREE_MAX:
        raise ValueError(f"degree = {degree}: must be 0..{SH_DEGREE_MAX}")
    x, y, z = np.asarray(directions, dtype=np.float64).T
    pi = math.pi
    basis = [np.full_like(x, math.sqrt(1 / (4 * pi)))]
    if degree >= 1:
        c = math.sqrt(3 / (4 * pi))
        basis += [-c * y, c * z, -c * x]
    if degree >= 2:
        c = math.sqrt(15 / (4 * pi))
        basis += [
            c * x * y,
            -c * y * z,
            math.sqrt(5 / (16 * pi)) * (2 * z * z - x * x - y * y),
            -c * x * z,
            c / 2 * (x * x - y * y),
        ]
    if degree >= 3:
        c33, c32, c31 = math.sqrt(35 / (32 * pi)), math.sqrt(105 / (4 * pi)), math.sqrt(21 / (32 * pi))
        basis += [
            -c33 * y * (3 * x * x - y * y),
            c32 * x * y * z,
            -c31 * y * (4 * z * z - x * x - y * y),
            math.sqrt(7 / (16 * pi)) * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -c31 * x * (4 * z * z - x * x - y * y),
            c32 / 2 * z * (x * x - y * y),
            -c33 * x * (x * x - 3 * y * y),
        ]
    return np.stack(basis, axis=1)


class TransferFunction:
    """Piecewise linear rgb over raw density (before the sigma scale); the end colours hold beyond the ends.

    density (n,), strictly increasing, in the field's own units; rgb (n, 3).
    """

    def __init__(self, density, rgb):
        self.density = np.array(density, dtype=np.float64)
        self.rgb = np.array(rgb, dtype=np.float64)
        if self.density.ndim != 1 or self.density.size < 1 or self.rgb.shape != (self.density.size, 3):
            raise ValueError(f"transfer: density {self.density.shape}, rgb {self.rgb.shape}: need (n,) and (n, 3)")
        if (np.diff(self.density) <= 0).any():
            raise ValueError("transfer.density: must be strictly increasing")

    @classmethod
    def from_json(cls, source):
        """From {"density": [n], "rgb": [[3], ...]}, or the path of such a file."""
        if not isinstance(source, dict):
            with open(source, encoding="utf-8") as file:
                source = json.load(file)
        return cls(**source)

    def __call__(self, density):
        """density (n,) to rgb (n, 3)."""
        return np.stack([np.interp(density, self.density, self.rgb[:, c]) for c in range(3)], axis=1)
