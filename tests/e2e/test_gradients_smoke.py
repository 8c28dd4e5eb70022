"""Gradients of a real NanoVDB volume against central differences of the daemon's own images, in f64: twenty voxels,
each changed in a copy of the file, and the camera's pose."""

import dataclasses

import numpy as np
import pytest
from daemon_process import data_dir
from python_client import dvren, moved

WIDTH, HEIGHT = 32, 48
VOXELS = 20
OPTIONS = {"step": 0.5, "sigma_scale": 0.5, "early_stop": 0, "color": (0.9, 0.6, 0.4), "background": (0.1, 0.2, 0.3)}


@pytest.fixture(scope="module")
def grid():
    pyopenvdb = pytest.importorskip("pyopenvdb", reason="needs python3-openvdb (./dev setup)")
    path = data_dir() / "smoke.vdb"
    if not path.exists():
        pytest.skip(f"no {path}: set DVREN_DATA to the folder that has smoke.vdb")
    smoke = pyopenvdb.read(str(path), "density")
    smoke.saveFloatAsHalf = False  # what is written below holds what was set
    return smoke


class Differences:
    """A scalar loss of images of the volume, and its gradients."""

    def __init__(self, daemon, grid, folder):
        self.client = dvren.connect(daemon.endpoint)
        self.grid, self.path = grid, folder / "changed.vdb"
        self.import_changed("smoke")
        field = self.client.fields.get("smoke")
        assert field.type == "nanovdb"
        self.camera = dvren.Camera.orbit(field.box, 35, 15, None, WIDTH, HEIGHT)
        y, x = np.mgrid[:HEIGHT, :WIDTH] / 10.0
        rgb = np.stack([np.sin(x + y), np.cos(x - y), np.sin(y)], axis=-1)
        self.weights = {"rgb": rgb, "depth": np.cos(y) / 50}
        self.options = {**OPTIONS, "precision": "f64", "aov": tuple(self.weights)}

    def import_changed(self, name):
        import pyopenvdb

        pyopenvdb.write(str(self.path), grids=[self.grid])
        self.client.fields.import_file(name, self.path, grid="density", kind="nanovdb")

    def loss(self, name="smoke", camera=None):
        result = self.client.render(name, camera or self.camera, **self.options)
        return sum(float((weights * result[aov]).sum()) for aov, weights in self.weights.items())

    def gradients(self):
        result = self.client.forward("smoke", self.camera, **self.options)
        return self.client.backward(result.tape, **self.weights, dtype="f64", camera=True, scene=True)

    def loss_with(self, voxel, value):
        """The loss, and the value as the file has it."""
        accessor = self.grid.getAccessor()
        before = accessor.getValue(voxel)
        accessor.setValueOn(voxel, value)
        try:
            self.import_changed("changed")
            return self.loss("changed"), float(np.float32(value))
        finally:
            accessor.setValueOn(voxel, before)
            self.client.fields.delete("changed")


@pytest.fixture(scope="module")
def differences(daemon, grid, tmp_path_factory):
    return Differences(daemon, grid, tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="module")
def gradients(differences):
    return differences.gradients()


def test_voxels_have_the_slopes_of_the_loss(differences, gradients):
    """Twenty voxels in as many leaves, the largest gradient of each, of the leaves with the largest ones.

    h = 2^-6 or less: the loss is an exponential of a voxel's value times a few tenths (sigma scale x length of a ray in
    its reach), so that central differences are off by (0.3 h)^2 / 6 = 4e-6 of the slope, and 1e-15 |L| / h = 1e-11 by
    rounding.
    """
    values, origins = gradients.values, gradients.origins
    assert values.shape == (len(origins), 8, 8, 8) and values.dtype == np.float64
    assert gradients.value_stats.not_finite == 0 and gradients.value_stats.count >= np.count_nonzero(values)
    density = np.zeros_like(values, np.float32)
    for leaf, origin in zip(density, origins):
        block = np.zeros((8, 8, 8), np.float32)
        differences.grid.copyToArray(block, ijk=tuple(int(i) for i in origin))
        leaf[:] = block.transpose(2, 1, 0)
    slopes = np.where(density > 0.01, np.abs(values), 0)  # there is room to both sides
    leaves = np.argsort(-slopes.max(axis=(1, 2, 3)))[: len(origins) // 10]
    for leaf in np.random.default_rng(6).choice(leaves, VOXELS, replace=False):
        z, y, x = np.unravel_index(slopes[leaf].argmax(), (8, 8, 8))
        voxel = tuple(int(i) for i in origins[leaf] + (x, y, z))
        value = float(density[leaf, z, y, x])
        h = min(2.0**-6, value / 2)
        (high, above), (low, below) = (differences.loss_with(voxel, value + sign * h) for sign in (1, -1))
        slope = (high - low) / (above - below)
        assert values[leaf, z, y, x] == pytest.approx(slope, rel=1e-4), f"voxel {voxel}"


def test_the_pose_has_the_slopes_of_the_loss(differences, gradients):
    """Along omega and v. Steps move samples by some 1e-6 voxels: where one crosses a face of a voxel its slope jumps,
    and so few of some ten thousand do that 1e-4 holds. Rounding adds 1e-15 |L| / h = 1e-5, to slopes of hundreds."""
    pose = differences.camera.camera_to_world
    tangent = np.concatenate([gradients.camera.omega, gradients.camera.v])
    for axis, h in enumerate([1e-8] * 3 + [1e-6] * 3):
        losses = []
        for sign in (1, -1):
            step = np.zeros(6)
            step[axis] = sign * h
            camera = dataclasses.replace(differences.camera, camera_to_world=moved(pose, step))
            losses.append(differences.loss(camera=camera))
        slope = (losses[0] - losses[1]) / (2 * h)
        assert tangent[axis] == pytest.approx(slope, rel=1e-4, abs=1e-5 * np.abs(tangent).max()), f"axis {axis}"


def test_scale_and_background_have_the_slopes_of_the_loss(differences, gradients):
    h = 1e-5
    for name, at, got in [
        ("sigma_scale", 0.5, gradients.scene.sigma_scale),
        ("background", (0.1, 0.2, 0.3), gradients.scene.background),
        ("color", (0.9, 0.6, 0.4), gradients.scene.color),
    ]:
        for i in range(np.size(at)):
            losses = []
            for sign in (1, -1):
                moved_by = np.array(at, np.float64)
                moved_by.flat[i] += sign * h
                differences.options[name] = float(moved_by) if moved_by.ndim == 0 else moved_by
                losses.append(differences.loss())
                differences.options[name] = at
            slope = (losses[0] - losses[1]) / (2 * h)
            assert np.ravel(got)[i] == pytest.approx(slope, rel=1e-6), f"{name}[{i}]"
