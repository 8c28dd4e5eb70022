"""dvren.jax against the fake daemon, whose images are linear in every input."""

import numpy as np
import pytest

import dvren

jax = pytest.importorskip("jax", reason="needs JAX, which Debian has not (pip install 'dvren[jax]')")

import jax.numpy as jnp  # noqa: E402

import dvren.jax  # noqa: E402

CAMERA = dvren.Camera(5, 4, np.eye(3, 4), fx=3, fy=2)
VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 16


@pytest.fixture(autouse=True)
def field(client, daemon):
    daemon.differentiable = True
    return client.fields.upload("cloud", VALUES)


def test_gradients_of_every_input(client, daemon):
    view = dvren.jax.View(client, "cloud", CAMERA, aov=("rgb", "depth"))
    inputs = {
        "camera_to_world": jnp.eye(3, 4),
        "focal": jnp.array([3.0, 2.0]),
        "sigma_scale": jnp.float32(1.5),
        "background": jnp.array([0.1, 0.2, 0.3]),
        "color": jnp.array([0.5, 0.25, 0.75]),
    }

    def loss(values, inputs):
        rgb, depth = dvren.jax.render(view, values, **inputs)
        return rgb.sum() + depth.sum()

    for values in (jnp.asarray(VALUES), jnp.asarray(VALUES[..., None], jnp.bfloat16)):
        d_values, found = jax.jit(jax.grad(loss, argnums=(0, 1)))(values, inputs)
        dm = 3 * 4 * 15 + 20.0
        assert d_values.shape == values.shape and d_values.dtype == values.dtype
        np.testing.assert_allclose(np.asarray(d_values, np.float32), dm * 1.5 / 24, rtol=4e-3)
        np.testing.assert_allclose(found["camera_to_world"].ravel(), dm * np.linspace(0.1, 1.2, 12), rtol=1e-5)
        np.testing.assert_allclose(found["focal"], [dm / 2, dm / 4], rtol=1e-5)
        np.testing.assert_allclose(found["sigma_scale"], dm * VALUES.mean(), rtol=1e-5)
        np.testing.assert_allclose(found["background"], [20, 20, 20], rtol=1e-5)
        np.testing.assert_allclose(found["color"], [dm / 2, dm / 4, dm / 8], rtol=1e-5)
    assert not daemon.tapes and daemon.released


def test_a_plain_call_renders(client, daemon):
    view = dvren.jax.View(client, "cloud", CAMERA)
    image = dvren.jax.render(view)
    assert image.shape == (4, 5, 3) and image.dtype == jnp.float32 and "Forward" not in daemon.last
    np.testing.assert_array_equal(image, client.render("cloud", CAMERA).rgb)


def test_what_does_not_fit_is_refused(client):
    view = dvren.jax.View(client, "cloud", CAMERA)
    for options, message in [
        ({"values": np.zeros((2, 3, 4), int)}, "values.dtype = int32: must be floating-point"),
        ({"focal": jnp.zeros(3)}, r"focal.shape = \(3,\): must be \(2,\)"),
    ]:
        with pytest.raises(dvren.InvalidArgumentError, match=message):
            dvren.jax.render(view, **options)
    with pytest.raises(dvren.InvalidArgumentError, match="precision = f64: JAX has no float64 yet"):
        dvren.jax.View(client, "cloud", CAMERA, precision="f64")
    with pytest.raises(dvren.InvalidArgumentError, match="aov = hit: must be of"):
        dvren.jax.View(client, "cloud", CAMERA, aov="hit")
