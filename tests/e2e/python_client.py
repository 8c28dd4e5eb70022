"""The Python client from the source tree, and the volumes and cameras that the tests of its gradients share."""

import pathlib
import sys

import numpy as np

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"
sys.path[:0] = [str(CLIENT / "src"), str(CLIENT)]

import generate_protos  # noqa: E402

generate_protos.ensure(CLIENT / "src" / "dvren" / "_proto")

import dvren  # noqa: E402

BOX = ((-1, -1, -1), (1, 1, 1))


def voxel_centres(n):
    """(n, n, n, 3): x, y, z of each voxel of the array (nz, ny, nx) in BOX."""
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([x, y, z], axis=-1)


def coloured_lumps(n):
    """(n, n, n, 4): a few smooth lumps of different colours, sizes and depths, with nothing symmetric about them."""
    at = voxel_centres(n)
    out = np.zeros((n, n, n, 4))
    lumps = [
        ((0.4, 0.3, -0.3), 0.3, 5.0, (1, 0.2, 0.1)),
        ((-0.4, 0.1, 0.4), 0.25, 6.0, (0.1, 0.9, 0.3)),
        ((0.1, -0.5, 0.1), 0.35, 3.0, (0.2, 0.3, 1)),
        ((-0.2, 0.5, -0.5), 0.2, 7.0, (0.9, 0.9, 0.2)),
    ]
    for centre, width, density, colour in lumps:
        sigma = density * np.exp(-(((at - centre) ** 2).sum(-1)) / (2 * width**2))
        out[..., :3] += sigma[..., None] * colour
        out[..., 3] += sigma
    out[..., :3] /= out[..., 3:]
    return out.astype(np.float32)


def view(azimuth_deg, elevation_deg, width, height, distance=3.2, fov_deg=50):
    return dvren.Camera.orbit(BOX, azimuth_deg, elevation_deg, distance, width, height, fov_deg)


def skew(w):
    return np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])


def exp_rotation(w):
    angle = np.linalg.norm(w)
    if angle < 1e-12:
        return np.eye(3) + skew(w)
    k = skew(w / angle)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def log_rotation(r):
    """w of exp_rotation, for angles below pi."""
    angle = np.arccos(np.clip((np.trace(r) - 1) / 2, -1, 1))
    axis = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) / 2
    return axis if angle < 1e-9 else axis * angle / np.sin(angle)


def moved(pose, tangent):
    """R <- exp(omega) R, o <- o + v of a 3x4 pose; tangent = (omega, v)."""
    pose, tangent = np.asarray(pose), np.asarray(tangent)
    return np.column_stack([exp_rotation(tangent[:3]) @ pose[:, :3], pose[:, 3] + tangent[3:]])


def tangent_between(pose, other):
    """(omega, v) with moved(pose, it) = other."""
    return np.concatenate([log_rotation(other[:, :3] @ pose[:, :3].T), other[:, 3] - pose[:, 3]])
