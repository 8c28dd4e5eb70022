"""dvren.torch against the fake daemon, whose images are linear in every input: what is sent when, tapes, dtypes,
errors. PyTorch's own gradcheck holds gradients against images."""

import gc
import subprocess
import sys
import time

import numpy as np
import pytest

import dvren

torch = pytest.importorskip("torch", reason="needs PyTorch (./dev setup)")

import dvren.torch  # noqa: E402
from conftest import CLIENT  # noqa: E402

POSE = [[0.6, 0.0, -0.8, 1.0], [0.0, 1.0, 0.0, 2.0], [0.8, 0.0, 0.6, 3.0]]
CAMERA = dvren.Camera(5, 4, POSE, fx=3, fy=2)
VALUES = torch.arange(24.0).reshape(2, 3, 4) / 16


@pytest.fixture(autouse=True)
def differentiable(daemon):
    daemon.differentiable = True


@pytest.fixture
def renderer(client):
    return dvren.torch.VolumeRenderer.from_values(client, "cloud", VALUES, camera=CAMERA, sigma_scale=2.0)


def eventually(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def count_calls(daemon, name):
    """Counts from now on; the list grows with each call."""
    calls, method = [], getattr(daemon, name)
    setattr(daemon, name, lambda request, context: calls.append(request) or method(request, context))
    return calls


def test_a_loss_reaches_the_values(renderer, daemon):
    image = renderer()
    assert image.shape == (4, 5, 3) and image.dtype == torch.float32 and image.requires_grad
    image.square().sum().backward()
    x = torch.arange(5.0)[None, :, None]
    want = (2 * image.detach() * (x + 1)).sum() * 2 / 24
    torch.testing.assert_close(renderer.values.grad, want.expand(2, 3, 4), rtol=1e-5, atol=0)
    assert daemon.released == ["tapes/1"] and not daemon.tapes


def test_values_are_sent_when_they_changed_and_only_then(renderer, daemon, client):
    updates = count_calls(daemon, "UpdateField")
    renderer(), renderer()
    assert not updates, "from_values has uploaded them"
    with torch.no_grad():
        renderer.values[0, 0, 0] = 7
    renderer(), renderer()
    assert len(updates) == 1 and updates[0].expected_version == 1 and renderer.field.version == 2
    renderer.values.data[0, 0, 0] = 8  # a write that PyTorch's version counter misses
    renderer()
    assert len(updates) == 2 and client.fields.download("cloud")[0, 0, 0, 0] == 8


def test_another_writer_is_told(renderer, client):
    client.fields.update("cloud", VALUES.numpy())
    with pytest.raises(dvren.AbortedError, match="field_version = 1: is 2"):
        renderer()


def test_without_gradients_it_is_a_render_without_tape(renderer, daemon):
    with torch.no_grad():
        image = renderer(aov=("opacity", "rgb"))
    assert "Forward" not in daemon.last and [i.shape for i in image] == [(4, 5), (4, 5, 3)]
    assert not image[0].requires_grad
    torch.testing.assert_close(image[1], renderer().detach(), rtol=0, atol=0)


def test_a_dropped_graph_releases_its_tape(renderer, daemon):
    image = renderer()
    assert len(daemon.tapes) == 1
    del image
    gc.collect()
    eventually(lambda: daemon.released == ["tapes/1"])


def test_a_second_backward_renders_again(renderer, daemon):
    loss = renderer().sum()
    loss.backward(retain_graph=True)
    once = renderer.values.grad.clone()
    loss.backward()
    torch.testing.assert_close(renderer.values.grad, 2 * once)
    assert daemon.released == ["tapes/1", "tapes/2"] and not daemon.tapes


def test_views_may_share_one_backward(renderer, daemon):
    losses = [renderer(CAMERA).sum() for _ in range(3)]
    assert len(daemon.tapes) == 3
    sum(losses).backward()
    assert len(daemon.released) == 3 and not daemon.tapes


def test_a_tape_that_is_gone_is_rendered_again(renderer, daemon):
    loss = renderer().sum()
    daemon.tapes.clear()
    loss.backward()
    assert renderer.values.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gradients_have_their_inputs_dtype(client, daemon, dtype):
    renderer = dvren.torch.VolumeRenderer.from_values(
        client, "cloud", VALUES.to(dtype), learn=("values", "sigma_scale", "background"), camera=CAMERA
    )
    renderer().mean().backward()
    for parameter in renderer.parameters():
        assert parameter.dtype == parameter.grad.dtype == dtype and parameter.grad.abs().sum() > 0
    assert len(list(renderer.parameters())) == 3
    np.testing.assert_array_equal(client.fields.download("cloud")[..., 0], VALUES)
    assert (daemon.last["Backward"].want.dtype == 2) == (dtype == torch.float64)


def test_only_what_needs_a_gradient_is_asked_for(renderer, daemon, client):
    scale = torch.tensor(2.0, requires_grad=True)
    renderer.values.requires_grad_(False)
    renderer(sigma_scale=scale, aov=("rgb", "depth"))[1].sum().backward()
    want = daemon.last["Backward"].want
    assert want.scene and not want.values and not want.camera and not want.rays
    (tile,) = daemon.adjoint_tiles
    assert len(tile.images) == 1, "rgb had no part in the loss"
    assert scale.grad == pytest.approx(20 * float(VALUES.mean()), rel=1e-6)


def test_gradcheck_of_every_input(client):
    """The fake daemon stores float32: values on a grid of 1/16 and steps of 2^-10 are exact in it."""
    renderer = dvren.torch.VolumeRenderer.from_values(client, "cloud", VALUES, precision="f64")

    def images(values, xi, focal, sigma_scale, background, color):
        return renderer(
            CAMERA,
            values=values,
            xi=xi,
            focal=focal,
            sigma_scale=sigma_scale,
            background=background,
            color=color,
            aov=("rgb", "opacity", "depth", "transmittance"),
        )

    inputs = [
        VALUES.double()[:, :, :1].repeat(1, 1, 4),
        torch.tensor([0.3, -0.2, 0.5, 0.1, 0.2, 0.3]),
        torch.tensor([3.0, 2.0]),
        torch.tensor(1.5),
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([0.5, 0.25, 0.75]),
    ]
    inputs = [x.double().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(images, inputs, eps=2**-10, atol=1e-5, rtol=1e-5)
    pose = torch.tensor(POSE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: renderer(CAMERA, camera_to_world=p), [pose], eps=2**-10)


def test_rays_have_gradients(renderer, daemon):
    origins = torch.zeros(6, 3, requires_grad=True)
    directions = torch.tensor([[0.0, 0, 1]]).repeat(6, 1).requires_grad_()
    rgb, depth = renderer.rays(origins, directions, t_near=0.5, aov=("rgb", "depth"))
    assert rgb.shape == (6, 3) and depth.shape == (6,)
    (rgb.sum() + depth.sum()).backward()
    dm = 3 * 21 + 6
    assert (origins.grad == dm).all() and (directions.grad == dm).all() and renderer.values.grad is not None
    with torch.no_grad():
        daemon.last["ray_counts"] = []
        renderer.rays(origins, directions)
    assert daemon.last["ray_counts"] == [6]


def test_a_pose_is_learnt_as_a_tangent_or_as_a_matrix(client, daemon):
    client.fields.upload("cloud", VALUES.numpy())
    turn = dvren.torch.VolumeRenderer(client, "cloud", learn=("xi", "focal"), camera=CAMERA, precision="f64")
    assert {n: tuple(p.shape) for n, p in turn.named_parameters()} == {"xi": (6,), "focal": (2,)}
    assert turn.xi.dtype == torch.float64 and turn.focal.tolist() == [3, 2] and turn.values.shape == (2, 3, 4, 1)
    turn().sum().backward()
    sent = np.reshape(daemon.last["Forward"].image.camera.camera_to_world.m, (3, 4))
    np.testing.assert_allclose(sent, POSE, atol=1e-15)
    with torch.no_grad():
        turn.xi[:] = torch.tensor([0, np.pi / 2, 0, 1, 2, 3])
        turn()
    sent = np.reshape(daemon.last["Render"].camera.camera_to_world.m, (3, 4))
    np.testing.assert_allclose(sent[:, 3], [2, 4, 6])
    np.testing.assert_allclose(sent[:, :3], [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]], atol=1e-15)
    free = dvren.torch.VolumeRenderer(client, "cloud", learn=("camera_to_world",), camera=CAMERA)
    free().sum().backward()
    weights = torch.linspace(0.1, 1.2, 12).reshape(3, 4)
    torch.testing.assert_close(free.camera_to_world.grad / free.camera_to_world.grad[0, 0], weights / 0.1)


def test_a_nanovdb_field_lends_its_pose(client, daemon, tmp_path):
    (tmp_path / "a.vdb").write_bytes(b"a grid")
    client.fields.import_file("leaves", tmp_path / "a.vdb")
    with pytest.raises(dvren.InvalidArgumentError, match="values = given or learnt: nanovdb fields take no new values"):
        dvren.torch.VolumeRenderer(client, "leaves")
    renderer = dvren.torch.VolumeRenderer(client, "leaves", learn=("xi",))
    renderer(CAMERA).sum().backward()
    assert renderer.xi.grad.abs().sum() > 0 and "values" not in renderer.state_dict()


def test_it_trains_and_its_state_can_be_saved(renderer, client):
    target = torch.full((4, 5, 3), 5.0)
    optimizer = torch.optim.SGD(renderer.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (renderer() - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    state = renderer.state_dict()
    assert set(state) == {"values", "sigma_scale"}
    blank = torch.zeros_like(VALUES)
    other = dvren.torch.VolumeRenderer.from_values(client, "other", blank, sigma_scale=1.0, camera=CAMERA)
    other.load_state_dict(state)
    torch.testing.assert_close(other(), renderer(), rtol=0, atol=0)
    assert "'cloud', fields/1, learn=('values',)" in repr(renderer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": torch.zeros(2, 3, 4, dtype=torch.int32)}, "values.dtype = torch.int32: must be a floating-point"),
        ({"values": torch.zeros(2, 3, 4, device="meta")}, r"values.device = meta: must be on the CPU, .* use .cpu\(\)"),
        ({"values": torch.zeros(2, 3, 5)}, r"array.shape = \(2, 3, 5\): must be \(2, 3, 4, 1\)"),
        ({"values": np.zeros((2, 3, 4))}, "values.dtype = float64: must be a floating-point tensor"),
        ({"xi": torch.zeros(3)}, r"xi.shape = \(3,\): must be \(6,\)"),
        ({"camera_to_world": torch.zeros(4, 4)}, r"camera_to_world.shape = \(4, 4\): must be \(3, 4\)"),
        ({"sigma_scale": torch.zeros(2)}, r"sigma_scale.shape = \(2,\): must be one number"),
        ({"background": torch.zeros(2)}, r"background.shape = \(2,\): must be \(3,\)"),
        ({"aov": "hit"}, "aov = hit: must be of rgb, opacity, transmittance, depth"),
        ({"aov": ()}, "aov = .*: must be of rgb"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(renderer, daemon, options, message):
    with pytest.raises(dvren.InvalidArgumentError, match=message):
        renderer(CAMERA, **options)
    assert "Forward" not in daemon.last and "UpdateField" not in daemon.last


def test_a_module_says_what_it_lacks(client, renderer):
    make = dvren.torch.VolumeRenderer
    with pytest.raises(dvren.InvalidArgumentError, match="camera = None: give a dvren.Camera to the module or"):
        make(client, "cloud")()
    with pytest.raises(dvren.InvalidArgumentError, match="learn = .*: must be a sequence of some of values, xi"):
        make(client, "cloud", learn=("density",))
    with pytest.raises(dvren.InvalidArgumentError, match="learn = values: must be a sequence"):
        make(client, "cloud", learn="values")
    with pytest.raises(dvren.InvalidArgumentError, match="two ways to the same pose"):
        make(client, "cloud", learn=("xi", "camera_to_world"), camera=CAMERA)
    flat = dvren.Camera(5, 4, POSE, model="orthographic", ortho_scale=1)
    with pytest.raises(dvren.InvalidArgumentError, match="learn = focal: orthographic cameras have none"):
        make(client, "cloud", learn=("focal",), camera=flat)


def test_there_is_no_second_derivative(renderer):
    (gradient,) = torch.autograd.grad(renderer().square().sum(), renderer.values, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("package", "remedy"), [("torch", "needs PyTorch: pip install"), ("jax", "needs JAX: pip install")]
)
def test_without_its_framework_a_module_says_so(package, remedy):
    script = f"import sys; sys.modules[{package!r}] = None; import dvren; import dvren.{package}"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(CLIENT / "src")}, capture_output=True, text=True
    )
    assert done.returncode == 1 and f"ImportError: dvren.{package} {remedy}" in done.stderr
