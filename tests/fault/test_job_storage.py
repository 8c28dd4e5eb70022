"""Jobs, and a disk that is full, cannot be written, or is held by somebody else; and a clock that jumps."""

import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "e2e")]
import ctl  # noqa: E402
from daemon_process import bin_dir  # noqa: E402

TURN = "render: {field: cloud, orbit_frames: %d, orbit: [0, 15], width: %d, height: %d, format: npz}\n"


class Daemon:
    """A dvrend whose data folder is `data`, and the commands of dvrenctl."""

    def __init__(self, folder, data, env=None, config=""):
        self.folder, self.data, self.env, self.config = folder, data, env or {}, config
        self.socket = f"unix:{folder}/s"
        self.process = None

    def spawn(self):
        (self.folder / "ready").unlink(missing_ok=True)
        command = [bin_dir() / "dvrend", "--listen", self.socket, "--metrics", "", "--device", "cpu", "--threads", "1"]
        command += ["--data-dir", self.data, "--ready-file", self.folder / "ready"]
        if self.config:
            (self.folder / "dvrend.yaml").write_text(self.config)
            command += ["--config", self.folder / "dvrend.yaml"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=self.env)

    def start(self):
        self.spawn()
        end = time.monotonic() + 30
        while not (self.folder / "ready").exists():
            assert self.process.poll() is None and time.monotonic() < end, self.log()[-3000:]
            time.sleep(0.01)
        return self

    def log(self):
        return (self.folder / "log").read_text()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def __call__(self, *arguments, code=0):
        done = ctl.run(*arguments, endpoint=self.socket, timeout=200)
        assert done.code == code, done.err + done.out
        return done

    def submit(self, text, code=0):
        (self.folder / "job.yaml").write_text(text)
        return self("job", "submit", self.folder / "job.yaml", code=code)

    def get(self, job):
        return json.loads(self("job", "get", job, "-o", "json").out)

    def wait(self, job, what, seconds=60):
        end = time.monotonic() + seconds
        while not what(now := self.get(job)):
            assert time.monotonic() < end, now
            time.sleep(0.05)
        return now


@pytest.fixture
def disk(tmp_path):
    """A file system of 24 MiB of the test's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "dvren-test", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        message = f"no file system can be mounted here ({mounted.stderr.strip()}): run as root where mounts are allowed"
        print(f"SKIPPED: {message}")
        pytest.skip(message)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def daemon_on(tmp_path):
    made = []

    def make(data, **options):
        made.append(Daemon(tmp_path, data, **options))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def fill(folder):
    with open(folder / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(b"x" * 65536)
                ballast.flush()
        except OSError:
            pass


def test_a_full_disk_refuses_submits_and_fails_frames_and_loses_nothing(disk, tmp_path, daemon_on):
    daemon = daemon_on(disk / "data").start()
    daemon("field", "create", "cloud", "--shape", "cloud", "--size", "32")
    first = daemon.submit(TURN % (1, 32, 32)).out.strip()
    daemon.wait(first, lambda job: job["state"] == "succeeded")
    # A frame is 3 MiB: some fit, and then no more.
    long = daemon.submit(TURN % (6, 512, 512)).out.strip()
    daemon.wait(long, lambda job: job["done"] >= 1)
    fill(disk)
    # Not even the failure of its attempt can be written down: the job waits, and the log says for what.
    end = time.monotonic() + 30
    while "cannot tell the store how a job ended" not in daemon.log():
        assert time.monotonic() < end, daemon.log()[-2000:]
        time.sleep(0.05)
    refused = daemon.submit(TURN % (1, 32, 32), code=5)
    assert "disk" in refused.err, refused.err
    assert daemon.get(first)["state"] == "succeeded"
    frames_before = daemon.get(long)["done"]
    (disk / "ballast").unlink()
    done = daemon.wait(long, lambda job: job["state"] == "succeeded")
    assert done["done"] == 6 and frames_before < 6 and done["attempts"] == 2, done
    assert [a["name"] for a in done["artifacts"]] == [f"frame_{i:04}.npz" for i in range(6)]
    again = daemon.submit(TURN % (1, 32, 32)).out.strip()
    daemon.wait(again, lambda job: job["state"] == "succeeded")
    daemon.stop()
    check = subprocess.run([bin_dir() / "dvrend", "--check-store", "--data-dir", disk / "data"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_folder_that_cannot_be_written_is_refused_at_the_start_and_its_jobs_are_there_later(disk, tmp_path, daemon_on):
    daemon = daemon_on(disk / "data").start()
    daemon("field", "create", "cloud", "--shape", "cloud", "--size", "16")
    job = daemon.submit(TURN % (1, 32, 32)).out.strip()
    daemon.wait(job, lambda now: now["state"] == "succeeded")
    daemon.stop()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    daemon.spawn()
    assert daemon.process.wait(30) not in (0, -6, -11)
    last = daemon.log().strip().splitlines()[-1]
    assert str(disk / "data") in last and "ead-only" in last, last
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    daemon.start()
    assert daemon.get(job)["state"] == "succeeded"


def test_while_another_program_holds_the_queue_callers_hear_so_and_a_running_job_goes_on_after_it(tmp_path, daemon_on):
    # For longer than the daemon's own lease: it must not take its own job for a dead daemon's.
    daemon = daemon_on(tmp_path / "data", config="jobs: {lease_s: 2}").start()
    daemon("field", "create", "cloud", "--shape", "cloud", "--size", "32")
    job = daemon.submit(TURN % (40, 256, 256)).out.strip()
    daemon.wait(job, lambda now: now["done"] >= 2)
    held = sqlite3.connect(next((tmp_path / "data").rglob("queue.sqlite")), isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    refused = daemon.submit(TURN % (1, 32, 32), code=6)
    assert "another program" in refused.err, refused.err
    assert daemon.get(job)["state"] == "running"  # who only reads is not held up
    held.execute("ROLLBACK")
    done = daemon.wait(job, lambda now: now["state"] not in ("queued", "running"), 120)
    assert done["state"] == "succeeded" and done["done"] == 40 and done["attempts"] == 1, done
    events = [json.loads(line) for line in daemon("job", "watch", job, "-o", "json").out.splitlines()]
    names = [event["artifact"]["name"] for event in events if "artifact" in event]
    assert len(names) == len(set(names)) == 40  # no frame twice


def libfaketime():
    found = shutil.which("faketime") and sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        message = "libfaketime is not installed: ./dev setup"
        print(f"SKIPPED: {message}")
        pytest.skip(message)
    return str(found[0])


@pytest.mark.parametrize("jump", ["+2d", "-2d"])
def test_a_clock_that_jumps_neither_loses_nor_repeats_what_jobs_do(tmp_path, daemon_on, jump):
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    env = {
        "LD_PRELOAD": libfaketime(),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    daemon = daemon_on(tmp_path / "data", env=env | {"PATH": os.environ["PATH"]}).start()
    daemon("field", "create", "cloud", "--shape", "cloud", "--size", "32")
    job = daemon.submit(TURN % (40, 256, 256)).out.strip()
    daemon.wait(job, lambda now: now["done"] >= 2)
    offset.write_text(f"{jump}\n")
    after = daemon.submit(TURN % (1, 32, 32)).out.strip()
    done = daemon.wait(job, lambda now: now["state"] not in ("queued", "running"), 120)
    assert done["state"] == "succeeded" and done["attempts"] == 1, done
    daemon.wait(after, lambda now: now["state"] == "succeeded")
    events = [json.loads(line) for line in daemon("job", "watch", job, "-o", "json").out.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    daemon.stop()
    daemon.start()
    assert daemon.get(job)["state"] == "succeeded"
