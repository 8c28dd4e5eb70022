"""Regularisers by PyTorch, in float64, with gradients from autograd.

A grid of raw values (nz, ny, nx, channels), density last, through softplus; rays march it as docs/conventions.md says, with
uniform jitter and without an early stop; ray ids count from 0.

Arguments: comma-separated names, each with its weight behind a colon; shape; box (x0,y0,z0,x1,y1,z1); segment length; seed;
path of numbers; path of answers. Numbers: values, then of each ray origin and direction. Answers: per name the gradient.
"""

import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "support"))
from reference.philox import sample_offset  # noqa: E402

names, shape, box, dt, seed, numbers, answers = sys.argv[1:]
shape = [int(n) for n in shape.split(",")]
low, high = np.array([float(n) for n in box.split(",")]).reshape(2, 3)
dt, seed = float(dt), int(seed)
everything = np.loadtxt(numbers)
count = int(np.prod(shape))
origins, directions = np.moveaxis(everything[count:].reshape(-1, 2, 3), 1, 0)


def segments():
    """Of each ray and segment: where its sample is, in space (n, k, 3) and along the ray (n, k), and its length (n, k), 0
    where it is outside of the box."""
    with np.errstate(divide="ignore"):
        ends = np.sort((np.stack([low, high])[:, None] - origins) / directions, axis=0)
    t0, t1 = np.maximum(ends[0].max(axis=1), 0)[:, None], ends[1].min(axis=1)[:, None]
    k = np.arange(int(np.ceil(t1.max() / dt)) + 1)
    begin = np.maximum(k * dt, t0)
    length = np.maximum(np.minimum((k + 1) * dt, t1) - begin, 0)
    t = begin + sample_offset(seed, np.arange(len(origins)), 0)[:, None] * length
    return origins[:, None] + t[..., None] * directions[:, None], t, length


def interpolated(values, points):
    """Trilinear between voxel centres (i + 0.5) / n of the box, the edge value beyond the outermost."""
    out = 0
    extents = np.array(shape[2::-1])
    at = np.clip((points - low) / (high - low) * extents - 0.5, 0, extents - 1)
    lower = np.minimum(at.astype(int), extents - 2)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(np.array(corner) == 1, at - lower, 1 - (at - lower)).prod(axis=-1)
        x, y, z = np.moveaxis(lower + np.array(corner), -1, 0)
        out = out + torch.from_numpy(weight)[..., None] * values[z, y, x]
    return out


def total_variation(values):
    """Half the sum of squared differences of neighbours, each pair once."""
    return sum((values.diff(dim=axis) ** 2).sum() for axis in range(3)) / 2


def sparsity(values):
    """Mean over rays of -log(T + 0.01), T what a ray has left at its end."""
    points, _, length = segments()
    density = functional.softplus(interpolated(values, points)[..., -1])
    transmittance = torch.exp(-(density * torch.from_numpy(length)).sum(dim=1))
    return -torch.log(transmittance + 1e-2).mean()


def distortion(values):
    """Mean over rays of sum_ij w_i w_j |t_i - t_j| + sum_i w_i^2 length_i / 3, pair by pair."""
    points, t, length = segments()
    t, length = torch.from_numpy(t), torch.from_numpy(length)
    tau = functional.softplus(interpolated(values, points)[..., -1]) * length
    weights = torch.exp(tau - tau.cumsum(dim=1)) * -torch.expm1(-tau)
    apart = (t[:, :, None] - t[:, None, :]).abs()
    pairs = torch.einsum("ri,rj,rij->r", weights, weights, apart)
    return (pairs + (weights**2 * length).sum(dim=1) / 3).mean()


REGULARISERS = {
    "tv_density": lambda values: total_variation(values[..., -1:]),
    "tv_color": lambda values: total_variation(values[..., :-1]),
    "sparsity": sparsity,
    "distortion": distortion,
}

with open(answers, "w", encoding="ascii") as file:
    for name, weight in (text.split(":") for text in names.split(",")):
        variable = torch.tensor(everything[:count].reshape(shape), requires_grad=True)
        (float(weight) * REGULARISERS[name](variable)).backward()
        for value in variable.grad.flatten().tolist():
            print(repr(value), file=file)
