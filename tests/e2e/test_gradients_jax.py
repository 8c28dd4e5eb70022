"""jax.grad of a render is what PyTorch finds."""

import os
import subprocess

import numpy as np
import pytest
from jax_venv import jax_python  # noqa: F401

pytest.importorskip("torch", reason="needs PyTorch (./dev setup)")

HERE = os.path.dirname(os.path.abspath(__file__))


SCRIPT = """
import sys
import numpy as np
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/../support"]
from python_client import BOX, coloured_lumps, dvren, view
import jax
import jax.numpy as jnp
import torch
import dvren.jax
import dvren.torch

jax.config.update("jax_enable_x64", True)
precision = sys.argv[3]
dtype = np.float64 if precision == "f64" else np.float32
values = coloured_lumps(12)[..., 3].astype(dtype)
camera = view(25, 20, 24, 20)
rng = np.random.default_rng(1)
weights = [rng.normal(size=(20, 24, 3)).astype(dtype), rng.normal(size=(20, 24)).astype(dtype)]
given = {
    "values": values,
    "camera_to_world": camera.camera_to_world.astype(dtype),
    "focal": np.array([camera.fx, camera.fy], dtype),
    "sigma_scale": np.array(1.5, dtype),
    "background": np.array([0.1, 0.2, 0.3], dtype),
    "color": np.array([0.9, 0.5, 0.2], dtype),
}
client = dvren.connect(sys.argv[2])
name = f"lumps-{precision}"
client.fields.upload(name, values.astype(np.float32), box=BOX)
options = {"aov": ("rgb", "depth"), "step": 0.1, "precision": precision}
view_ = dvren.jax.View(client, name, camera, **options)

def loss(inputs):
    rgb, depth = dvren.jax.render(view_, **inputs)
    return (rgb**2 * weights[0]).sum() + (depth * weights[1]).sum()

value, gradients = jax.jit(jax.value_and_grad(loss))({k: jnp.asarray(v) for k, v in given.items()})
out = {f"jax/{k}": np.asarray(v) for k, v in {**gradients, "loss": value}.items()}

client.fields.upload(f"{name}-torch", values.astype(np.float32), box=BOX)
renderer = dvren.torch.VolumeRenderer(client, f"{name}-torch", learn=(), camera=camera, **options)
inputs = {k: torch.from_numpy(v).requires_grad_() for k, v in given.items()}
rgb, depth = renderer(**inputs)
total = (rgb**2 * torch.from_numpy(weights[0])).sum() + (depth * torch.from_numpy(weights[1])).sum()
total.backward()
out.update({f"torch/{k}": v.grad.numpy() for k, v in inputs.items()}, **{"torch/loss": total.detach().numpy()})

# Larger than what JAX's CPU backend copies at once, and several calls in flight.
large = jnp.asarray(np.random.default_rng(2).random((64, 64, 64), dtype=np.float32))
client.fields.upload(f"{name}-large", np.asarray(large), box=BOX)
wide = dvren.jax.View(client, f"{name}-large", view(0, 0, 256, 256), step=0.5)
grad = jax.jit(jax.grad(lambda v: dvren.jax.render(wide, v).sum()))
out["large"] = np.asarray(sum(grad(large * k) for k in (1.0, 2.0)))
np.savez(sys.argv[4], **out)
"""


@pytest.mark.parametrize(("precision", "rtol"), [("f64", 1e-6), ("f32", 1e-6)])
def test_jax_and_pytorch_agree(daemon, jax_python, tmp_path, precision, rtol):  # noqa: F811
    out = tmp_path / "out.npz"
    command = [jax_python, "-c", SCRIPT, HERE, daemon.endpoint, precision, out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(out) as found:
        names = [name.split("/")[1] for name in found if name.startswith("jax/")]
        assert set(names) == {"values", "camera_to_world", "focal", "sigma_scale", "background", "color", "loss"}
        for name in names:
            jax, torch = found[f"jax/{name}"], found[f"torch/{name}"]
            assert jax.dtype == torch.dtype and np.abs(torch).max() > 0, name
            np.testing.assert_allclose(jax, torch, rtol=rtol, atol=rtol * np.abs(torch).max(), err_msg=name)
        assert found["large"].shape == (64, 64, 64) and np.abs(found["large"]).max() > 0


def test_the_units_of_dvren_jax_pass_here(jax_python):  # noqa: F811
    units = os.path.join(HERE, "..", "unit", "python", "test_jax.py")
    done = subprocess.run(
        [jax_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", units], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout[-4000:] + done.stderr[-1000:]
