"""Every way of going wrong exits with its own code and says one line that names the value and the remedy."""
import json
import os
import socket
import threading

import ctl
import numpy as np
import pytest

USAGE, NOT_FOUND, PERMISSION, UNAVAILABLE, DEADLINE, PRECONDITION = 2, 3, 4, 6, 7, 8


@pytest.fixture(scope="module")
def ball(daemon):
    assert ctl.run("field", "create", "ball", "--size", 16, endpoint=daemon.endpoint).code == 0
    return "ball"


def fails(daemon, code, *arguments, says=()):
    done = ctl.run(*arguments, endpoint=daemon.endpoint if daemon else None)
    assert done.code == code, f"exit code {done.code}: {done.err}"
    assert done.err.startswith("dvrenctl: ") and done.err.endswith("\n") and done.err.count("\n") == 1, done.err
    assert done.out == ""
    for part in [says] if isinstance(says, str) else says:
        assert part in done.err, done.err
    return done.err


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["rendr"], "did you mean render?"),
        (["render", "ball", "--out", "a.png", "--widht", "8"], "did you mean --width?"),
        (["render", "ball"], "--out"),
        (["render", "ball", "--out", "a.gif"], "must end in .png, .exr, .npy or .npz"),
        (["render", "ball", "--out", "a.png", "--aov", "depth"], "write .exr or .npz"),
        (["render", "ball", "--out", "a.png", "--color", "red"], "R,G,B"),
        (["render", "ball", "--out", "a.png", "--width", "1e9"], "--width = 1e9"),
        (["render", "ball", "--out", "a.png", "--step", "-0.1"], "--step = -0.1: must be > 0"),
        (["field", "upload", "x", "x.tif"], "must be a .npy or .npz"),
        (["-o", "xml", "info"], "--output = xml"),
        (["--endpoint", "nonsense", "info"], "endpoint = nonsense"),
        (["--timeout", "soon", "info"], "--timeout = soon"),
        (["completion", "ksh"], "SHELL = ksh"),
    ],
)
def test_usage(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fails(None, USAGE, *arguments, says=says)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "flags,says",
    [
        (["--background", "nan,0,0"], "--background"),
        (["--sigma-scale", "-1"], "sigma_scale = -1"),
        (["--early-stop", "2"], "early_stop = 2"),
        (["--roi", "0,0,2000,2000"], "roi"),
        (["--width", "32768", "--height", "32768"], "camera"),
        (["--device", "cuda:77"], "device = cuda:77"),
    ],
)
def test_values_that_only_the_daemon_can_judge(daemon, ball, flags, says, tmp_path):
    done = ctl.run("render", ball, "--out", tmp_path / "a.png", *flags, endpoint=daemon.endpoint)
    assert done.code in (USAGE, NOT_FOUND, UNAVAILABLE) and done.err.count("\n") == 1, done.err
    assert says in done.err, done.err
    assert not os.listdir(tmp_path)


def test_a_camera_file_with_a_mistake_is_named_with_its_key(daemon, ball, tmp_path):
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    good = {"width": 8, "height": 8, "fx": 8, "fy": 8, "camera_to_world": pose}
    path = tmp_path / "cam.json"

    def refused(says, **changes):
        path.write_text(json.dumps({**good, **changes}))
        fails(daemon, USAGE, "render", ball, "--out", tmp_path / "a.png", "--camera", path, says=["cam.json", says])

    refused("fxx: unknown key; did you mean fx?", fxx=1)
    refused("fx = NaN: must be a finite number", fx=float("nan"))
    refused('cx = "a": must be a finite number', cx="a")
    refused("camera_to_world = 2 rows: must be an array of 3 rows of 4 numbers", camera_to_world=pose[:2])
    refused("model = ortho: must be pinhole, fisheye or orthographic", model="ortho")
    path.write_text("{")
    fails(daemon, USAGE, "render", ball, "--out", tmp_path / "a.png", "--camera", path, says="is not JSON")
    fails(daemon, NOT_FOUND, "render", ball, "--out", tmp_path / "a.png", "--camera", tmp_path / "none.json", says="none.json")


def test_what_is_not_there_is_not_found(daemon, ball, tmp_path):
    fails(daemon, NOT_FOUND, "field", "get", "nobody", says="nobody")
    fails(daemon, NOT_FOUND, "field", "delete", "nobody", says="nobody")
    fails(daemon, NOT_FOUND, "render", "nobody", "--out", tmp_path / "a.png", says="nobody")
    fails(daemon, NOT_FOUND, "render", "nobody", "--out", tmp_path / "a.png", "--orbit", "0,0", says="nobody")
    fails(daemon, NOT_FOUND, "field", "download", "nobody", tmp_path / "a.npy", says="nobody")
    fails(daemon, NOT_FOUND, "field", "import", "x", tmp_path / "none.vdb", says="none.vdb")
    fails(daemon, NOT_FOUND, "render", ball, "--out", tmp_path / "no" / "a.png", says="make it first")
    assert not os.listdir(tmp_path)


def test_a_path_outside_the_roots_is_refused(daemon, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 8), np.float32))
    done = ctl.run("field", "import", "x", tmp_path / "a.npy", "--on-server", endpoint=daemon.endpoint)
    assert done.code in (USAGE, NOT_FOUND, PERMISSION) and done.err.count("\n") == 1, done.err


def test_bad_volumes_are_named(daemon, tmp_path):
    def refused(array, says):
        np.save(tmp_path / "bad.npy", array)
        fails(daemon, USAGE, "field", "upload", "bad", tmp_path / "bad.npy", says=says)

    negative = np.zeros((8, 8, 8), np.float32)
    negative[1, 2, 3] = -1
    refused(negative, "1")
    refused(np.zeros((8, 8), np.float32), "bad.npy")
    refused(np.zeros((8, 8, 8), np.int16), "bad.npy")
    (tmp_path / "bad.vdb").write_bytes(b"not a volume at all")
    fails(daemon, USAGE, "field", "import", "bad", tmp_path / "bad.vdb", says="bad.vdb")
    assert "bad" not in ctl.run("field", "list", "-o", "names", endpoint=daemon.endpoint).out.split()


def test_a_taken_name_is_refused_before_the_upload(daemon, ball):
    done = ctl.run("field", "create", ball, "--size", 16, endpoint=daemon.endpoint)
    assert done.code != 0 and ball in done.err and done.err.count("\n") == 1


def test_a_stale_version_is_refused(daemon, ball):
    fails(daemon, PRECONDITION, "field", "delete", ball, "--expected-version", 99, says="version")


def test_a_daemon_that_is_not_there(tmp_path):
    fails(None, UNAVAILABLE, "--endpoint", "127.0.0.1:1", "info", says=["endpoint = 127.0.0.1:1", "start dvrend"])
    fails(None, UNAVAILABLE, "--endpoint", f"unix:{tmp_path}/none.sock", "health", says="none.sock")


def test_a_daemon_that_does_not_answer_runs_into_the_timeout():
    """Something listens and says nothing: the connection is not made in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listener.accept, daemon=True).start()
        done = ctl.run("--endpoint", f"127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.5", "info", timeout=30)
    assert done.code in (UNAVAILABLE, DEADLINE) and done.err.count("\n") == 1


def test_a_render_that_takes_longer_than_the_timeout(daemon, ball, tmp_path):
    work = ["--width", 4096, "--height", 4096, "--step", 0.002, "--early-stop", 0, "--sigma-scale", 0.001]
    fails(daemon, DEADLINE, "--timeout", 1, "render", ball, "--out", tmp_path / "a.npy", *work)
    assert not os.listdir(tmp_path)


def test_a_wrong_token_is_refused(tmp_path):
    from daemon_process import DaemonProcess
    import hashlib

    config = tmp_path / "dvrend.yaml"
    digest = hashlib.sha256(b"right").hexdigest()
    config.write_text(f"auth:\n  tokens:\n    - tenant: someone\n      sha256: {digest}\n")
    with DaemonProcess(tmp_path / "daemon", "--config", config) as daemon:
        fails(daemon, PERMISSION, "field", "list")
        fails(daemon, PERMISSION, "--token", "wrong", "field", "list")
        done = ctl.run("info", "-o", "json", endpoint=daemon.endpoint, env={"DVREN_TOKEN": "right"})
        assert done.code == 0 and json.loads(done.out)["tenant"] == "someone", done.err
