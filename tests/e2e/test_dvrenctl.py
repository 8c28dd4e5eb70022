"""The whole way with dvrenctl: look at the daemon, bring fields, render them into every format, take them away again."""
import json
import os
import pty
import re
import subprocess

import ctl
import numpy as np
import png
import pytest
import yaml

AOVS = ("opacity", "depth", "transmittance", "hit")


@pytest.fixture(scope="module")
def run(daemon):
    """dvrenctl against this module's daemon; a failure shows its stderr."""

    def call(*arguments):
        done = ctl.run(*arguments, endpoint=daemon.endpoint)
        assert done.code == 0, done.err
        return done

    return call


@pytest.fixture(scope="module")
def ball(run):
    run("field", "create", "ball", "--size", 32)
    return "ball"


def srgb(linear):
    linear = np.clip(linear.astype(np.float64), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_info_devices_and_health(run):
    info = json.loads(run("info", "-o", "json").out)
    assert {"dense_grid", "nanovdb"} <= set(info["field_types"])
    assert info["limits"]["max_image_edge"] > 0
    assert "version" in run("info").out
    (device,) = yaml.safe_load(run("-o", "yaml", "devices").out)
    assert device["id"] == "cpu" and device["healthy"] is True
    assert run("health").out == "SERVING\n"
    assert json.loads(run("health", "dvren.v1.RenderService", "-o", "json").out)["status"] == "SERVING"


def test_a_field_is_created_listed_described_and_deleted(run):
    created = json.loads(run("field", "create", "short-lived", "--size", 16, "--shape", "cloud", "--seed", 3, "-o", "json").out)
    assert created["dense_grid"]["shape"] == [16, 16, 16, 1]
    assert created["world_box"] == {"min": [-10, -10, -10], "max": [10, 10, 10]}
    assert "short-lived" in run("field", "list").out
    assert "short-lived" in run("field", "list", "-o", "names").out.split()
    listed = json.loads(run("field", "list", "--filter", "short", "-o", "json").out)
    assert [field["name"] for field in listed] == [created["name"]]
    assert yaml.safe_load(run("field", "get", "short-lived", "-o", "yaml").out) == created
    assert json.loads(run("field", "get", created["name"], "-o", "json").out) == created
    assert created["sha256"] in run("field", "get", "short-lived").out
    assert "deleted short-lived" in run("field", "delete", "short-lived").out
    assert "short-lived" not in run("field", "list").out


def test_an_array_comes_back_as_it_went(run, tmp_path):
    values = np.random.default_rng(5).random((9, 10, 11, 4)).astype(np.float32)
    np.save(tmp_path / "in.npy", values)
    flags = ["--box", "-1,-2,-3,1,2,3", "--interp", "nearest", "--border", "clamp"]
    field = json.loads(run("field", "upload", "array", tmp_path / "in.npy", *flags, "-o", "json").out)
    assert field["dense_grid"]["box"] == {"min": [-1, -2, -3], "max": [1, 2, 3]}
    assert (field["dense_grid"]["interp"], field["dense_grid"]["border"]) == ("nearest", "clamp")
    assert field["source"] == "in.npy"
    run("field", "download", "array", tmp_path / "out.npy")
    back = np.load(tmp_path / "out.npy")
    assert back.dtype == np.float32 and np.array_equal(back, values)
    run("field", "download", "array", tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == values.tobytes()


def test_raw_values_become_density_by_an_activation(daemon, run, tmp_path):
    np.save(tmp_path / "raw.npy", np.full((4, 4, 4), -0.5, np.float32))
    refused = ctl.run("field", "upload", "plain", tmp_path / "raw.npy", endpoint=daemon.endpoint)
    assert refused.code == 2 and "density is negative" in refused.err
    field = json.loads(run("field", "upload", "raw", tmp_path / "raw.npy", "--activation", "softplus", "-o", "json").out)
    assert field["dense_grid"]["activation"] == "softplus"
    assert "softplus" in run("field", "get", "raw").out
    run("field", "download", "raw", tmp_path / "raw.vdb")  # a VDB holds densities
    back = json.loads(run("field", "import", "raw-back", tmp_path / "raw.vdb", "-o", "json").out)
    assert back["type"] == "nanovdb"
    field = json.loads(run("field", "create", "glow", "--size", "8", "--activation", "exp", "-o", "json").out)
    assert field["dense_grid"]["activation"] == "exp"


def test_a_vdb_file_is_imported_sparse_and_dense_and_from_the_server(daemon, run, tmp_path):
    openvdb = pytest.importorskip("pyopenvdb", reason="needs python3-openvdb (./dev setup)")
    grid = openvdb.FloatGrid()
    grid.name = "density"
    grid.gridClass = openvdb.GridClass.FOG_VOLUME
    grid.transform = openvdb.createLinearTransform(voxelSize=0.5)
    grid.copyFromArray(np.full((12, 13, 14), 0.25, np.float32))
    path = daemon.root / "block.vdb"
    openvdb.write(str(path), grids=[grid])
    sparse = json.loads(run("field", "import", "block", path, "-o", "json").out)
    assert sparse["type"] == "nanovdb" and sparse["nanovdb"]["active_voxels"] == 12 * 13 * 14
    dense = json.loads(run("field", "import", "block-dense", path, "--kind", "dense", "--grid", "density", "-o", "json").out)
    assert dense["dense_grid"]["shape"] == [16, 15, 14, 1]
    on_server = json.loads(run("field", "import", "block-server", path, "--on-server", "-o", "json").out)
    assert on_server["sha256"] == sparse["sha256"]
    # A NanoVDB file that was downloaded is the same field when it is imported again.
    run("field", "download", "block", tmp_path / "block.nvdb")
    again = json.loads(run("field", "import", "block-again", tmp_path / "block.nvdb", "-o", "json").out)
    assert again["sha256"] == sparse["sha256"]
    run("field", "download", "block", tmp_path / "block.vdb")
    assert openvdb.read(str(tmp_path / "block.vdb"), "density").activeVoxelCount() == 12 * 13 * 14
    run("field", "delete", "block", "block-dense", "block-server", "block-again")


def test_every_image_format_holds_the_same_picture(run, ball, tmp_path):
    view = ["--width", 40, "--height", 30, "--background", "0.1,0.2,0.9", "--color", "1,0.5,0.25"]
    for name in ("a.png", "a.npy", "a.npz", "a.exr"):
        extra = ["--aov", ",".join(AOVS)] if name in ("a.npz", "a.exr") else []
        run("render", ball, "--out", tmp_path / name, *view, *extra)
    run("render", ball, "--out", tmp_path / "deep.png", "--bits", 16, *view)
    rgb = np.load(tmp_path / "a.npy")
    assert rgb.shape == (30, 40, 3) and rgb.dtype == np.float32 and np.isfinite(rgb).all()
    assert np.abs(png.read(tmp_path / "a.png") - srgb(rgb) * 255).max() <= 0.51
    assert np.abs(png.read(tmp_path / "deep.png") - srgb(rgb) * 65535).max() <= 0.51
    arrays = np.load(tmp_path / "a.npz")
    assert set(arrays) == {"rgb", *AOVS}
    assert np.array_equal(arrays["rgb"], rgb)
    for name in AOVS:
        assert arrays[name].shape == (30, 40) and arrays[name].dtype == np.float32
    # The ball covers the middle and not the corners, where there is background alone.
    assert arrays["opacity"][15, 20] > 0.9 and arrays["hit"][15, 20] == 1
    assert arrays["opacity"][0, 0] == 0 and np.allclose(rgb[0, 0], (0.1, 0.2, 0.9))
    assert np.allclose(arrays["transmittance"], 1 - arrays["opacity"], atol=1e-6)
    header = (tmp_path / "a.exr").read_bytes()[:1000]
    for channel in (b"A\0", b"B\0", b"G\0", b"R\0", b"T\0", b"Z\0", b"hit\0"):
        assert channel in header


def test_a_camera_file_gives_what_the_orbit_gives(run, ball, tmp_path):
    """Azimuth 0, elevation 0, distance 40, 40 degrees: on +z, looking back."""
    run("render", ball, "--out", tmp_path / "orbit.npy", "--orbit", "0,0,40", "--fov", 40, "--width", 20, "--height", 16)
    focal = 8 / np.tan(np.radians(20))
    camera = {"width": 20, "height": 16, "fx": focal, "fy": focal}
    poses = {
        "opencv": [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 40]],
        "opengl": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 40]],
    }
    for convention, pose in poses.items():
        path = tmp_path / f"{convention}.json"
        path.write_text(json.dumps({**camera, "camera_to_world": pose, "convention": convention, "t_far": float("inf")}))
        run("render", ball, "--out", tmp_path / "camera.npy", "--camera", path)
        assert np.allclose(np.load(tmp_path / "camera.npy"), np.load(tmp_path / "orbit.npy"), atol=1e-5)


def test_a_roi_is_a_part_of_the_whole(run, ball, tmp_path):
    view = ["--width", 40, "--height", 30, "--sampling", "stratified", "--seed", 9]
    run("render", ball, "--out", tmp_path / "whole.npy", *view)
    run("render", ball, "--out", tmp_path / "part.npy", *view, "--roi", "12,8,9,7")
    assert np.array_equal(np.load(tmp_path / "part.npy"), np.load(tmp_path / "whole.npy")[8:15, 12:21])


def test_render_options_change_what_they_say(run, ball, tmp_path):
    def render(*flags):
        run("render", ball, "--out", tmp_path / "a.npz", "--width", 24, "--aov", "opacity", *flags)
        return np.load(tmp_path / "a.npz")["opacity"].astype(np.float64)

    plain = render()
    # T of the doubled density is the square of T, once early stopping is off.
    assert np.allclose(1 - render("--sigma-scale", 0.02, "--early-stop", 0), (1 - render("--sigma-scale", 0.01, "--early-stop", 0)) ** 2, atol=1e-5)
    assert np.allclose(render("--step", 0.3), plain, atol=0.02)
    assert not np.array_equal(render("--sampling", "stratified", "--seed", 1), render("--sampling", "stratified", "--seed", 2))
    assert np.allclose(render("--precision", "f64"), plain, atol=1e-5)
    assert np.array_equal(render("--device", "cpu"), plain)


def test_a_transfer_function_colours_by_density(run, ball, tmp_path):
    (tmp_path / "tf.json").write_text(json.dumps({"density": [0, 1], "rgb": [[0, 0, 1], [0, 0, 1]]}))
    run("render", ball, "--out", tmp_path / "a.npz", "--width", 16, "--transfer", tmp_path / "tf.json", "--aov", "opacity")
    arrays = np.load(tmp_path / "a.npz")
    assert np.all(arrays["rgb"][..., :2] == 0)
    assert np.allclose(arrays["rgb"][..., 2], arrays["opacity"], atol=1e-6)


def test_a_turn_is_numbered_files_that_begin_where_one_picture_is(run, ball, tmp_path):
    view = ["--width", 16, "--height", 12, "--orbit", "10,20,50"]
    done = run("render", ball, "--out", tmp_path / "turn.npy", *view, "--orbit-frames", 3, "-o", "json")
    files = [str(tmp_path / f"turn_{i:03}.npy") for i in range(3)]
    assert json.loads(done.out)["files"] == files
    run("render", ball, "--out", tmp_path / "one.npy", *view)
    assert np.array_equal(np.load(files[0]), np.load(tmp_path / "one.npy"))
    run("render", ball, "--out", tmp_path / "two.npy", *view[:4], "--orbit", "130,20,50")
    assert np.allclose(np.load(files[1]), np.load(tmp_path / "two.npy"), atol=1e-5)


def test_a_render_ends_with_one_line_that_sums_it_up(run, ball, tmp_path):
    done = run("render", ball, "--out", tmp_path / "a.png", "--width", 20, "--height", 10)
    assert done.out == ""
    assert re.fullmatch(r"200 rays, [\d.]+ M samples, [\d.]+ M samples/s, [\d.]+ s on cpu, wrote .*a\.png\n", done.err), done.err
    done = run("render", ball, "--out", tmp_path / "a.png", "--width", 20, "--height", 10, "--max-steps", 2)
    assert "; warning: " in done.err and "max_steps" in done.err and done.err.count("\n") == 1


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(daemon, bin_dir, tmp_path):
    def stderr_on_a_terminal(*arguments):
        master, slave = pty.openpty()
        command = [str(bin_dir / "dvrenctl"), "--endpoint", daemon.endpoint, *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave) as process:
            os.close(slave)
            text = b""
            while True:
                try:
                    piece = os.read(master, 4096)
                except OSError:  # the terminal's other side was closed
                    break
                if not piece:
                    break
                text += piece
        os.close(master)
        assert process.returncode == 0, text
        return text.decode()

    arguments = ["field", "create", "watched", "--size", "96"]
    text = stderr_on_a_terminal(*arguments)
    assert "watched [" in text and "100%" in text and text.endswith("\r\x1b[K")
    assert ctl.run("field", "delete", "watched", endpoint=daemon.endpoint).code == 0
    done = ctl.run(*arguments, endpoint=daemon.endpoint)
    assert done.code == 0 and done.err == ""
    text = stderr_on_a_terminal("render", "watched", "--out", str(tmp_path / "a.png"), "--width", "64")
    assert "render [" in text and "pixels" in text


def test_completion_of_bash_offers_the_daemons_fields(daemon, bin_dir, ball, tmp_path):
    script = ctl.run("completion", "bash").out
    (tmp_path / "complete.sh").write_text(
        script + '\nCOMP_WORDS=(dvrenctl field get ""); COMP_CWORD=3; _dvrenctl; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    env = {"PATH": f"{bin_dir}:/usr/bin:/bin", "DVREN_ENDPOINT": daemon.endpoint}
    done = subprocess.run(["bash", tmp_path / "complete.sh"], env=env, capture_output=True, text=True, check=True)
    assert ball in done.stdout.split()


def test_help_and_version_need_no_daemon():
    assert ctl.run("--version").out.startswith("dvrenctl ")
    for command in ((), ("render",), ("field",), ("field", "import"), ("completion",)):
        done = ctl.run(*command, "--help", endpoint="unix:/nonexistent")
        assert done.code == 0 and "dvrenctl " in done.out and done.err == ""
