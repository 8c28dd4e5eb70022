"""What comes out of training: fields as files of other tools and back, and refined cameras."""
import json
import pathlib
import shutil
import subprocess

import ctl
import numpy as np
import pytest
import small_photos
from python_client import dvren

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = ROOT / "configs" / "recipes" / "gaussian.yaml"
VIEW = {"camera": dvren.Camera.orbit([[-1] * 3, [1] * 3], 30, 20, 3.5, width=96, height=96)}


@pytest.fixture(scope="module")
def run(daemon):
    def call(*arguments, code=0):
        done = ctl.run(*arguments, endpoint=daemon.endpoint, timeout=300)
        assert done.code == code, done.err
        return done

    return call


@pytest.fixture(scope="module")
def client(daemon):
    with dvren.connect(daemon.endpoint) as connected:
        yield connected


@pytest.fixture(scope="module")
def trained(run):
    """A field of raw values, whose activation is trunc_exp, with cells that the training has found empty."""
    occupancy = ["occupancy.from_step=40", "occupancy.every_steps=20", "occupancy.alpha_threshold=0.02"]
    sets = ["field.activation=trunc_exp", "field.initial_density=-2", "steps=150", *occupancy]
    run("train", RECIPE, "--field", "blob", "--no-eval", *[word for one in sets for word in ("--set", one)])
    return "blob"


def psnr(a, b):
    return -10 * np.log10(np.mean((np.asarray(a, np.float64) - b) ** 2) + 1e-20)


def test_a_trained_field_opens_in_openvdb_and_comes_back(run, client, trained, tmp_path):
    said = run("field", "download", trained, tmp_path / "blob.vdb").out
    assert "--kind dense" in said
    if shutil.which("vdb_print") is None:
        print("SKIPPED: no vdb_print; install libopenvdb-tools")
    else:
        listed = subprocess.run(["vdb_print", "-l", tmp_path / "blob.vdb"], capture_output=True, text=True, check=True)
        for grid in ("density", "color", "density_raw"):
            assert grid in listed.stdout
    run("field", "import", "blob-dense", tmp_path / "blob.vdb", "--kind", "dense")
    truth = client.render(trained, aov=("rgb", "opacity"), **VIEW)
    assert truth.opacity.max() > 0.5
    # The raw values came along: what is inside the active space is the same, bit for bit.
    back = client.fields.get("blob-dense")
    assert back.dense_grid.activation == "trunc_exp"
    was, now = client.fields.download(trained), client.fields.download("blob-dense")
    np.testing.assert_array_equal(now[..., 3], was[..., 3])
    there = was[..., 3] > -1e4
    assert 0.02 < there.mean() < 0.9
    np.testing.assert_array_equal(now[there], was[there])
    assert psnr(client.render("blob-dense", **VIEW).rgb, truth.rgb) > 80
    # What other tools see: densities alone, sparse.
    for name, flags in (("blob-sparse", []), ("blob-density", ["--kind", "dense", "--grid", "density"])):
        run("field", "import", name, tmp_path / "blob.vdb", *flags)
        assert client.fields.get(name).channels == 1
        assert psnr(client.render(name, aov="opacity", **VIEW).opacity, truth.opacity) > 40


def test_the_other_files_of_a_dense_field_hold_what_they_say(run, client, trained, tmp_path):
    assert "density alone" in run("field", "download", trained, tmp_path / "blob.nvdb").out
    run("field", "import", "blob-nano", tmp_path / "blob.nvdb")
    opacity = client.render(trained, aov="opacity", **VIEW).opacity
    assert psnr(client.render("blob-nano", aov="opacity", **VIEW).opacity, opacity) > 40
    run("field", "download", trained, tmp_path / "blob.npz")
    values = client.fields.download(trained)
    with np.load(tmp_path / "blob.npz") as arrays:
        assert sorted(arrays) == ["box", "density", "local_to_world", "values"]
        np.testing.assert_array_equal(arrays["values"], values)
        np.testing.assert_allclose(arrays["density"], np.exp(values[..., 3].astype(np.float64)), rtol=1e-6)
        np.testing.assert_array_equal(arrays["box"], client.fields.get(trained).dense_grid.box)
        np.testing.assert_array_equal(arrays["local_to_world"], np.eye(3, 4))
        box = ",".join(str(x) for x in arrays["box"].ravel())
    flags = ["--grid", "values", "--box", box, "--activation", "trunc_exp"]
    run("field", "import", "blob-npz", tmp_path / "blob.npz", *flags)
    assert client.fields.get("blob-npz").sha256 == client.fields.get(trained).sha256


@pytest.mark.parametrize("degree", [1, 2])
def test_spherical_harmonics_go_into_a_vdb_and_come_back(run, client, degree, tmp_path):
    random = np.random.default_rng(degree)
    values = random.normal(size=(7, 6, 5, 3 * (degree + 1) ** 2 + 1)).astype(np.float32)
    values[..., -1] = np.abs(values[..., -1]) + 0.1
    values[0], values[:, :2] = 0, 0  # nothing there
    name = f"harmonics-{degree}"
    client.fields.upload(name, values, box=[[-1, 0, 2], [0.5, 1.5, 4.5]])
    run("field", "download", name, tmp_path / "sh.vdb")
    run("field", "import", name + "-back", tmp_path / "sh.vdb", "--kind", "dense")
    back = client.fields.download(name + "-back")  # one voxel wider than what is active
    there = np.s_[1:, 2:, :]
    np.testing.assert_array_equal(back[1:-1, 1:-1, 1:-1, -1], values[there][..., -1])
    np.testing.assert_allclose(back[1:-1, 1:-1, 1:-1], values[there], rtol=2e-6, atol=2e-6)
    # Colours do not fade where the density does.
    np.testing.assert_allclose(back[-1, 1:-1, 1:-1, :-1], values[-1, 2:, :, :-1], rtol=2e-6, atol=2e-6)
    camera = dvren.Camera.orbit([[-1, 0, 2], [0.5, 1.5, 4.5]], 40, 10, width=64, height=64)
    assert psnr(client.render(name + "-back", camera).rgb, client.render(name, camera).rgb) > 20  # edges of a coarse grid


def test_files_that_cannot_be_are_refused_in_one_line(run, client, trained, tmp_path):
    run("field", "download", trained, tmp_path / "blob.vdb")
    run("field", "import", "sparse", tmp_path / "blob.vdb")
    for arguments, code, words in [
        (["field", "download", trained, tmp_path / "a.ply"], 2, "must end in .vdb, .nvdb, .npz or .npy"),
        (["field", "download", trained, tmp_path / "no" / "a.vdb"], 3, "there is no folder"),
        (["field", "download", trained, tmp_path], 2, "is a folder"),
        (["field", "download", "sparse", tmp_path / "a.npz"], 2, "is a nanovdb field"),
        (["field", "download", "sparse", tmp_path / "a.npy"], 2, "is a nanovdb field"),
        (["field", "import", "x", tmp_path / "blob.vdb", "--kind", "dense", "--activation", "softplus"], 2, "trunc_exp"),
    ]:
        refused = run(*arguments, code=code)
        assert words in refused.err and len(refused.err.strip().splitlines()) == 1


def test_refined_cameras_are_a_dataset_again(run, client, daemon, tmp_path):
    photos = daemon.root / "photos"
    small_photos.make(photos)
    recipe = {
        "dataset": {"path": str(photos), "downscale": 2},
        "steps": 40,
        "field": {"sh_degree": 0, "box": [-1, -1, -1, 1, 1, 1]},
        "stages": [{"resolution": 24, "rays": 1024}],
        "rays": {"background": "black"},
        "cameras": {"poses": True, "focal": True, "distortion": True, "from_step": 5},
    }
    with client.train_session("refined", recipe) as session:
        first = session.cameras()
        assert [one.photo for one in first] == [f"images/{i:03}.png" for i in range(24)]
        for one, pose in zip(first, small_photos.poses(24)):  # untrained: those of the file
            assert (one.camera.width, one.camera.fx, one.camera.cx) == (48, 60, 24)
            np.testing.assert_allclose(one.camera.camera_to_world * [1, -1, -1, 1], pose[:3], atol=1e-14)
        session.train()
        refined = session.cameras()
        assert max(abs(a.camera.fx - b.camera.fx) for a, b in zip(refined, first)) > 0.01
        session.save_checkpoint("refined")
    # A checkpoint holds them, to the bit.
    with client.train_session("restored", recipe, checkpoint="refined") as session:
        assert [one.camera for one in session.cameras()] == [one.camera for one in refined]
    # And so does the file, for the reader.
    dvren.write_transforms(photos / "transforms.json", refined)
    with client.train_session("again", {**recipe, "cameras": {}}) as session:
        for one, other in zip(session.cameras(), refined):
            a, b = one.camera, other.camera
            assert (a.fx, a.fy, a.cx, a.cy, a.distortion) == (b.fx, b.fy, b.cx, b.cy, b.distortion)
            np.testing.assert_allclose(a.camera_to_world, b.camera_to_world, rtol=0, atol=1e-15)
            assert one.photo == other.photo


def test_dvrenctl_writes_refined_cameras_beside_its_pictures(run, client, tmp_path):
    sets = ["steps=30", "cameras.poses=true"]
    flags = [word for one in sets for word in ("--set", one)]
    done = run("train", RECIPE, "--field", "posed", "--no-eval", "--checkpoint", "posed", "--out", tmp_path / "a", *flags)
    assert "transforms.json" in done.err
    written = json.loads((tmp_path / "a" / "transforms.json").read_text())
    # The same as Python writes of the session that it saved.
    recipe = {**dvren_recipe(), "steps": 30, "cameras": {"poses": True}}
    with client.train_session("posed-2", recipe, checkpoint="posed") as session:
        dvren.write_transforms(tmp_path / "b.json", session.cameras())
    assert written == json.loads((tmp_path / "b.json").read_text())
    assert set(written) > {"fl_x", "fl_y", "cx", "cy", "k1", "w", "h", "frames"}  # one lens
    run("train", RECIPE, "--field", "still", "--no-eval", "--steps", 10, "--out", tmp_path / "c")
    assert not (tmp_path / "c" / "transforms.json").exists()


def dvren_recipe():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(RECIPE.read_text())
