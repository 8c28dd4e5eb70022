"""dvren.torch against a real daemon: fits with Adam, gradcheck, every float dtype, two processes with one model."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from daemon_process import DaemonProcess
from python_client import BOX, coloured_lumps, dvren, moved, tangent_between, view, voxel_centres

torch = pytest.importorskip("torch", reason="needs PyTorch (./dev setup)")

import dvren.torch  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        yield connected


def descend(parameters, loss_of, steps, lr):
    """Adam, its rate falling to 2 % of lr along a cosine."""
    optimizer = torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.97))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0.02 * lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        schedule.step()


# ---- fits ------------------------------------------------------------------------------------------------------------


def test_adam_finds_a_blob_from_its_images(client):
    """Amplitude, width and centre of a Gaussian; PyTorch takes dL/d(values) on to them."""
    at = torch.from_numpy(voxel_centres(24)).float()

    def blob(amplitude, width, centre):
        return amplitude * torch.exp(-((at - centre) ** 2).sum(-1) / (2 * width**2))

    truth = (torch.tensor(4.0), torch.tensor(0.25), torch.tensor([0.15, -0.2, 0.1]))
    renderer = dvren.torch.VolumeRenderer.from_values(client, "blob", blob(*truth), box=BOX, aov="opacity", step=0.1)
    cameras = [view(20, 15, 20, 20), view(110, -20, 20, 20)]
    with torch.no_grad():
        images = [renderer(camera) for camera in cameras]
    log_amplitude = torch.tensor(np.log(2.0), requires_grad=True)
    log_width = torch.tensor(np.log(0.4), requires_grad=True)
    centre = torch.tensor([-0.1, 0.1, -0.15], requires_grad=True)

    def loss():
        values = blob(log_amplitude.exp(), log_width.exp(), centre).float()
        return sum((renderer(c, values=values) - image).square().mean() for c, image in zip(cameras, images))

    descend([log_amplitude, log_width, centre], loss, steps=250, lr=0.06)
    assert abs(float(log_amplitude.exp() / truth[0] - 1)) < 0.01
    assert abs(float(log_width.exp() / truth[1] - 1)) < 0.01
    assert float((centre - truth[2]).norm() / truth[2].norm()) < 0.01


def test_adam_finds_a_camera_from_its_image(client):
    client.fields.upload("lumps", coloured_lumps(24), box=BOX)
    camera = view(25, 20, 32, 24, distance=2.2, fov_deg=80)
    perturbation = np.array([0.06, -0.05, 0.05, 0.08, -0.06, 0.08])
    start = dvren.Camera.from_json({**camera.to_json(), "camera_to_world": moved(camera.camera_to_world, perturbation)})
    renderer = dvren.torch.VolumeRenderer(
        client, "lumps", learn=("xi",), camera=start, aov=("rgb", "depth"), step=0.08, sigma_scale=1.5
    )
    with torch.no_grad():
        rgb, depth = renderer(xi=torch.zeros(6), camera=camera)

    def loss():
        got_rgb, got_depth = renderer()
        return (got_rgb - rgb).square().mean() + 0.1 * (got_depth - depth).square().mean()

    descend(renderer.parameters(), loss, steps=500, lr=0.02)
    left = tangent_between(camera.camera_to_world, moved(start.camera_to_world, renderer.xi.detach().numpy()))
    assert np.linalg.norm(left[:3]) < 0.01 * np.linalg.norm(perturbation[:3])
    assert np.linalg.norm(left[3:]) < 0.01 * np.linalg.norm(perturbation[3:])


# ---- gradcheck -------------------------------------------------------------------------------------------------------

AOVS = ("rgb", "opacity", "depth", "transmittance")
SMALL = view(25, 20, 4, 3)


def grid_of_64ths(shape, seed=1):
    """Values in [1/4, 2) on a grid of 2^-6, and steps of 2^-10 from them, are exact in the field's float32."""
    return torch.from_numpy(np.random.default_rng(seed).integers(16, 128, shape) / 64.0)


def small_renderer(client, name, values, **options):
    options = {"precision": "f64", "step": 0.25, "early_stop": 0, "aov": AOVS, **options}
    return dvren.torch.VolumeRenderer.from_values(client, name, values, box=BOX, **options)


@pytest.mark.parametrize("channels", [1, 4])
def test_gradcheck_of_values(client, channels):
    """eps = 2^-10: central differences are off by eps^2 / 6 times the third derivative of an image, which is below the
    cube of the length that a ray has in a voxel's reach, < 2 here: 4e-7 in all. Gradients' quantum is far less."""
    values = grid_of_64ths((3, 3, 3) if channels == 1 else (2, 2, 3, 4)).requires_grad_()
    renderer = small_renderer(client, f"check-values-{channels}", values)
    assert torch.autograd.gradcheck(
        lambda v: renderer(SMALL, values=v, aov=("rgb", "depth")), [values], eps=2**-10, atol=4e-6, rtol=1e-5
    )


def test_gradcheck_of_raw_values_behind_an_activation(client):
    values = (grid_of_64ths((2, 2, 3)) - 1.0).requires_grad_()
    renderer = dvren.torch.VolumeRenderer.from_values(
        client, "check-raw", values, box=BOX, activation="softplus", precision="f64", step=0.25, early_stop=0
    )
    assert torch.autograd.gradcheck(
        lambda v: renderer(SMALL, values=v, aov="opacity"), [values], eps=2**-10, atol=4e-6, rtol=1e-5
    )


def test_gradcheck_of_scene_and_camera(client):
    """These travel as float64. eps = 2^-20: truncation is 1e-12 times a third derivative, the rounding of images some
    1e-15 / eps = 1e-9, and of 3 x 4 rays with ten samples each hardly one crosses a face of the grid within eps, where
    the slope jumps."""
    renderer = small_renderer(client, "check-scene", grid_of_64ths((3, 3, 3)).requires_grad_(False), learn=())

    def images(pose, focal, sigma_scale, background, color):
        return renderer(
            SMALL,
            camera_to_world=pose,
            focal=focal,
            sigma_scale=sigma_scale,
            background=background,
            color=color,
        )

    inputs = [
        torch.tensor(SMALL.camera_to_world),
        torch.tensor([SMALL.fx, SMALL.fy]),
        torch.tensor(1.25),
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([0.9, 0.5, 0.25]),
    ]
    inputs = [x.double().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(images, inputs, eps=2**-20, atol=1e-6, rtol=1e-5)
    xi = torch.tensor([0.05, -0.1, 0.08, 0.1, 0.05, -0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: renderer(SMALL, xi=x), [xi], eps=2**-20, atol=1e-6, rtol=1e-5)


def test_gradcheck_of_rays(client):
    renderer = small_renderer(client, "check-rays", grid_of_64ths((3, 3, 3)), learn=())
    rng = np.random.default_rng(3)
    origins = rng.normal(size=(6, 3)) * 0.2 + [0, 0, -3]
    aims = rng.uniform(-0.6, 0.6, size=(6, 3)) - origins
    origins, aims = (torch.from_numpy(x).requires_grad_() for x in (origins, aims))

    def images(origins, aims):
        return renderer.rays(origins, torch.nn.functional.normalize(aims, dim=1))

    assert torch.autograd.gradcheck(images, [origins, aims], eps=2**-20, atol=1e-6, rtol=1e-5)


# ---- dtypes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_dtype_trains(client, dtype):
    values = grid_of_64ths((6, 6, 6)).to(dtype)
    camera = view(25, 20, 12, 10)
    name = f"dtype-{str(dtype).rpartition('.')[2]}"
    renderer = dvren.torch.VolumeRenderer.from_values(
        client, name, values, box=BOX, learn=("values", "sigma_scale", "background"), camera=camera
    )
    image = renderer()
    assert image.dtype == torch.float32
    image.sum().backward()
    exact = dvren.torch.VolumeRenderer.from_values(
        client, f"{name}-f64", values.double(), box=BOX, learn=("values", "sigma_scale", "background"), precision="f64"
    )
    want = exact(camera)
    assert want.dtype == torch.float64
    want.sum().backward()
    torch.testing.assert_close(image.double(), want, rtol=1e-5, atol=1e-5)
    precision = {torch.float16: 2e-3, torch.bfloat16: 1e-2}.get(dtype, 1e-4)
    for (parameter_name, got), reference in zip(renderer.named_parameters(), exact.parameters()):
        assert got.grad.dtype == dtype, parameter_name
        scale = float(reference.grad.abs().max())
        torch.testing.assert_close(got.grad.double(), reference.grad, rtol=precision, atol=precision * scale)
    torch.optim.SGD(renderer.parameters(), lr=0.01).step()
    with torch.no_grad():
        assert not torch.equal(renderer(), image.detach())


# ---- two processes ---------------------------------------------------------------------------------------------------

WORKER = """
import json, sys
import torch
import torch.distributed as dist
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/../support"]
from python_client import BOX, dvren, view
import dvren.torch

rank, endpoint, meeting = int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
client = dvren.connect(endpoint)
# Only rank 0 begins with the right values: DDP hands them to the others, and they to their daemons.
values = torch.full((6, 6, 6), 0.75 if rank == 0 else 3.0)
renderer = dvren.torch.VolumeRenderer.from_values(client, "shared", values, box=BOX, learn=("values", "sigma_scale"))
model = torch.nn.parallel.DistributedDataParallel(renderer)
camera = view(90 * rank, 10, 12, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
told = {"gradients": [], "parameters": []}
for _ in range(3):
    optimizer.zero_grad()
    (model(camera) - 0.5).square().mean().backward()
    told["gradients"].append([p.grad.flatten().tolist() for p in model.parameters()])
    optimizer.step()
    told["parameters"].append([p.detach().flatten().tolist() for p in model.parameters()])
print(json.dumps(told))
"""


def test_two_processes_average_their_gradients(tmp_path):
    """Each has a daemon of its own, and a view of its own."""
    with (
        DaemonProcess(tmp_path / "0", "--threads", "1") as zero,
        DaemonProcess(tmp_path / "1", "--threads", "1") as one,
    ):
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, HERE, str(rank), daemon.endpoint, str(tmp_path / "meeting")],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank, daemon in enumerate((zero, one))
        ]
        ends = [worker.communicate(timeout=120) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], ends[0][1] + ends[1][1]
        told = [json.loads(out) for out, _ in ends]
        assert told[0] == told[1], "averaged gradients and parameters are the same in both, bit for bit"

        # The same three steps in one process: the mean of the gradients of both views.
        with dvren.connect(zero.endpoint) as client:
            renderer = dvren.torch.VolumeRenderer.from_values(
                client, "alone", torch.full((6, 6, 6), 0.75), box=BOX, learn=("values", "sigma_scale")
            )
            optimizer = torch.optim.SGD(renderer.parameters(), lr=0.5)
            for step in range(3):
                single = []
                for rank in (0, 1):
                    optimizer.zero_grad()
                    (renderer(view(90 * rank, 10, 12, 10)) - 0.5).square().mean().backward()
                    single.append([p.grad.clone() for p in renderer.parameters()])
                for parameter, a, b, averaged in zip(renderer.parameters(), *single, told[0]["gradients"][step]):
                    torch.testing.assert_close(
                        torch.tensor(averaged).reshape(parameter.shape), (a + b) / 2, rtol=1e-6, atol=1e-9
                    )
                    parameter.grad = (a + b) / 2
                optimizer.step()
                for parameter, there in zip(renderer.parameters(), told[0]["parameters"][step]):
                    torch.testing.assert_close(
                        parameter.detach(), torch.tensor(there).reshape(parameter.shape), rtol=1e-6, atol=1e-9
                    )
                # From here on with the very values of the two, so that rounding does not add up.
                with torch.no_grad():
                    for parameter, there in zip(renderer.parameters(), told[0]["parameters"][step]):
                        parameter.copy_(torch.tensor(there).reshape(parameter.shape))


# ---- tapes -----------------------------------------------------------------------------------------------------------


def test_a_second_backward_has_the_bits_of_the_first(client):
    values = grid_of_64ths((6, 6, 6)).float()
    renderer = dvren.torch.VolumeRenderer.from_values(client, "graphs", values, box=BOX, camera=view(0, 0, 24, 24))
    with torch.no_grad():
        image = renderer()
    loss = renderer().sum()
    loss.backward(retain_graph=True)
    once = renderer.values.grad.clone()
    loss.backward()
    torch.testing.assert_close(renderer.values.grad, 2 * once, rtol=0, atol=0)
    torch.testing.assert_close(renderer().detach(), image, rtol=0, atol=0)


def test_tapes_are_released_with_their_graphs(tmp_path):
    """A daemon with room for 4 MiB of tapes: after 40 that were dropped it has room for one that takes most of it."""
    config = tmp_path / "dvrend.yaml"
    config.write_text("tapes: {max_bytes: 4MiB, max_tenant_bytes: 4MiB}\n")
    with DaemonProcess(tmp_path / "dvrend", "--config", config) as daemon, dvren.connect(daemon.endpoint) as client:
        values = grid_of_64ths((6, 6, 6)).float()
        renderer = dvren.torch.VolumeRenderer.from_values(client, "dropped", values, box=BOX)
        small, large = view(0, 0, 64, 64), view(0, 0, 340, 340)
        assert client.info().limits.max_tape_bytes == 4 << 20
        kept = renderer(small)
        tape = client.forward("dropped", small).tape
        assert tape.bytes * (40 + 340 * 340 / (64 * 64)) > 4 << 20
        tape.release()
        for _ in range(40):
            renderer(small)
        end = time.monotonic() + 30
        while True:
            try:
                renderer(large).sum().backward()
                break
            except dvren.ResourceExhaustedError as error:
                assert "tapes.max_" in str(error) and time.monotonic() < end
                time.sleep(0.05)
        kept.sum().backward()
        assert renderer.values.grad.abs().sum() > 0
