"""dvrenctl job: submitted, followed, steered; and what becomes of jobs when the daemon dies."""
import hashlib
import json
import pathlib
import re
import subprocess
import time

import ctl
import numpy as np
import png
import pytest
from daemon_process import DaemonProcess, bin_dir
from python_client import dvren

ROOT = pathlib.Path(__file__).resolve().parents[2]
GAUSSIAN = ROOT / "configs" / "recipes" / "gaussian.yaml"
SMALL = {
    "dataset": {"synthetic": "gaussian"},
    "field": {"sh_degree": 0, "box": [-1, -1, -1, 1, 1, 1]},
    "stages": [{"resolution": 16, "rays": 256}],
    "rays": {"background": "black"},
}
TURN = "render: {field: cloud, orbit_frames: %d, orbit: [0, 15], width: 64, height: 48}\n"


class Jobs:
    """A daemon that can be killed and comes back, and the commands of `dvrenctl job`."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = f"unix:{folder}/s"
        self.process = None

    def start(self, failpoint=""):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [bin_dir() / "dvrend", "--listen", self.socket, "--metrics", "", "--device", "cpu", "--threads", "1"]
        command += ["--data-dir", self.folder / "data", "--ready-file", ready, "--root", self.folder]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env={"DVREN_FAILPOINT": failpoint} if failpoint else {})
        end = time.monotonic() + 30
        while not ready.exists():
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.01)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def __call__(self, *arguments, code=0):
        done = ctl.run(*arguments, endpoint=self.socket, timeout=200)
        assert done.code == code, done.err + done.out
        return done

    def submit(self, text, *arguments, code=0):
        path = self.folder / "job.yaml"
        path.write_text(text)
        return self("job", "submit", path, *arguments, code=code).out.strip()

    def get(self, job):
        return json.loads(self("job", "get", job, "-o", "json").out)

    def wait(self, job, state="succeeded", seconds=60):
        end = time.monotonic() + seconds
        while (now := self.get(job))["state"] != state:
            assert time.monotonic() < end, now
            time.sleep(0.02)
        return now

    def wait_for_progress(self, job, done):
        end = time.monotonic() + 60
        while (now := self.get(job))["done"] < done and now["state"] in ("queued", "running"):
            assert time.monotonic() < end, now
        return now


@pytest.fixture
def jobs(tmp_path):
    made = Jobs(tmp_path).start()
    made("field", "create", "cloud", "--shape", "cloud", "--size", "32")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def values_of(jobs, field, name):
    jobs("field", "download", field, jobs.folder / name)
    return np.load(jobs.folder / name)["values"]


def test_a_sequence_is_rendered_and_its_frames_are_those_of_render(jobs, tmp_path):
    job = jobs.submit(TURN % 3)
    assert re.fullmatch(r"\d+", job)
    done = jobs("job", "watch", job)
    assert done.err.splitlines()[-1] == "succeeded"
    jobs("job", "artifacts", job, "--out", tmp_path / "turn")
    jobs("render", "cloud", "--out", tmp_path / "direct.png", "--orbit-frames", 3, "--orbit", "0,15", "--width", 64, "--height", 48)
    for i in range(3):
        assert (png.read(tmp_path / f"turn/frame_{i:04}.png") == png.read(tmp_path / f"direct_{i:03}.png")).all()
    assert [event.split()[0] for event in jobs("job", "logs", job).out.splitlines()][0] == "TIME"
    listed = json.loads(jobs("job", "list", "-o", "json").out)
    assert listed[0]["name"] == f"jobs/{job}" and listed[0]["done"] == 3


def test_colours_of_photographs_are_not_encoded_twice(jobs, tmp_path):
    shot = "--orbit 0,15 --width 64 --height 48".split()
    for space in ("linear", "srgb"):
        job = jobs.submit((TURN % 1).replace("}", f", color_space: {space}}}"))
        jobs.wait(job)
        jobs("job", "artifacts", job, "--out", tmp_path / space)
        jobs("render", "cloud", "--out", tmp_path / f"{space}.png", "--color-space", space, *shot)
        assert (png.read(tmp_path / space / "frame_0000.png") == png.read(tmp_path / f"{space}.png")).all()
    assert (png.read(tmp_path / "linear.png") != png.read(tmp_path / "srgb.png")).any()


def test_events_come_as_json_lines_numbered_without_gaps(jobs):
    job = jobs.submit(TURN % 2)
    lines = [json.loads(line) for line in jobs("job", "watch", job, "-o", "json").out.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["state"] for line in lines if "state" in line] == ["queued", "running", "succeeded"]
    assert [line["artifact"]["name"] for line in lines if "artifact" in line] == ["frame_0000.png", "frame_0001.png"]


def test_the_same_request_id_is_the_same_job(jobs):
    first = jobs.submit(TURN % 2, "--request-id", "nightly-1")
    assert jobs.submit(TURN % 2, "--request-id", "nightly-1") == first
    path = jobs.folder / "job.yaml"
    path.write_text(TURN % 3)
    refused = jobs("job", "submit", path, "--request-id", "nightly-1", code=1)
    assert "request_id = nightly-1" in refused.err and "choose a new id" in refused.err


def test_jobs_are_cancelled_paused_resumed_and_tried_again(jobs):
    job = jobs.submit(TURN % 5000)
    jobs.wait_for_progress(job, 2)
    jobs("job", "pause", job)
    paused = jobs.wait(job, "paused")
    assert paused["attempts"] == 0 and 2 <= paused["done"] < 5000
    jobs("job", "resume", job)
    jobs.wait_for_progress(job, paused["done"] + 2)
    jobs("job", "cancel", job)
    cancelled = jobs.wait(job, "cancelled")
    assert "was cancelled" in jobs("job", "watch", job, code=1).err
    jobs("job", "retry", job)
    again = jobs.wait_for_progress(job, cancelled["done"] + 1)
    assert again["done"] > cancelled["done"]
    jobs("job", "cancel", job)
    assert "nothing to cancel" not in jobs("job", "cancel", job).err


def test_what_cannot_be_done_is_said_when_it_is_submitted(jobs):
    def refused(text, *words, code=2):
        path = jobs.folder / "job.yaml"
        path.write_text(text)
        err = jobs("job", "submit", path, code=code).err
        assert err.count("\n") == 1
        for word in words:
            assert word in err, err

    refused("render: {feild: cloud}\n", "job.yaml:1: render.feild", "did you mean field?")
    refused("title: nothing\n", "one of render, train, bench")
    refused("render: {field: cloud}\nbench: {field: cloud}\n", "a job does one thing")
    refused("render: {field: nowhere}\n", "nowhere", code=3)
    refused("render: {field: cloud, format: gif}\n", "render.format = gif", "png, exr or npz")
    refused("render: {field: cloud, color_space: hsv}\n", "color_space = hsv", "linear or srgb")
    refused("render: {field: cloud, aov: depth}\n", "format = PNG", "EXR or NPZ")
    refused("render: {field: cloud, width: 100000}\n", "100000")
    refused("priority: 5000\n" + TURN % 2, "priority = 5000", "-1000 to 1000")
    refused("class: urgent\n" + TURN % 2, "class = urgent", "interactive, normal or batch")
    refused(f"train: {{recipe: {GAUSSIAN}, set: [optimizer.kind=adamm]}}\n", "adamm")
    refused("train: {recipe: no.yaml}\n", "no such file", code=3)
    refused("bench: {field: cloud, repeats: -1}\n", "repeats = -1")
    for name in ("999999", "jobs/0", "x"):
        assert jobs("job", "get", name, code=3)


def test_a_job_whose_field_goes_fails_and_says_why(jobs):
    jobs("job", "pause", (running := jobs.submit(TURN % 5000)))
    jobs.wait(running, "paused")
    jobs("field", "delete", "cloud")
    jobs("job", "resume", running)
    failed = jobs.wait(running, "failed")
    assert failed["error"]["code"] == "NOT_FOUND" and failed["attempts"] == 1


def test_a_bench_has_figures(jobs, tmp_path):
    job = jobs.submit("bench: {field: cloud, width: 32, repeats: 4}\n")
    jobs.wait(job)
    jobs("job", "artifacts", job, "--out", tmp_path / "b")
    figures = json.loads((tmp_path / "b/bench.json").read_text())
    assert figures["repeats"] == 4 and figures["rays"] == 32 * 32 and figures["samples_per_second_p50"] > 0


def test_a_killed_sequence_goes_on_and_no_frame_is_torn_or_rendered_twice(jobs, tmp_path):
    whole = jobs.submit(TURN % 40)
    truth = {a["name"]: a["sha256"] for a in jobs.wait(whole)["artifacts"]}
    job = jobs.submit(TURN % 40)
    jobs.wait_for_progress(job, 7)
    jobs.kill()
    jobs.start()
    done = jobs.wait(job)
    assert {a["name"]: a["sha256"] for a in done["artifacts"]} == truth
    lines = [json.loads(line) for line in jobs("job", "watch", job, "-o", "json").out.splitlines()]
    frames = [line["progress"]["done"] for line in lines if "progress" in line]
    assert frames == list(range(1, 41))
    jobs("job", "artifacts", job, "--out", tmp_path / "out")
    for name, sha256 in truth.items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == sha256


TRAIN = f"train: {{recipe: {GAUSSIAN}, field: %s, set: [steps=400], checkpoint_every_steps: 50}}\n"


@pytest.mark.parametrize("end", ["kill", "stop", "pause"])
def test_a_training_that_was_interrupted_ends_with_the_same_bits(jobs, end):
    jobs.wait(jobs.submit(TRAIN % "whole"))
    job = jobs.submit(TRAIN % "parts")
    jobs.wait_for_progress(job, 60)
    if end == "pause":
        jobs("job", "pause", job)
        paused = jobs.wait(job, "paused")
        assert 0 < paused["done"] < 400
        jobs("job", "resume", job)
    else:
        getattr(jobs, end)()
        jobs.start()
    done = jobs.wait(job)
    assert done["attempts"] == (2 if end == "kill" else 1)
    assert "training goes on at step" in jobs("job", "logs", job).out
    assert (values_of(jobs, "parts", "a.npz") == values_of(jobs, "whole", "b.npz")).all()


@pytest.mark.parametrize("failpoint", ["before_commit", "after_commit", "before_ack"])
def test_a_daemon_that_dies_at_a_submit_has_the_job_once_or_not_at_all(jobs, failpoint):
    jobs.stop()
    jobs.start(failpoint)
    path = jobs.folder / "job.yaml"
    path.write_text(TURN % 2)
    ctl.run("--timeout", "5", "job", "submit", path, "--request-id", "once", endpoint=jobs.socket, timeout=60)
    assert jobs.process.wait(30) == -9
    jobs.start()
    there = json.loads(jobs("job", "list", "-o", "json").out)
    assert len(there) == (0 if failpoint == "before_commit" else 1)
    job = jobs.submit(TURN % 2, "--request-id", "once")
    jobs.wait(job)
    assert len(json.loads(jobs("job", "list", "-o", "json").out)) == 1


@pytest.mark.parametrize("failpoint", ["mid_artifact:5", "mid_checkpoint:3", "before_commit:9", "after_commit:9"])
def test_a_daemon_that_dies_within_a_job_finishes_it_when_it_is_back(jobs, failpoint):
    jobs.stop()
    jobs.start(failpoint)
    training = failpoint.startswith("mid_checkpoint")
    job = jobs.submit(TRAIN % "f" if training else TURN % 12)
    assert jobs.process.wait(60) == -9
    jobs.start()
    done = jobs.wait(job)
    assert done["attempts"] == 2
    assert len(done.get("artifacts", [])) == (0 if training else 12)
    scratch = jobs.folder / "data/jobs/objects/scratch"
    assert list(scratch.iterdir()) == []


def test_a_job_that_kills_its_daemon_twice_is_set_aside(jobs):
    job = None
    for _ in range(2):
        jobs.stop() if jobs.process.poll() is None else None
        jobs.start("mid_artifact")
        job = job or jobs.submit(TURN % 12)
        assert jobs.process.wait(60) == -9
    jobs.start()
    failed = jobs.wait(job, "failed")
    assert "died 2 times" in failed["error"]["message"] and "retry" in failed["error"]["message"]
    jobs("job", "retry", job)
    jobs.wait(job)


def test_a_queue_whose_file_is_damaged_or_gone_is_no_empty_queue(jobs):
    jobs.wait(jobs.submit(TURN % 2))
    jobs.stop()
    queue = jobs.folder / "data/jobs/queue.sqlite"
    whole = queue.read_bytes()

    def refused(*words):
        command = [bin_dir() / "dvrend", "--listen", jobs.socket, "--metrics", "", "--data-dir", jobs.folder / "data"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        last = done.stderr.splitlines()[-1]
        for word in words:
            assert word in last, done.stderr

    damaged = bytearray(whole)
    for at in range(4096, len(damaged), 4096):
        damaged[at : at + 64] = b"\xa5" * 64
    queue.write_bytes(damaged)
    refused("queue.sqlite", "backup")
    queue.write_bytes(b"no database at all" * 100)
    refused("queue.sqlite", "backup")
    queue.unlink()
    refused("queue.sqlite", "its file is gone", "restore it")
    queue.write_bytes(whole)
    jobs.start()
    assert len(json.loads(jobs("job", "list", "-o", "json").out)) == 1


def test_a_check_of_the_store_lists_what_is_damaged(jobs):
    job = jobs.submit(TURN % 3)
    artifacts = jobs.wait(job)["artifacts"]
    command = [bin_dir() / "dvrend", "--data-dir", jobs.folder / "data", "--check-store"]
    running = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert running.returncode != 0 and "data_dir" in running.stderr  # another daemon holds it
    jobs.stop()
    sound = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (sound.returncode, sound.stdout) == (0, "3 artifacts, 0 findings\n")
    sha256 = [artifact["sha256"] for artifact in artifacts]
    objects = jobs.folder / "data/jobs/objects"
    (objects / sha256[0][:2] / sha256[0][2:]).unlink()
    (objects / sha256[1][:2] / sha256[1][2:]).write_bytes(b"else")
    damaged = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert damaged.returncode == 1
    assert f"artifact {sha256[0]}" in damaged.stdout and f"artifact {sha256[1]}" in damaged.stdout
    assert "3 artifacts, 2 findings" in damaged.stdout


def test_tenants_see_their_own_jobs_alone(tmp_path):
    tokens = {name: f"token-of-{name}" for name in ("alice", "bob")}
    config = tmp_path / "dvrend.yaml"
    rows = [f"    - {{tenant: {n}, sha256: {hashlib.sha256(t.encode()).hexdigest()}}}" for n, t in tokens.items()]
    config.write_text("auth:\n  tokens:\n" + "\n".join(rows) + "\ntenants: [{tenant: alice, weight: 3}]\n")
    with DaemonProcess(tmp_path / "d", "--config", str(config)) as daemon:
        def run(who, *arguments, code=0):
            done = ctl.run(*arguments, endpoint=daemon.endpoint, env={"DVREN_TOKEN": tokens[who]})
            assert done.code == code, done.err
            return done.out

        run("alice", "field", "create", "cloud", "--shape", "cloud", "--size", "16")
        (tmp_path / "job.yaml").write_text(TURN % 2)
        job = run("alice", "job", "submit", tmp_path / "job.yaml").strip()
        run("alice", "job", "watch", job)
        assert json.loads(run("bob", "job", "list", "-o", "json")) == []
        for command in ("get", "watch", "cancel", "logs", "artifacts"):
            run("bob", "job", command, job, code=3)


def test_from_python_jobs_are_submitted_followed_and_fetched(jobs, tmp_path):
    with dvren.connect(jobs.socket) as client:
        box = [-1, -1, -1, 1, 1, 1]
        cameras = [dvren.Camera.orbit(box, 20.0 * i, 10, 4, width=32, height=24, fov_deg=40) for i in range(3)]
        job = client.jobs.render_sequence("cloud", cameras, "npz", "turn_", title="three", aov=("rgb", "depth"))
        assert (job.kind, job.title, job.total, job.job_class) == ("render_sequence", "three", 3, "batch")
        events = list(client.jobs.watch(job))
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert [event.state for event in events if event.state] == ["queued", "running", "succeeded"]
        assert [event.done for event in events if event.done is not None] == [1, 2, 3]
        done = client.jobs.wait(job)
        assert [artifact.name for artifact in done.artifacts] == ["turn_0000.npz", "turn_0001.npz", "turn_0002.npz"]
        for i, artifact in enumerate(done.artifacts):
            frame = np.load(client.jobs.download(job, artifact, tmp_path))
            direct = client.render("cloud", camera=cameras[i], aov=("rgb", "depth"))
            assert (frame["rgb"] == direct.rgb).all() and (frame["depth"] == direct.depth).all()
        assert [event.log or event.state for event in client.jobs.logs(job)] == ["queued", "running", "succeeded"]

        trained = client.jobs.wait(client.jobs.train("from-python", {"steps": 20, **SMALL}))
        assert trained.done == 20 and client.fields.get("from-python").version == 1
        benched = client.jobs.wait(client.jobs.bench("cloud", 2, width=16, height=16))
        assert [artifact.name for artifact in benched.artifacts] == ["bench.json"]

        slow = client.jobs.render_sequence("cloud", cameras * 2000)
        jobs.wait_for_progress(slow.name, 1)
        assert client.jobs.set_priority(slow, 5).priority == 5
        client.jobs.cancel(slow)
        with pytest.raises(dvren.AbortedError, match="cancelled"):
            client.jobs.wait(slow)
        assert [job.name for job in client.jobs.list(states=["cancelled"])] == [slow.name]
        with pytest.raises(dvren.InvalidArgumentError, match="steps"):
            client.jobs.render_sequence("cloud", cameras, steps=3)
        with pytest.raises(dvren.NotFoundError):
            client.jobs.get(4711)


def test_a_watch_goes_on_when_the_daemon_comes_back(jobs):
    with dvren.connect(jobs.socket) as client:
        box = [-1, -1, -1, 1, 1, 1]
        cameras = [dvren.Camera.orbit(box, 3.0 * i, 10, 4, width=64, height=48, fov_deg=40) for i in range(120)]
        job = client.jobs.render_sequence("cloud", cameras)
        numbers = []
        for event in client.jobs.watch(job):
            numbers.append(event.number)
            if event.done == 5:
                jobs.kill()
                jobs.start()
        assert numbers == list(range(1, len(numbers) + 1))
        assert client.jobs.get(job).state == "succeeded"
