"""A client that has NumPy alone fits volumes and cameras with the daemon's gradients."""

import dataclasses
import time

import numpy as np
import pytest
from python_client import BOX, coloured_lumps, dvren, exp_rotation, moved, skew, tangent_between, view, voxel_centres


@pytest.fixture(scope="module")
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        yield connected


def minimise(loss_and_gradient, start, steps, first_step):
    """BFGS with a backtracking line search; the first step has the length given."""
    x = np.array(start, np.float64)
    loss, gradient = loss_and_gradient(x)
    inverse = np.eye(len(x)) * first_step / np.linalg.norm(gradient)
    for _ in range(steps):
        direction = -inverse @ gradient
        slope, length = direction @ gradient, 1.0
        while True:
            next_loss, next_gradient = loss_and_gradient(x + length * direction)
            if next_loss <= loss + 1e-4 * length * slope or length < 1e-6:
                break
            length /= 2
        if length < 1e-6:
            break
        s, y = length * direction, next_gradient - gradient
        x, loss, gradient = x + s, next_loss, next_gradient
        if s @ y > 1e-12 * np.linalg.norm(s) * np.linalg.norm(y):
            left = np.eye(len(x)) - np.outer(s, y) / (s @ y)
            inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    return x


def test_a_blob_is_found_from_its_images(client):
    """Amplitude, width and centre of a Gaussian; dL/d(values) times d(values)/d(parameter) is done by hand."""
    n = 24
    at = voxel_centres(n)

    def blob(parameters):
        amplitude, width, centre = parameters[0], parameters[1], parameters[2:]
        away = at - centre
        squared = (away**2).sum(-1)
        values = amplitude * np.exp(-squared / (2 * width**2))
        by = [values / amplitude, values * squared / width**3, *np.moveaxis(values[..., None] * away / width**2, -1, 0)]
        return values.astype(np.float32), np.stack(by)

    truth = np.array([4.0, 0.25, 0.15, -0.2, 0.1])
    cameras = [view(20, 15, 24, 24), view(110, -20, 24, 24), view(-80, 50, 24, 24)]
    options = {"step": 0.05, "color": (0.9, 0.6, 0.3)}
    client.fields.upload("blob", blob(truth)[0], box=BOX)
    images = [client.render("blob", camera, **options).rgb for camera in cameras]

    def loss_and_gradient(parameters):
        values, by = blob(parameters)
        field = client.fields.update("blob", values)
        loss, gradient = 0.0, np.zeros(len(parameters))
        for camera, image in zip(cameras, images):
            result = client.forward(field, camera, field_version=field.version, **options)
            difference = result.rgb - image
            loss += float((difference.astype(np.float64) ** 2).mean())
            d_values = client.backward(result.tape, rgb=2 * difference / difference.size).values
            gradient += (by * d_values[..., 0]).sum((1, 2, 3))
        return loss, gradient

    start = np.array([2.0, 0.4, -0.1, 0.1, -0.15])
    found = minimise(loss_and_gradient, start, steps=40, first_step=0.2)
    assert np.abs(found[:2] / truth[:2] - 1).max() < 0.01
    assert np.linalg.norm(found[2:] - truth[2:]) < 0.01 * np.linalg.norm(truth[2:])


def left_jacobian(w):
    """d exp(w + dw) = exp(J dw) exp(w)."""
    angle = np.linalg.norm(w)
    if angle < 1e-6:
        return np.eye(3) + skew(w) / 2
    k = skew(w)
    return np.eye(3) + (1 - np.cos(angle)) / angle**2 * k + (angle - np.sin(angle)) / angle**3 * k @ k


def test_a_camera_is_found_from_its_image(client):
    """From a start that is turned by 0.15 rad and moved by 0.2, more than one pixel in ten."""
    client.fields.upload("lumps", coloured_lumps(24), box=BOX)
    camera = view(25, 20, 48, 40)
    options = {"step": 0.05, "sigma_scale": 1.5, "aov": ("rgb", "depth")}
    image = client.render("lumps", camera, **options)
    perturbation = np.array([0.09, -0.1, 0.07, 0.12, -0.1, 0.12])
    start = moved(camera.camera_to_world, perturbation)

    def loss_and_gradient(tangent):
        pose = moved(start, tangent)
        result = client.forward("lumps", dataclasses.replace(camera, camera_to_world=pose), **options)
        rgb, depth = result.rgb - image.rgb, result.depth - image.depth
        loss = float((rgb.astype(np.float64) ** 2).mean() + 0.1 * (depth.astype(np.float64) ** 2).mean())
        adjoint = {"rgb": 2 * rgb / rgb.size, "depth": 0.2 * depth / depth.size}
        found = client.backward(result.tape, **adjoint, values=False, camera=True).camera
        return loss, np.concatenate([left_jacobian(tangent[:3]).T @ found.omega, found.v])

    found = minimise(loss_and_gradient, np.zeros(6), steps=60, first_step=0.05)
    left = tangent_between(camera.camera_to_world, moved(start, found))
    assert np.linalg.norm(left[:3]) < 0.01 * np.linalg.norm(perturbation[:3])
    assert np.linalg.norm(left[3:]) < 0.01 * np.linalg.norm(perturbation[3:])


def test_the_tangent_is_the_ambient_gradient_seen_from_the_group(client):
    """d(omega) = sum of the columns of R crossed with their gradients; v is the last column."""
    client.fields.upload("seen", coloured_lumps(16), box=BOX)
    camera = view(25, 20, 16, 12)
    result = client.forward("seen", camera, precision="f64", step=0.1)
    got = client.backward(result.tape, rgb=np.random.default_rng(1).normal(size=(12, 16, 3)), values=False, camera=True)
    pose, ambient = camera.camera_to_world, got.camera.camera_to_world
    omega = sum(np.cross(pose[:, i], ambient[:, i]) for i in range(3))
    np.testing.assert_allclose(got.camera.omega, omega, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(got.camera.v, ambient[:, 3], rtol=1e-12)
    assert np.linalg.norm(exp_rotation(omega) - np.eye(3)) > 0


def test_forward_has_the_bits_of_render_and_backward_those_of_any_tiling(client):
    client.fields.upload("bits", coloured_lumps(16), box=BOX)
    camera = view(25, 20, 70, 50)
    names = ("rgb", "opacity", "depth", "transmittance", "hit")
    options = {"step": 0.1, "sampling": "stratified", "seed": 7, "background": (0.1, 0.2, 0.3)}
    plain = client.render("bits", camera, aov=names, **options)
    adjoint = np.random.default_rng(1).normal(size=(50, 70, 3)).astype(np.float32)
    values = []
    for tile in (16, 33, 64):
        result = client.forward("bits", camera, aov=names, tile=tile, lease=30, **options)
        for name in names:
            np.testing.assert_array_equal(result[name], plain[name], err_msg=name)
        values.append(client.backward(result.tape, rgb=adjoint).values)
        np.testing.assert_array_equal(values[0], values[-1])
    assert result.tape.bytes > 0 and np.abs(values[0]).max() > 0
    part = client.forward("bits", camera, roi=(30, 10, 20, 25), **options)
    np.testing.assert_array_equal(part.rgb, plain.rgb[10:35, 30:50])
    only = np.zeros_like(adjoint)
    only[10:35, 30:50] = adjoint[10:35, 30:50]
    whole = client.forward("bits", camera, **options)
    np.testing.assert_array_equal(
        client.backward(part.tape, rgb=adjoint[10:35, 30:50], exponent=-40).values,
        client.backward(whole.tape, rgb=only, exponent=-40).values,
    )


def test_rays_have_the_gradients_of_the_image_they_make(client):
    client.fields.upload("rays", coloured_lumps(16), box=BOX)
    camera = view(25, 20, 24, 18)
    x, y = np.meshgrid(np.arange(24) + 0.5, np.arange(18) + 0.5)
    directions = (
        np.stack([(x - 12) / camera.fx, (y - 9) / camera.fy, np.ones_like(x)], -1) @ camera.camera_to_world[:, :3].T
    )
    directions = (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3)
    origins = np.tile(camera.camera_to_world[:, 3], (len(directions), 1))
    options = {"step": 0.1, "precision": "f64"}
    result = client.forward_rays("rays", origins, directions, aov=("rgb", "opacity"), **options)
    image = client.forward("rays", camera, aov=("rgb", "opacity"), **options)
    np.testing.assert_allclose(result.rgb, image.rgb.reshape(-1, 3), atol=1e-9)
    rng = np.random.default_rng(1)
    rgb, opacity = rng.normal(size=(432, 3)), rng.normal(size=432)
    of_rays = client.backward(result.tape, rgb=rgb, opacity=opacity, rays=True, dtype="f64")
    of_image = client.backward(
        image.tape, rgb=rgb.reshape(18, 24, 3), opacity=opacity.reshape(18, 24), camera=True, dtype="f64"
    )
    np.testing.assert_allclose(of_rays.values, of_image.values, atol=1e-8 * np.abs(of_image.values).max())
    assert of_rays.rays.origins.dtype == np.float64 and of_rays.rays.t_far.shape == (432,)
    np.testing.assert_allclose(of_rays.rays.origins.sum(0), of_image.camera.v, rtol=1e-7)


def test_a_tape_ends_with_its_pass_its_context_or_a_new_version(client):
    values = coloured_lumps(16)
    field = client.fields.upload("tapes", values, box=BOX)
    camera = view(25, 20, 16, 12)
    adjoint = np.ones((12, 16, 3), np.float32)
    tape = client.forward("tapes", camera).tape
    first = client.backward(tape, rgb=adjoint, keep_tape=True).values
    np.testing.assert_array_equal(client.backward(tape, rgb=adjoint).values, first)
    with client.forward("tapes", camera).tape as tape:
        again = dvren.Tape.__new__(dvren.Tape)
        again.__dict__.update(tape.__dict__)
    with pytest.raises(dvren.NotFoundError, match="tapes/"):
        client.backward(again, rgb=adjoint)
    stale = client.forward("tapes", camera).tape
    changed = client.fields.update("tapes", values[::-1].copy(), expected_version=field.version)
    assert changed.version > field.version
    with pytest.raises(dvren.AbortedError, match="version"):
        client.backward(stale, rgb=adjoint)
    stale.release()
    stale.release()
    with pytest.raises(dvren.AbortedError, match="version"):
        client.fields.update("tapes", values, expected_version=field.version)
    np.testing.assert_array_equal(client.fields.download("tapes"), values[::-1])


def test_values_beyond_one_message_are_updated_by_an_upload(client):
    rng = np.random.default_rng(1)
    values = rng.random((96, 96, 96), dtype=np.float32)  # 3.4 MiB
    client.fields.upload("large", values, box=BOX)
    changed = client.fields.update("large", values[::-1].copy(), expected_version=1)
    assert changed.version > 1
    np.testing.assert_array_equal(client.fields.download("large")[..., 0], values[::-1])


def test_gradients_add_up_in_the_field(client):
    client.fields.upload("sum", coloured_lumps(16), box=BOX)
    cameras = [view(azimuth, 10, 16, 12) for azimuth in (0, 100)]
    adjoint = np.random.default_rng(1).normal(size=(12, 16, 3)).astype(np.float32)
    with pytest.raises(dvren.FailedPreconditionError):
        client.fields.gradient("sum")
    client.fields.zero_gradients("sum", exponent=-40)
    parts = []
    for camera in cameras:
        tape = client.forward("sum", camera).tape
        parts.append(client.backward(tape, rgb=adjoint, exponent=-40, dtype="f64", keep_tape=True).values)
        got = client.backward(tape, rgb=adjoint, accumulate=True, values=False)
        assert got.values is None and got.value_stats.count > 0
    summed = client.fields.gradient("sum", dtype="f64")
    np.testing.assert_array_equal(summed.values, parts[0] + parts[1])
    assert summed.exponent == -40 and summed.values.shape == (16, 16, 16, 4)
    client.fields.zero_gradients("sum")
    tape = client.forward("sum", cameras[0]).tape
    client.backward(tape, rgb=adjoint, accumulate=True)
    np.testing.assert_allclose(client.fields.gradient("sum").values, parts[0], atol=1e-6 * np.abs(parts[0]).max())


@pytest.mark.parametrize("activation", ["softplus", "exp", "trunc_exp"])
def test_activations_take_any_value_and_have_gradients(client, activation):
    """d(image)/d(raw value) against central differences, all voxels moved together."""
    raw = (np.random.default_rng(1).normal(size=(8, 8, 8)) - 0.5).astype(np.float32)
    name = f"raw-{activation}"
    field = client.fields.upload(name, raw, box=BOX, activation=activation)
    assert field.dense_grid.activation == client.fields.get(name).dense_grid.activation == activation
    camera = view(25, 20, 16, 12)
    options = {"precision": "f64", "step": 0.1, "aov": "opacity", "early_stop": 0}
    result = client.forward(name, camera, **options)
    got = client.backward(result.tape, opacity=np.ones((12, 16)), dtype="f64").values
    h = 2.0**-10
    sums = []
    for sign in (1, -1):
        client.fields.update(name, (raw + sign * h).astype(np.float32))
        sums.append(client.render(name, camera, **options).opacity.sum())
    assert got.sum() == pytest.approx((sums[0] - sums[1]) / (2 * h), rel=1e-4)


def test_a_stream_of_rays_has_the_bits_of_tapes(client):
    client.fields.upload("stream", coloured_lumps(12), box=BOX)
    rng = np.random.default_rng(4)
    origins = rng.normal(size=(300, 3)) * 0.2 + [0, 0, -3]
    directions = rng.uniform(-0.5, 0.5, size=(300, 3)) - origins
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    adjoint = rng.normal(size=(300, 3)).astype(np.float32)
    options = {"step": 0.1, "sigma_scale": 1.5, "aov": ("rgb", "depth")}
    want = {"scene": True, "rays": True}
    client.fields.zero_gradients("stream", exponent=-40)
    summed = np.zeros((12, 12, 12, 4))
    with client.stream_rays("stream", accumulate=True, dt=True, **want, **options) as stream:
        for first in range(0, 300, 100):
            part = slice(first, first + 100)
            got = stream.send(origins[part], directions[part], rgb=adjoint[part])
            result = client.forward_rays("stream", origins[part], directions[part], **options)
            taped = client.backward(result.tape, rgb=adjoint[part], step=True, exponent=-40, dtype="f64", **want)
            for name in ("rgb", "depth"):
                np.testing.assert_array_equal(got[name], result[name])
            np.testing.assert_array_equal(got.rays.origins, taped.rays.origins)
            np.testing.assert_array_equal(got.rays.directions, taped.rays.directions)
            assert (got.dt, got.scene.sigma_scale) == (taped.dt, taped.scene.sigma_scale)
            summed += taped.values
        assert stream.send(origins, directions).rays is None, "forward alone"
    np.testing.assert_array_equal(client.fields.gradient("stream", dtype="f64").values, summed)
    with pytest.raises(dvren.NotFoundError, match="nowhere"):
        with client.stream_rays("nowhere") as stream:
            stream.send(origins, directions)


# ---- every gradient has the slope of the images ----------------------------------------------------------------------

SLOPE = 1e-7  # step of differences: so small that hardly a sample crosses a face, where slopes jump
AOVS = ("rgb", "opacity", "transmittance", "depth")


def image_adjoints(height, width):
    rng = np.random.default_rng(9)
    return {name: rng.uniform(0.5, 1.5, (height, width, 3) if name == "rgb" else (height, width)) for name in AOVS}


def loss(result, adjoints):
    return sum(float((adjoints[name] * result[name]).sum()) for name in adjoints)


def slope_of(loss_at, at, h):
    """Of loss_at(value) in every element of the number or array `at`."""
    at = np.array(at, np.float64)
    out = np.zeros(at.shape)
    for i in np.ndindex(at.shape):
        losses = []
        for sign in (1, -1):
            changed = at.copy()
            changed[i] += sign * h
            losses.append(loss_at(changed))
        out[i] = (losses[0] - losses[1]) / (2 * h)
    return out


CAMERAS = {
    "pinhole": {"cx": 8.3, "cy": 5.6, "distortion": {"k1": -0.1, "k2": 0.03, "k3": 0.01, "p1": 0.01, "p2": -0.02}},
    "fisheye": {"cx": 7.7, "distortion": {"k1": 0.05, "k2": -0.02, "k3": 0.01, "k4": -0.005}},
    "orthographic": {"ortho_scale": 2.3},
}


@pytest.mark.parametrize("convention", ["opencv", "opengl"])
@pytest.mark.parametrize("model", CAMERAS)
def test_every_parameter_of_every_camera(client, model, convention):
    name = f"camera-{model}-{convention}"
    client.fields.upload(name, coloured_lumps(12), box=BOX)
    base = view(25, 20, 16, 12).to_json()
    if model == "orthographic":
        base = {key: value for key, value in base.items() if key not in ("fx", "fy")}
    if convention == "opengl":
        base["camera_to_world"] = (np.array(base["camera_to_world"]) * [1, -1, -1, 1]).tolist()
    base.update(CAMERAS[model], model=model, convention=convention, t_near=2.6, t_far=3.87)
    options = {"step": 0.1, "precision": "f64", "aov": AOVS, "early_stop": 0, "background": (0.1, 0.2, 0.3)}
    adjoints = image_adjoints(12, 16)

    def loss_with(**changed):
        return loss(client.render(name, {**base, **changed}, **options), adjoints)

    result = client.forward(name, base, **options)
    got = client.backward(result.tape, **adjoints, values=False, camera=True).camera
    near = {"rtol": 1e-4, "atol": 1e-4 * np.abs(got.camera_to_world).max()}
    pose = np.array(base["camera_to_world"])
    np.testing.assert_allclose(
        got.camera_to_world, slope_of(lambda p: loss_with(camera_to_world=p), pose, SLOPE), **near
    )
    tangent = slope_of(lambda t: loss_with(camera_to_world=moved(pose, t)), np.zeros(6), SLOPE)
    np.testing.assert_allclose(np.concatenate([got.omega, got.v]), tangent, **near)
    lens = ("ortho_scale",) if model == "orthographic" else ("fx", "fy", "cx", "cy")
    for key in (*lens, "t_near", "t_far"):
        at = getattr(result.camera, key)
        at = {"cx": 8.0, "cy": 6.0}[key] if at is None else at
        want = slope_of(lambda x, key=key: loss_with(**{key: float(x)}), at, SLOPE)
        np.testing.assert_allclose(getattr(got, key), want, rtol=1e-4, atol=1e-4, err_msg=key)
    for key, at in base.get("distortion", {}).items():
        want = slope_of(lambda x, key=key: loss_with(distortion={**base["distortion"], key: float(x)}), at, SLOPE)
        np.testing.assert_allclose(got.distortion[key], want, rtol=1e-4, atol=1e-4, err_msg=key)


def test_every_parameter_of_the_scene_and_the_step(client):
    client.fields.upload("scalar", coloured_lumps(12)[..., 3], box=BOX)
    camera = view(25, 20, 16, 12)
    at = {
        "sigma_scale": 0.8,
        "background": (0.1, 0.2, 0.3),
        "step": 0.07,
        "transfer": {"density": [0.1, 0.9, 3.1], "rgb": [[0.1, 0.2, 0.9], [0.9, 0.1, 0.2], [0.3, 1.2, 0.1]]},
    }
    options = {"precision": "f64", "aov": AOVS, "early_stop": 0}
    adjoints = image_adjoints(12, 16)

    def loss_with(**changed):
        return loss(client.render("scalar", camera, **{**at, **changed}, **options), adjoints)

    result = client.forward("scalar", camera, **at, **options)
    got = client.backward(result.tape, **adjoints, values=False, scene=True, step=True)
    near = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(got.scene.background, slope_of(lambda x: loss_with(background=x), (0.1, 0.2, 0.3), 1e-5))
    want = slope_of(lambda x: loss_with(sigma_scale=float(x)), 0.8, SLOPE)
    np.testing.assert_allclose(got.scene.sigma_scale, want, **near)
    np.testing.assert_allclose(got.dt, slope_of(lambda x: loss_with(step=float(x)), 0.07, 1e-9), **near)
    knots = at["transfer"]
    want = slope_of(lambda x: loss_with(transfer={**knots, "density": x}), knots["density"], SLOPE)
    np.testing.assert_allclose(got.scene.knot_density, want, **near)
    want = slope_of(lambda x: loss_with(transfer={**knots, "rgb": x}), knots["rgb"], SLOPE)
    np.testing.assert_allclose(got.scene.knot_rgb, want, **near)


def test_every_parameter_of_rays(client):
    client.fields.upload("of-rays", coloured_lumps(12), box=BOX)
    rng = np.random.default_rng(4)
    origins = rng.normal(size=(5, 3)) * 0.2 + [0.1, 0, -3]
    directions = rng.uniform(-0.5, 0.5, size=(5, 3)) - origins
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    at = {"origins": origins, "t_near": rng.uniform(2.3, 2.6, 5), "t_far": rng.uniform(3.2, 3.6, 5)}
    options = {"precision": "f64", "aov": AOVS, "early_stop": 0, "step": 0.1}
    adjoints = {name: values[0] for name, values in image_adjoints(1, 5).items()}
    result = client.forward_rays("of-rays", **at, directions=directions, **options)
    got = client.backward(result.tape, **adjoints, values=False, rays=True).rays

    def loss_with(**changed):
        return loss(client.render_rays("of-rays", **{**at, "directions": directions, **changed}, **options), adjoints)

    for key, value in at.items():
        want = slope_of(lambda x, key=key: loss_with(**{key: x}), value, SLOPE)
        np.testing.assert_allclose(getattr(got, key), want, rtol=1e-4, atol=1e-4, err_msg=key)
    for tangent in np.eye(3):  # directions stay on the unit sphere
        across = np.cross(directions, tangent)

        def turned(x, across=across):
            d = directions + x * across
            return loss_with(directions=d / np.linalg.norm(d, axis=1, keepdims=True))

        want = slope_of(turned, 0.0, SLOPE)
        np.testing.assert_allclose((got.directions * across).sum(), want, rtol=1e-4, atol=1e-4)


# ---- what the daemon refuses -----------------------------------------------------------------------------------------


def test_sums_that_leave_their_range_are_an_error_and_the_tape_stays(client):
    client.fields.upload("range", coloured_lumps(12), box=BOX)
    tape = client.forward("range", view(25, 20, 16, 12)).tape
    with pytest.raises(dvren.OutOfRangeError, match="exponent"):
        client.backward(tape, rgb=np.full((12, 16, 3), 1e10, np.float32), exponent=-60)
    got = client.backward(tape, rgb=np.full((12, 16, 3), 1e10, np.float32))
    assert np.isfinite(got.values).all() and np.abs(got.values).max() > 0
    with pytest.raises(dvren.InvalidArgumentError, match="exponent"):
        client.fields.zero_gradients("range", exponent=61)


def test_a_tape_is_gone_when_its_lease_is_over(client):
    client.fields.upload("lease", coloured_lumps(12), box=BOX)
    tape = client.forward("lease", view(25, 20, 16, 12), lease=1).tape
    time.sleep(2.5)
    with pytest.raises(dvren.NotFoundError, match="tape"):
        client.backward(tape, rgb=np.ones((12, 16, 3), np.float32))
    tape.release()


def test_half_precision_fields_take_half_precision_values(client):
    values = coloured_lumps(12).astype(np.float16)
    client.fields.upload("half", values, box=BOX)
    field = client.fields.update("half", values[::-1].copy())
    np.testing.assert_array_equal(client.fields.download("half"), values[::-1])
    result = client.forward(field, view(25, 20, 16, 12))
    assert client.backward(result.tape, rgb=np.ones((12, 16, 3), np.float32)).values.dtype == np.float32
