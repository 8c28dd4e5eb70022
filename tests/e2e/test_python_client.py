"""The Python client against a real daemon: the same bits as dvrenctl, however the work is cut up."""

import contextlib
import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
sys.path[:0] = [str(CLIENT / "src"), str(CLIENT)]

import generate_protos  # noqa: E402

generate_protos.ensure(CLIENT / "src" / "dvren" / "_proto")

import dvren  # noqa: E402
import reference  # noqa: E402
from daemon_process import DaemonProcess  # noqa: E402

AOVS = ("rgb", "opacity", "depth", "transmittance", "hit")
WIDTH, HEIGHT = 96, 70
STRATIFIED = {
    "step": 0.02,
    "sampling": "stratified",
    "seed": 2**33 + 5,
    "sigma_scale": 3.0,
    "background": (0.1, 0.2, 0.3),
}


def lumps(shape, channels=1):
    """Density in [0, 4) with much exact emptiness, so that empty space is skipped."""
    rng = np.random.default_rng(3)
    values = rng.random((*shape, channels), dtype=np.float32)
    values[..., -1] = np.maximum(0, values[..., -1] * 8 - 4)
    values[: shape[0] // 3, ..., -1] = 0
    return values


@pytest.fixture(scope="module")
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        connected.fields.upload("lumps", lumps((40, 30, 36)), box=((-1, -0.8, -1.2), (1, 0.8, 1.2)))
        connected.fields.upload("colour", lumps((20, 24, 22), 13), box=((-1, -1, -1), (1, 1, 1)))
        yield connected


@pytest.fixture(scope="module")
def camera(client):
    return dvren.Camera.orbit(client.fields.get("lumps").box, 35, 15, None, WIDTH, HEIGHT)


def assert_same_bits(a, b):
    for name in AOVS:
        np.testing.assert_array_equal(a[name].view(np.uint32), b[name].view(np.uint32), err_msg=name)


def digest(result):
    return hashlib.sha256(b"".join(np.ascontiguousarray(result[name]).tobytes() for name in AOVS)).hexdigest()


# ---- the client's whole surface, once, against the real thing --------------------------------------------------------


def test_the_daemon_describes_itself(daemon, client):
    info = client.info()
    assert info.version and {"dense_grid"} <= set(info.field_types) and info.limits.max_image_edge >= 1024
    assert [device.kind for device in client.devices()] == ["cpu"]
    assert client.health() == client.health("dvren.v1.RenderService") == "SERVING"
    with pytest.raises(dvren.NotFoundError):
        client.health("dvren.v1.NoSuchService")


def test_fields_live_from_upload_to_deletion(client, daemon, tmp_path):
    values = lumps((90, 80, 100))  # several chunks
    field = client.fields.upload("short-lived", values, box=(0, 0, 0, 2, 1, 1), interp="nearest", border="clamp")
    assert field == client.fields.get(field.name) == client.fields.get("short-lived")
    assert field.dense_grid.shape == values.shape and field.dense_grid.border == "clamp"
    assert field.sha256 == hashlib.sha256(values.tobytes()).hexdigest()
    np.testing.assert_array_equal(client.fields.download("short-lived"), values)
    assert "short-lived" in [f.display_name for f in client.fields.list()]
    with pytest.raises(dvren.AlreadyExistsError) as caught:
        client.fields.upload("short-lived", values)
    assert caught.value.request_id
    with pytest.raises(dvren.AbortedError):
        client.fields.delete("short-lived", version=field.version + 1)
    client.fields.delete("short-lived", version=field.version)
    with pytest.raises(dvren.NotFoundError, match="short-lived"):
        client.render("short-lived")
    np.save(tmp_path / "a.npy", values[:4])
    field = client.fields.import_file("from-file", tmp_path / "a.npy", box=(0, 0, 0, 1, 1, 3))
    assert field.box[1].tolist() == [1, 1, 3] and field.source == "a.npy"
    client.fields.delete("from-file")


def test_an_upload_goes_on_after_the_daemon_was_killed(tmp_path):
    values = lumps((128, 128, 128))  # 8 MiB
    socket = f"unix:{tmp_path}/dvrend.sock"
    flags = (tmp_path / "dvrend", "--listen", socket)
    told, restarted = [], []

    def progress(done, total):
        told.append(done)
        if done >= 3 << 20 and not restarted:
            first.kill()
            restarted.append(stack.enter_context(DaemonProcess(*flags)))

    with contextlib.ExitStack() as stack:
        first = stack.enter_context(DaemonProcess(*flags))
        with dvren.connect(socket) as client:
            field = client.fields.upload("cloud", values, progress=progress)
            assert restarted and told[-1] == values.nbytes
            assert field.sha256 == hashlib.sha256(values.tobytes()).hexdigest()
            np.testing.assert_array_equal(client.fields.download("cloud"), values)
            assert [f.display_name for f in client.fields.list()] == ["cloud"]


def test_bad_arguments_come_back_with_field_value_and_remedy(client, camera):
    for options, words in [
        ({"sigma_scale": -1.0}, "sigma_scale"),
        ({"early_stop": 1.5}, "early_stop"),
        ({"roi": (90, 0, 10, 10)}, "roi"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"tile": 1}, "tile"),
    ]:
        with pytest.raises(dvren.DvrenError, match=words) as caught:
            client.render("lumps", camera, **options)
        assert caught.value.code in ("INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE") and caught.value.request_id
    with pytest.raises(dvren.AbortedError, match="version"):
        client.render("lumps", camera, field_version=99)


def test_an_uploaded_grid_renders_as_the_reference_does(client, camera):
    for name, shape, channels, half in [
        ("lumps", (40, 30, 36), 1, (1, 0.8, 1.2)),
        ("colour", (20, 24, 22), 13, (1, 1, 1)),
    ]:
        field = reference.DenseGrid(lumps(shape, channels), [-h for h in half], half)
        settings = reference.RenderSettings(
            dt=0.02, sampling="stratified", seed=2**33 + 5, sigma_scale=3.0, background=(0.1, 0.2, 0.3)
        )
        want = reference.render_image(field, reference.Camera.from_json(camera.to_json()), settings)
        got = client.render(name, camera, aov=AOVS, **STRATIFIED)
        np.testing.assert_allclose(got.rgb, want["rgb"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(got.opacity, want["opacity"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(got.transmittance, want["transmittance"], rtol=0, atol=2e-4)
        assert (got.hit != want["hit"]).sum() <= (np.abs(want["opacity"] - 0.5) < 2e-4).sum()
        assert got.camera == camera or got.camera.fx == camera.fx
        assert got.stats.rays == WIDTH * HEIGHT and got.stats.samples > 0


# ---- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["lumps", "colour"])
def test_dvrenctl_and_python_get_the_same_bits(daemon, client, camera, field, tmp_path):
    camera.to_json(tmp_path / "cam.json")
    flags = [
        "--step",
        0.02,
        "--sampling",
        "stratified",
        "--seed",
        2**33 + 5,
        "--sigma-scale",
        3,
        "--background",
        "0.1,0.2,0.3",
    ]
    out = tmp_path / "out.npz"
    daemon.ctl("render", field, "--camera", tmp_path / "cam.json", "--aov", ",".join(AOVS[1:]), "--out", out, *flags)
    with np.load(out) as image:
        assert_same_bits(client.render(field, tmp_path / "cam.json", aov=AOVS, **STRATIFIED), image)


def test_an_orbit_is_the_same_camera_in_python_and_dvrenctl(daemon, client, tmp_path):
    out = tmp_path / "out.npz"
    daemon.ctl("render", "lumps", "--orbit", "-20,35,5", "--fov", 30, "--width", 50, "--height", 60, "--out", out)
    got = client.render("lumps", orbit=(-20, 35, 5), fov_deg=30, width=50, height=60).rgb
    with np.load(out) as image:
        np.testing.assert_allclose(got, image["rgb"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("tile", [16, 17, 31, 64, 256])
def test_tile_sizes_change_no_bits(client, camera, tile):
    whole = client.render("lumps", camera, aov=AOVS, **STRATIFIED)
    assert_same_bits(client.render("lumps", camera, aov=AOVS, tile=tile, **STRATIFIED), whole)


@pytest.mark.parametrize("field", ["lumps", "colour"])
def test_regions_put_together_are_the_whole(client, camera, field):
    whole = client.render(field, camera, aov=AOVS, **STRATIFIED)
    joined = {name: np.full_like(whole[name], np.nan) for name in AOVS}
    columns, rows = [0, 1, 14, 47, 48, WIDTH], [0, 33, 34, HEIGHT]
    for x0, x1 in zip(columns, columns[1:]):
        for y0, y1 in zip(rows, rows[1:]):
            part = client.render(field, camera, aov=AOVS, roi=(x0, y0, x1 - x0, y1 - y0), **STRATIFIED)
            for name in AOVS:
                joined[name][y0:y1, x0:x1] = part[name]
    assert_same_bits(joined, whole)


def test_skipping_empty_space_changes_no_bits(client, camera):
    whole = client.render("lumps", camera, aov=AOVS, **STRATIFIED)
    slow = client.render("lumps", camera, aov=AOVS, skip_empty=False, **STRATIFIED)
    assert_same_bits(slow, whole)
    assert slow.stats.samples >= whole.stats.samples


@pytest.mark.parametrize("field", ["lumps", "colour"])
def test_rays_in_odd_batches_have_the_bits_of_all_at_once(client, field):
    rng = np.random.default_rng(8)
    count = 5001
    origins = rng.normal(size=(count, 3)) * 3
    directions = rng.normal(size=(count, 3)) * 0.4 - origins
    directions = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
    origins = origins.astype(np.float32)
    t_far = rng.uniform(2, 8, count).astype(np.float32)
    whole = client.render_rays(field, origins, directions, t_far=t_far, aov=AOVS, **STRATIFIED)
    assert 0.1 < (whole.opacity > 0).mean() < 0.999
    joined = {name: np.full_like(whole[name], np.nan) for name in AOVS}
    cuts = [0, 1, 2, 9, 40, 41, 1300, 1317, 3000, count]
    for first, end in zip(cuts, cuts[1:]):
        part = slice(first, end)
        ids = np.arange(first, end)
        got = client.render_rays(
            field, origins[part], directions[part], t_far=t_far[part], ids=ids, aov=AOVS, **STRATIFIED
        )
        for name in AOVS:
            joined[name][part] = got[name]
    assert_same_bits(joined, whole)
    shuffled = rng.permutation(count)
    got = client.render_rays(
        field, origins[shuffled], directions[shuffled], t_far=t_far[shuffled], ids=shuffled, aov=AOVS, **STRATIFIED
    )
    assert_same_bits({name: got[name][np.argsort(shuffled)] for name in AOVS}, whole)


def test_more_rays_than_one_message_holds(client):
    count = 70_001
    origins = np.tile(np.float32([0, 0, -3]), (count, 1))
    directions = np.zeros((count, 3), np.float32)
    directions[:, 2] = 1
    options = {**STRATIFIED, "aov": AOVS}
    whole = client.render_rays("lumps", origins, directions, **options)
    assert whole.stats.rays == count and len(np.unique(whole.opacity)) > 100, "each ray has samples of its own"
    part = client.render_rays("lumps", origins[:1500], directions[:1500], ids=np.arange(68_501, 70_001), **options)
    assert_same_bits({name: whole[name][-1500:] for name in AOVS}, part)


def test_threads_change_no_bits(tmp_path, camera):
    """Three daemons: SHA-256 over all images of whole views and rays."""
    origins = np.tile(np.float32([0, 0, -3]), (1000, 1))
    directions = np.tile(np.float32([0, 0, 1]), (1000, 1))
    digests = set()
    for threads in (1, 2, 3):
        with DaemonProcess(tmp_path / str(threads), "--threads", str(threads)) as process:
            with dvren.connect(process.endpoint) as client:
                assert client.devices()[0].threads == threads
                client.fields.upload("lumps", lumps((40, 30, 36)), box=((-1, -0.8, -1.2), (1, 0.8, 1.2)))
                client.fields.upload("colour", lumps((20, 24, 22), 13), box=((-1, -1, -1), (1, 1, 1)))
                parts = [client.render(name, camera, aov=AOVS, **STRATIFIED) for name in ("lumps", "colour")]
                parts.append(client.render_rays("lumps", origins, directions, aov=AOVS, **STRATIFIED))
                digests.add(" ".join(map(digest, parts)))
    assert len(digests) == 1


# ---- the package as pip installs it ----------------------------------------------------------------------------------

SCRIPT = """
import json, sys
import numpy, dvren
endpoint, camera, out = sys.argv[1:]
options = json.loads(sys.stdin.read())
with dvren.connect(endpoint) as client:
    result = client.render("lumps", camera=camera, **options)
    numpy.savez(out, **result)
print(dvren.__file__)
"""


def test_pip_installs_a_client_that_gets_the_same_bits(daemon, client, camera, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
    install = subprocess.run([venv / "bin" / "pip", "install", CLIENT], capture_output=True, text=True)
    unreachable = ("NewConnectionError", "No matching distribution found for", "ConnectTimeout", "ProxyError")
    if install.returncode != 0 and any(word in install.stdout + install.stderr for word in unreachable):
        pytest.skip(f"pip reaches no package index: {install.stderr.strip().splitlines()[-1]}")
    assert install.returncode == 0, install.stdout + install.stderr
    camera.to_json(tmp_path / "cam.json")
    done = subprocess.run(
        [venv / "bin" / "python", "-I", "-c", SCRIPT, daemon.endpoint, tmp_path / "cam.json", tmp_path / "python.npz"],
        input=json.dumps({**STRATIFIED, "aov": AOVS}),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(venv)), "the package that was just installed"
    flags = [
        "--step",
        0.02,
        "--sampling",
        "stratified",
        "--seed",
        2**33 + 5,
        "--sigma-scale",
        3,
        "--background",
        "0.1,0.2,0.3",
    ]
    daemon.ctl(
        "render",
        "lumps",
        "--camera",
        tmp_path / "cam.json",
        "--aov",
        ",".join(AOVS[1:]),
        "--out",
        tmp_path / "ctl.npz",
        *flags,
    )
    with np.load(tmp_path / "python.npz") as python, np.load(tmp_path / "ctl.npz") as ctl:
        assert_same_bits(python, ctl)
