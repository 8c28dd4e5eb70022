"""What dvrenctl renders through the daemon is what the float64 reference computes from the same files.

rgb and opacity within 2e-4, depth within 1e-3 of itself where opacity > 1e-4: sparse and dense, every lens, fixed and
stratified samples, transfer function, colour and background.
"""

import json
import math

import numpy as np
import pytest
import reference
from daemon_process import data_dir

STEP, SIGMA_SCALE = 0.25, 0.5
SHEARED = [
    [0.4, 0.05, 0, 0],
    [-0.1, 0.3, 0.02, 0],
    [0, 0.03, 0.5, 0],
    [3, -2, 7, 1],
]  # row vectors, as OpenVDB has them


def write_cloud(path):
    """A lumpy ball of 40 x 30 x 36 voxels, in parts empty, off the origin, its axes sheared."""
    import pyopenvdb

    shape = np.array([40, 30, 36])
    at = (np.indices(shape).transpose(1, 2, 3, 0) + 0.5) / shape * 2 - 1
    lumps = 1 + 0.6 * np.sin(7 * at[..., 0]) * np.cos(5 * at[..., 1]) * np.sin(6 * at[..., 2] + 1)
    density = np.maximum(0, 0.8 - np.linalg.norm(at, axis=-1)) * lumps * 4
    density[18:22, 10:25] = 0
    grid = pyopenvdb.FloatGrid()
    grid.name = "density"
    grid.gridClass = pyopenvdb.GridClass.FOG_VOLUME
    grid.transform = pyopenvdb.createLinearTransform(SHEARED)
    grid.copyFromArray(density.astype(np.float32), ijk=(-5, 11, -20))
    pyopenvdb.write(str(path), grids=[grid])


@pytest.fixture(scope="module", params=["smoke", "cloud"])
def volume(request, tmp_path_factory):
    """(name, path of a .vdb file, the reference's field of it)."""
    pytest.importorskip("pyopenvdb", reason="needs python3-openvdb (./dev setup)")
    if request.param == "smoke":
        path = data_dir() / "smoke.vdb"
        if not path.exists():
            pytest.skip(
                f"no {path}: set DVREN_DATA to the folder that has smoke.vdb; the made cloud is rendered instead"
            )
    else:
        path = tmp_path_factory.mktemp("volume") / "cloud.vdb"
        write_cloud(path)
    return request.param, path, reference.load_vdb(path)


@pytest.fixture(scope="module", params=["nanovdb", "dense"])
def field(request, volume, daemon):
    """(name in the daemon, the reference's field)."""
    name, path, sparse = volume
    stored = f"{name}-{request.param}"
    daemon.ctl("field", "import", stored, path, "--kind", request.param)
    return stored, sparse if request.param == "nanovdb" else reference.dense_from_sparse(sparse)


def view(field, model, width, height):
    """A camera outside the volume that sees most of it."""
    corners = field.box_world_corners()
    radius = np.linalg.norm(corners - corners.mean(axis=0), axis=1).max()
    orbit = reference.default_orbit_camera(corners, width, height, (35.0, 15.0, 2 * radius))
    camera = orbit.to_json()
    if model == "fisheye":
        camera.update(model=model, distortion={"k1": 0.05, "k2": -0.01, "k3": 0.003, "k4": -0.0005})
    elif model == "distorted":
        camera.update(distortion={"k1": -0.15, "k2": 0.04, "k3": -0.01, "p1": 0.002, "p2": -0.003}, cx=width * 0.47)
    elif model == "orthographic":
        for name in ("fx", "fy", "cx", "cy", "distortion"):
            del camera[name]
        camera.update(model=model, ortho_scale=1.5 * radius)
    return camera


def compare(daemon, tmp_path, field, camera, flags, settings):
    name, truth = field
    path = tmp_path / "cam.json"
    path.write_text(json.dumps(camera))
    out = tmp_path / "out.npz"
    daemon.ctl("render", name, "--camera", path, "--aov", "depth,opacity", "--out", out, *flags)
    with np.load(out) as image:
        got = dict(image)
    want = reference.render_image(truth, reference.Camera.from_json(camera), settings)
    assert got["rgb"].shape == want["rgb"].shape and got["rgb"].dtype == np.float32
    seen = want["opacity"] > 1e-4
    assert 0.05 < seen.mean() < 0.95, "the volume fills neither nothing nor all of the image"
    np.testing.assert_allclose(got["rgb"], want["rgb"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(got["opacity"], want["opacity"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(got["depth"][seen], want["depth"][seen], rtol=1e-3, atol=0)
    return got, want


@pytest.mark.parametrize(
    ("model", "size"),
    [("pinhole", (160, 120)), ("distorted", (64, 48)), ("fisheye", (64, 48)), ("orthographic", (48, 64))],
)
def test_every_lens_agrees(daemon, tmp_path, field, model, size):
    flags = ["--step", STEP, "--sigma-scale", SIGMA_SCALE, "--early-stop", 0]
    settings = reference.RenderSettings(dt=STEP, sigma_scale=SIGMA_SCALE, early_stop=0)
    compare(daemon, tmp_path, field, view(field[1], model, *size), flags, settings)


def test_opengl_axes_and_clip_distances_agree(daemon, tmp_path, field):
    camera = view(field[1], "pinhole", 64, 48)
    distance = np.linalg.norm(np.array(camera["camera_to_world"])[:, 3] - field[1].box_world_corners().mean(axis=0))
    camera["camera_to_world"] = (np.array(camera["camera_to_world"]) * [1, -1, -1, 1]).tolist()
    camera.update(convention="opengl", t_near=0.8 * distance, t_far=1.1 * distance)
    flags = ["--step", STEP, "--sigma-scale", SIGMA_SCALE, "--early-stop", 0]
    compare(
        daemon, tmp_path, field, camera, flags, reference.RenderSettings(dt=STEP, sigma_scale=SIGMA_SCALE, early_stop=0)
    )


@pytest.mark.parametrize("seed", [7, 2**40 + 3])
def test_stratified_samples_agree(daemon, tmp_path, field, seed):
    flags = ["--step", 1.5, "--sigma-scale", SIGMA_SCALE, "--early-stop", 0, "--sampling", "stratified", "--seed", seed]
    settings = reference.RenderSettings(dt=1.5, sigma_scale=SIGMA_SCALE, early_stop=0, sampling="stratified", seed=seed)
    got, _ = compare(daemon, tmp_path, field, view(field[1], "pinhole", 64, 48), flags, settings)
    fixed = reference.RenderSettings(dt=1.5, sigma_scale=SIGMA_SCALE, early_stop=0)
    other = reference.render_image(field[1], reference.Camera.from_json(view(field[1], "pinhole", 64, 48)), fixed)
    assert np.abs(got["rgb"] - other["rgb"]).max() > 2e-3, "the places of the samples show"


def test_transfer_function_and_background_agree(daemon, tmp_path, field):
    transfer = {"density": [0.0, 0.2, 1.0, 2.5], "rgb": [[0.1, 0.2, 0.9], [0.9, 0.1, 0.2], [0.3, 1.2, 0.1], [1, 1, 1]]}
    path = tmp_path / "tf.json"
    path.write_text(json.dumps(transfer))
    flags = ["--step", STEP, "--sigma-scale", 0.2, "--early-stop", 0, "--transfer", path, "--background", "0.2,0.4,0.6"]
    settings = reference.RenderSettings(
        dt=STEP,
        sigma_scale=0.2,
        early_stop=0,
        background=(0.2, 0.4, 0.6),
        transfer=reference.TransferFunction.from_json(transfer),
    )
    compare(daemon, tmp_path, field, view(field[1], "pinhole", 64, 48), flags, settings)


def test_defaults_agree(daemon, tmp_path, field):
    """Step, sigma scale and early stop unsaid, a constant colour."""
    settings = reference.RenderSettings(color=(0.9, 0.5, 0.25))
    camera = view(field[1], "pinhole", 64, 48)
    got, want = compare(daemon, tmp_path, field, camera, ["--color", "0.9,0.5,0.25"], settings)
    assert want["early_stopped_rays"] == 0 or got["opacity"].max() < 1


def test_the_default_orbit_is_the_references(daemon, tmp_path, volume):
    """dvrenctl computes the camera: angles, distance that shows the whole box, field of view."""
    name, path, sparse = volume
    stored = f"{name}-orbit"
    daemon.ctl("field", "import", stored, path)
    out = tmp_path / "out.npz"
    daemon.ctl("render", stored, "--width", 64, "--height", 48, "--step", STEP, "--aov", "depth,opacity", "--out", out)
    corners = sparse.box_world_corners()
    if name == "cloud":  # the daemon knows the axis-aligned box around the sheared one
        corners = np.array([corners.min(axis=0), corners.max(axis=0)])
    camera = reference.default_orbit_camera(corners, 64, 48)
    want = reference.render_image(sparse, camera, reference.RenderSettings(dt=STEP))
    with np.load(out) as image:
        np.testing.assert_allclose(image["opacity"], want["opacity"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(image["rgb"], want["rgb"], rtol=0, atol=2e-4)
    assert math.isclose(want["opacity"].min(), 0, abs_tol=1e-12)
