"""The float64 reference renderer against stored answers, published vectors and closed forms.

Run: /usr/bin/python3 -m pytest tests/support. Reads ../shared (its data folder from DVREN_DATA) where it is there.
"""

import os
import pathlib
import warnings

import numpy as np
import pytest

import reference
from reference import __main__ as cli
from reference import goldens

REPO = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("DVREN_DATA") or REPO.parent / "shared" / "data")
GOLDENS = DATA.parent / "goldens" / "render.json"
GOLDEN_TOLERANCE = 1e-9  # the answers are stored with nine decimals
CASES = goldens.load_cases(GOLDENS) if GOLDENS.exists() else []

SHEARED = np.array([[0.5, 0.1, 0.0, -3.0], [0.0, 0.4, 0.2, 1.0], [0.1, 0.0, -0.7, 2.0], [0.0, 0.0, 0.0, 1.0]])


def skip_aloud(reason):
    warnings.warn(f"skipped: {reason}", stacklevel=2)
    pytest.skip(reason)


def ray_along_z(x=0.0, y=0.0, z=-2.0):
    return np.array([[x, y, z]]), np.array([[0.0, 0.0, 1.0]])


def unit_slab(sigma, channels_before=(), border="zero"):
    """Homogeneous unit cube centred at the origin."""
    values = np.tile(np.array([*channels_before, sigma], dtype=float), (2, 3, 4, 1))
    return reference.DenseGrid(values, [-0.5] * 3, [0.5] * 3, border=border)


def random_directions(count, seed):
    v = np.random.default_rng(seed).normal(size=(count, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


# ---- stored answers ----------------------------------------------------------------------------


def test_golden_file_has_cases():
    if not GOLDENS.exists():
        skip_aloud(f"no {GOLDENS.name} beside the data folder; set DVREN_DATA")
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_golden_case_agrees(case):
    errors = goldens.case_errors(case)
    assert max(errors.values()) < GOLDEN_TOLERANCE, errors


# ---- Philox --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counter, key, expected",
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert reference.philox4x32_10(counter, key).tolist() == expected


def test_sample_offset_takes_seed_and_ray_id_apart_into_words():
    seed, ray_id, k = 0x1234567890ABCDEF, 0xFEDCBA9876543210, 77
    word = reference.philox4x32_10([0x76543210, 0xFEDCBA98, k, 0], [0x90ABCDEF, 0x12345678])[0]
    offset = reference.sample_offset(seed, np.array([ray_id], dtype=np.uint64), np.array([k]))
    assert offset.tolist() == [(int(word) >> 8) / 2**24]


# ---- integration ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["fixed", "stratified", "uniform_jitter"])
@pytest.mark.parametrize("dt", [0.013, 0.3, 5.0])
def test_homogeneous_slab_has_the_analytic_opacity_and_colour(sampling, dt):
    sigma, scale, background = 1.3, 1.7, np.array([0.3, 0.2, 0.9])
    settings = reference.RenderSettings(
        dt=dt, sigma_scale=scale, background=tuple(background), early_stop=0.0, sampling=sampling, seed=5
    )
    field = unit_slab(sigma, (0.9, 0.5, 0.1))
    out = reference.render_rays(field, *ray_along_z(0.1, -0.2), 0.25, 9.0, settings)
    transmittance = np.exp(-sigma * scale)
    np.testing.assert_allclose(out["transmittance"], transmittance, rtol=1e-13)
    np.testing.assert_allclose(out["opacity"], 1 - transmittance, rtol=1e-13)
    expected = (1 - transmittance) * np.array([0.9, 0.5, 0.1]) + transmittance * background
    np.testing.assert_allclose(out["rgb"][0], expected, rtol=1e-12)
    assert out["hit"].tolist() == [True]


def test_homogeneous_slab_depth_converges_to_the_integral():
    sigma, front = 1.3, 1.5
    settings = reference.RenderSettings(dt=1e-3, early_stop=0.0)
    out = reference.render_rays(unit_slab(sigma), *ray_along_z(), settings=settings)
    e = np.exp(-sigma)
    expected = front * (1 - e) + (1 - e) / sigma - e  # integral of t sigma exp(-sigma (t - front)) over the slab
    np.testing.assert_allclose(out["depth"], expected, atol=1e-6)


def test_sample_positions_lie_on_the_lattice_of_t_near():
    settings = reference.RenderSettings(dt=0.4, early_stop=0.0)
    out = reference.render_rays(unit_slab(1e-9), *ray_along_z(), t_near=0.25, settings=settings)
    # Lattice 0.25, 0.65, 1.05, 1.45, 1.85, 2.25, 2.65 cut to [1.5, 2.5]: lengths 0.35, 0.4, 0.25.
    lengths, middles = np.array([0.35, 0.4, 0.25]), np.array([1.675, 2.05, 2.375])
    assert out["first_segment"].tolist() == [3] and out["samples"].tolist() == [3]
    np.testing.assert_allclose(out["depth"] / 1e-9, lengths @ middles, rtol=1e-7)


def test_max_steps_counts_cut_rays_only():
    origins = np.array([[0.0, 0, -2], [3.0, 0, -2], [0.0, 0, 0.45]])  # through, past, almost out
    directions = np.tile([0.0, 0, 1], (3, 1))
    settings = reference.RenderSettings(dt=0.1, early_stop=0.0, max_steps=4)
    out = reference.render_rays(unit_slab(1.0), origins, directions, settings=settings)
    assert out["truncated_rays"] == 1
    assert out["samples"].tolist() == [4, 0, 1]
    np.testing.assert_allclose(out["transmittance"], np.exp([-0.4, 0, -0.05]), rtol=1e-12)


def test_early_stop_ends_before_the_next_sample():
    # T after n segments of optical depth 1 is e^-n: below 0.01 first at n = 5.
    settings = reference.RenderSettings(dt=0.1, sigma_scale=10.0, early_stop=0.01)
    out = reference.render_rays(unit_slab(1.0), *ray_along_z(z=-0.5), settings=settings)
    assert out["samples"].tolist() == [5] and out["early_stopped_rays"] == 1 and out["truncated_rays"] == 0
    np.testing.assert_allclose(out["transmittance"], np.exp(-5.0), rtol=1e-11)


def test_clamp_border_goes_on_until_t_far():
    settings = reference.RenderSettings(dt=0.3, early_stop=0.0)
    out = reference.render_rays(unit_slab(0.7, border="clamp"), *ray_along_z(9.0), 0.5, 2.6, settings)
    np.testing.assert_allclose(out["transmittance"], np.exp(-0.7 * 2.1), rtol=1e-12)


def test_roi_has_the_pixels_of_the_whole_image():
    field = reference.DenseGrid(np.random.default_rng(1).random((4, 5, 6, 4)), [-1] * 3, [1] * 3)
    camera = reference.default_orbit_camera(field.box_world_corners(), 12, 9)
    settings = reference.RenderSettings(sampling="stratified", seed=2**40 + 3)
    whole = reference.render_image(field, camera, settings)
    part = reference.render_image(field, camera, settings, roi=(3, 2, 5, 4))
    np.testing.assert_array_equal(part["rgb"], whole["rgb"][2:6, 3:8])
    other = reference.render_image(field, camera, reference.RenderSettings(sampling="stratified", seed=3))
    assert np.abs(other["rgb"] - whole["rgb"]).max() > 1e-4


# ---- colour --------------------------------------------------------------------------------------


def test_spherical_harmonics_are_orthonormal():
    cos_theta, weight = np.polynomial.legendre.leggauss(8)
    phi = 2 * np.pi * np.arange(16) / 16
    sin_theta = np.sqrt(1 - cos_theta**2)
    x, y = np.outer(sin_theta, np.cos(phi)), np.outer(sin_theta, np.sin(phi))
    z = np.broadcast_to(cos_theta[:, None], x.shape)
    basis = reference.sh_basis(np.stack([x, y, z], axis=-1).reshape(-1, 3), 3)
    gram = np.einsum("ni,nj,n->ij", basis, basis, np.repeat(weight * 2 * np.pi / 16, 16))
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-13)


def test_spherical_harmonics_have_the_signs_of_plenoxels():
    d = np.array([[0.48, 0.6, 0.64]])
    x, y, z = d[0]
    expected = [0.28209479, -0.48860251 * y, 0.48860251 * z, -0.48860251 * x]
    expected += [1.0925484 * x * y, -1.0925484 * y * z, 0.31539157 * (2 * z * z - x * x - y * y)]
    expected += [-1.0925484 * x * z, 0.54627422 * (x * x - y * y)]
    expected += [-0.59004359 * y * (3 * x * x - y * y), 2.89061144 * x * y * z]
    expected += [-0.45704580 * y * (4 * z * z - x * x - y * y), 0.37317633 * z * (2 * z * z - 3 * x * x - 3 * y * y)]
    expected += [-0.45704580 * x * (4 * z * z - x * x - y * y)]
    expected += [1.44530572 * z * (x * x - y * y), -0.59004359 * x * (x * x - 3 * y * y)]
    np.testing.assert_allclose(reference.sh_basis(d, 3)[0], expected, atol=2e-8)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_sh_colour_is_clamped_at_zero_per_channel(degree):
    bases = (degree + 1) ** 2
    coefficients = np.zeros((3, bases))
    coefficients[:, 2] = [0.2, -3.0, 1.0]  # along z: Y = sqrt(3 / 4 pi)
    field = unit_slab(2.0, tuple(coefficients.ravel()))
    _, rgb = field.sample(np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]))
    y = np.sqrt(3 / (4 * np.pi))
    np.testing.assert_allclose(rgb[0], [0.5 + 0.2 * y, 0.0, 0.5 + y], rtol=1e-12)


def test_transfer_function_reads_raw_density_and_holds_its_ends():
    transfer = reference.TransferFunction([1.0, 3.0], [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]])
    np.testing.assert_allclose(transfer(np.array([0.0, 2.5, 9.0]))[:, 0], [0.0, 0.75, 1.0])
    settings = reference.RenderSettings(dt=0.1, sigma_scale=0.1, early_stop=0.0, transfer=transfer)
    out = reference.render_rays(unit_slab(2.0), *ray_along_z(), settings=settings)
    np.testing.assert_allclose(out["rgb"][0], (1 - np.exp(-0.2)) * 0.5, rtol=1e-12)
    with pytest.raises(ValueError, match="settings.transfer"):
        reference.render_rays(unit_slab(2.0, (1, 1, 1)), *ray_along_z(), settings=settings)


# ---- fields --------------------------------------------------------------------------------------


def test_dense_grid_with_affine_equals_the_box_it_maps_to():
    values = np.random.default_rng(2).random((3, 4, 5, 4)) * 3
    affine = np.array([[2.0, 0, 0, 0.3], [0, 0.5, 0, -1.0], [0, 0, 1.5, 0.2]])
    low, high = np.array([-1.0, -1, -1]), np.array([1.0, 2, 1])
    moved = reference.DenseGrid(values, low, high, local_to_world=affine)
    scale, offset = np.diag(affine[:, :3]), affine[:, 3]
    plain = reference.DenseGrid(values, low * scale + offset, high * scale + offset)
    np.testing.assert_allclose(moved.box_world_corners(), plain.box_world_corners(), atol=1e-12)
    assert moved.default_step_world() == pytest.approx(plain.default_step_world(), rel=1e-12)
    directions = random_directions(50, 3)
    origins = plain.box_world_corners().mean(axis=0) - 3 * directions
    settings = reference.RenderSettings(dt=0.07, early_stop=0.0)
    a = reference.render_rays(moved, origins, directions, settings=settings)
    b = reference.render_rays(plain, origins, directions, settings=settings)
    for name in ("rgb", "opacity", "depth"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-12)


def test_sparse_grid_samples_sit_at_index_coordinates():
    origin, shape = np.array([-3, 7, 2]), (4, 5, 6)
    i, j, k = (a.astype(float) for a in np.indices(shape))
    values = 1 + 0.5 * i + 0.25 * j + 2 * k  # linear, so trilinear interpolation is exact
    field = reference.SparseGrid(values, origin, SHEARED, origin, origin + np.array(shape) - 1)
    index = np.random.default_rng(4).random((200, 3)) * (np.array(shape) - 1)
    world = (index + origin) @ SHEARED[:3, :3].T + SHEARED[:3, 3]
    density, rgb = field.sample(world, None)
    np.testing.assert_allclose(density, 1 + index @ [0.5, 0.25, 2.0], rtol=1e-12)
    assert rgb is None


def test_sparse_grid_fades_to_background_within_one_voxel():
    field = reference.SparseGrid([[[8.0]]], [5, 5, 5], np.eye(4), [5] * 3, [5] * 3)
    x = np.array([3.9, 4.0, 4.25, 5.0, 5.5, 6.0, 6.1, 90.0, -90.0])
    density, _ = field.sample(np.stack([x, np.full_like(x, 5), np.full_like(x, 5)], axis=1), None)
    np.testing.assert_allclose(density, [0, 0, 2, 8, 4, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(field.box_world_corners()[[0, -1]], [[4] * 3, [6] * 3])


def test_ray_is_clipped_to_the_sheared_box_at_world_distances():
    field = reference.SparseGrid(np.ones((3, 3, 3)), [0, 0, 0], SHEARED, [0] * 3, [2] * 3)
    centre = SHEARED[:3, :3] @ [1, 1, 1] + SHEARED[:3, 3]
    axis = SHEARED[:3, 0]
    t0, t1 = field.clip((centre - 10 * axis)[None], (axis / np.linalg.norm(axis))[None], 0.0, np.inf)
    np.testing.assert_allclose([t0[0], t1[0]], np.array([8.0, 12.0]) * np.linalg.norm(axis), rtol=1e-12)


def test_dense_import_samples_as_the_sparse_grid_does():
    values = np.random.default_rng(5).random((3, 4, 5))
    sparse = reference.SparseGrid(values, [2, -1, 4], SHEARED, [2, -1, 4], [4, 2, 8])
    dense = reference.dense_from_sparse(sparse)
    assert dense.values.shape == (7, 6, 5, 1)
    np.testing.assert_array_equal(dense.box_min, [0.5, -2.5, 2.5])
    np.testing.assert_array_equal(dense.box_max, [5.5, 3.5, 9.5])
    index = sparse.box_min + np.random.default_rng(6).random((500, 3)) * (sparse.box_max - sparse.box_min)
    world = index @ SHEARED[:3, :3].T + SHEARED[:3, 3]
    np.testing.assert_allclose(dense.sample(world, world)[0], sparse.sample(world, world)[0], atol=1e-12)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_density_is_refused_with_count_and_place(bad):
    values = np.ones((3, 3, 3))
    values[1, 2, 0] = values[2, 0, 0] = bad
    with pytest.raises(ValueError, match=r"2 values negative or not finite, first .* at \(1, 2, 0\)"):
        reference.SparseGrid(values, [0] * 3, np.eye(4), [0] * 3, [2] * 3)


# ---- cameras -------------------------------------------------------------------------------------

POSE = [[0.6, 0.0, -0.8, 1.0], [0.0, 1.0, 0.0, 2.0], [0.8, 0.0, 0.6, 3.0]]


def brown_conrady(x, y, k1, k2, k3, p1, p2):
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def test_undistorted_rays_distort_back_to_their_pixels():
    coefficients = {"k1": -0.2, "k2": 0.07, "k3": -0.01, "p1": 0.003, "p2": -0.005}
    camera = reference.Camera(64, 48, np.eye(3, 4), fx=50.0, fy=55.0, cx=30.0, cy=25.0, distortion=coefficients)
    x, y = camera.pixel_grid()
    _, d = camera.rays(x, y)
    u, v = brown_conrady(d[:, 0] / d[:, 2], d[:, 1] / d[:, 2], **coefficients)
    np.testing.assert_allclose(u * 50.0 + 30.0, x + 0.5, atol=1e-10)
    np.testing.assert_allclose(v * 55.0 + 25.0, y + 0.5, atol=1e-10)


def test_fisheye_rays_distort_back_to_their_pixels():
    k = [0.03, -0.01, 0.002, -0.0002]
    distortion = {f"k{i + 1}": value for i, value in enumerate(k)}
    camera = reference.Camera(64, 48, np.eye(3, 4), model="fisheye", fx=20.0, fy=20.0, distortion=distortion)
    x, y = camera.pixel_grid()
    _, d = camera.rays(x, y)
    theta = np.arctan2(np.hypot(d[:, 0], d[:, 1]), d[:, 2])
    assert theta.max() > np.pi / 2
    theta_d = theta * (1 + sum(value * theta ** (2 * i + 2) for i, value in enumerate(k)))
    phi = np.arctan2(d[:, 1], d[:, 0])
    np.testing.assert_allclose(20 * theta_d * np.cos(phi) + 32, x + 0.5, atol=1e-9)
    np.testing.assert_allclose(20 * theta_d * np.sin(phi) + 24, y + 0.5, atol=1e-9)


@pytest.mark.parametrize("model", ["pinhole", "fisheye", "orthographic"])
def test_opengl_axes_are_the_opencv_ones_turned(model):
    lens = {"ortho_scale": 2.0} if model == "orthographic" else {"fx": 9.0, "fy": 8.0}
    turned = np.array(POSE) * [1, -1, -1, 1]
    opencv = reference.Camera(8, 6, POSE, model=model, **lens)
    opengl = reference.Camera(8, 6, turned, model=model, convention="opengl", **lens)
    x, y = opencv.pixel_grid()
    for a, b in zip(opencv.rays(x, y), opengl.rays(x, y)):
        np.testing.assert_allclose(a, b, atol=1e-15)


def test_orthographic_scale_is_the_world_height_of_the_image():
    camera = reference.Camera(8, 6, np.eye(3, 4), model="orthographic", ortho_scale=3.0)
    origins, directions = camera.rays([0, 7], [0, 5])
    np.testing.assert_allclose(origins, [[-1.75, -1.25, 0], [1.75, 1.25, 0]])
    np.testing.assert_allclose(directions, [[0, 0, 1]] * 2)


@pytest.mark.parametrize("size", [(160, 120), (90, 160)])
def test_default_camera_sees_the_whole_bounding_sphere(size):
    corners = unit_slab(1.0).box_world_corners() * [1, 2, 3] + [4, 5, 6]
    camera = reference.default_orbit_camera(corners, *size)
    centre, position = corners.mean(axis=0), camera.camera_to_world[:, 3]
    _, d = camera.rays([size[0] / 2 - 0.5], [size[1] / 2 - 0.5])
    to_centre = centre - position
    distance = np.linalg.norm(to_centre)
    np.testing.assert_allclose(d[0], to_centre / distance, atol=1e-12)
    assert np.degrees(np.arctan2(-to_centre[0], -to_centre[2])) == pytest.approx(30)
    assert np.degrees(np.arcsin(-to_centre[1] / distance)) == pytest.approx(20)
    assert 2 * np.degrees(np.arctan(size[1] / 2 / camera.fy)) == pytest.approx(40)
    half_angle = np.arctan(min(size) / 2 / camera.fy)
    radius = np.linalg.norm(corners - centre, axis=1).max()
    assert np.arcsin(radius / distance) == pytest.approx(half_angle)
    rotation = camera.camera_to_world[:, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0 and rotation[1, 1] < 0  # right-handed, image down is not world up


def test_camera_json_has_its_defaults_and_refuses_unknown_keys():
    camera = reference.Camera.from_json({"width": 8, "height": 6, "fx": 9, "fy": 9, "camera_to_world": POSE})
    assert (camera.model, camera.convention, camera.cx, camera.cy) == ("pinhole", "opencv", 4, 3)
    assert camera.t_near == 0 and np.isinf(camera.t_far)
    again = reference.Camera.from_json(camera.to_json())
    np.testing.assert_array_equal(again.rays([1], [2])[1], camera.rays([1], [2])[1])
    with pytest.raises(ValueError, match="camera.focal: unknown key"):
        reference.Camera.from_json({"width": 8, "height": 6, "focal": 9, "camera_to_world": POSE})


# ---- VDB files, command line ---------------------------------------------------------------------


def test_vdb_file_comes_back_with_its_axes_and_transform(tmp_path):
    vdb = pytest.importorskip("pyopenvdb", reason="needs python3-openvdb")
    values = np.zeros((3, 5, 4), dtype=np.float32)
    values[0, 1, 2], values[2, 4, 3], values[1, 0, 0] = 1.5, 2.5, 0.75
    grid = vdb.FloatGrid()
    grid.name = "density"
    grid.gridClass = vdb.GridClass.FOG_VOLUME
    grid.transform = vdb.createLinearTransform(SHEARED.T.tolist())
    grid.copyFromArray(values, ijk=(10, -20, 30))
    path = tmp_path / "a.vdb"
    vdb.write(str(path), grids=[grid])

    field = reference.load_vdb(path)
    assert field.active_min.tolist() == [10, -20, 30] and field.active_max.tolist() == [12, -16, 33]
    np.testing.assert_allclose(field.values_in([10, -20, 30], [12, -16, 33]), values)
    world = SHEARED @ [12, -16, 33, 1]
    np.testing.assert_allclose(field.sample(world[None, :3], None)[0], 2.5, rtol=1e-9)

    out = tmp_path / "a.npz"
    assert cli.main(["render", str(path), "--out", str(out), "--width", "6", "--height", "5"]) == 0
    with np.load(out) as image:
        assert image["rgb"].shape == (5, 6, 3) and image["depth"].shape == (5, 6)


def test_vdb_level_set_is_refused(tmp_path):
    vdb = pytest.importorskip("pyopenvdb", reason="needs python3-openvdb")
    grid = vdb.createLevelSetSphere(radius=3.0)
    grid.name = "surface"
    vdb.write(str(tmp_path / "s.vdb"), grids=[grid])
    with pytest.raises(ValueError, match="level set"):
        reference.load_vdb(tmp_path / "s.vdb", "surface")


def test_smoke_volume_renders_alike_sparse_and_dense():
    path = DATA / "smoke.vdb"
    if not path.exists():
        skip_aloud(f"no {path.name} in the data folder; set DVREN_DATA")
    pytest.importorskip("pyopenvdb", reason="needs python3-openvdb")
    sparse = reference.load_vdb(path)
    assert (sparse.active_max - sparse.active_min + 1).tolist() == [111, 222, 112]
    camera = reference.default_orbit_camera(sparse.box_world_corners(), 32, 32)
    settings = reference.RenderSettings(sigma_scale=0.2, early_stop=0.0)
    a = reference.render_image(sparse, camera, settings)
    b = reference.render_image(reference.dense_from_sparse(sparse), camera, settings)
    assert 0.03 < a["hit"].mean() < 0.3
    assert a["opacity"][0, 0] == 0 and a["opacity"].max() > 0.99
    # The boxes differ by half a voxel, so only the first and last segments of a ray do.
    np.testing.assert_allclose(a["opacity"], b["opacity"], atol=1e-4)
    np.testing.assert_allclose(a["rgb"], b["rgb"], atol=1e-4)
