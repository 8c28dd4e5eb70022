#!/usr/bin/env python3
"""Jobs through a daemon that dies again and again: clients submit, watch, cancel and retry while it is killed at random
and at every failpoint; then the history is checked against what the clients were told.

    tests/fault/test_job_kills.py --kills 500 [--seed S]

As a test: 50 kills, or $DVREN_JOB_KILLS.
"""

import argparse
import collections
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/e2e")]

import grpc  # noqa: E402
from daemon_process import bin_dir  # noqa: E402
from python_client import dvren  # noqa: E402
from dvren._proto.dvren.v1 import job_service_pb2 as pb  # noqa: E402

CLIENTS = 8
FAILPOINTS = ("", "", "before_commit", "after_commit", "before_ack", "mid_artifact")
FINISHED = {pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED}
Q, R, P = pb.JOB_STATE_QUEUED, pb.JOB_STATE_RUNNING, pb.JOB_STATE_PAUSED
S, F, C = pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED
# The picture in server/jobs/job.h.
LEGAL = {(0, Q), (Q, R), (Q, P), (Q, C), (P, Q), (P, C), (R, S), (R, F), (R, C), (R, Q), (R, P), (F, Q), (C, Q)}


class Stub:
    """A method per RPC of JobService, from the service's description."""

    def __init__(self, channel):
        service = pb.DESCRIPTOR.services_by_name["JobService"]
        for method in service.methods:
            kind = channel.unary_stream if method.name in ("WatchJob", "DownloadArtifact") else channel.unary_unary
            call = kind(
                f"/{service.full_name}/{method.name}",
                request_serializer=getattr(pb, method.input_type.name).SerializeToString,
                response_deserializer=getattr(pb, method.output_type.name).FromString,
            )
            setattr(self, method.name, call)


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        self.address = f"unix:{folder}/s"
        self.process = None
        self.recovery_seconds = 0.0

    def start(self, failpoint=""):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [bin_dir() / "dvrend", "--listen", self.address, "--metrics", "", "--device", "cpu", "--threads", "1"]
        command += ["--data-dir", self.folder / "data", "--ready-file", ready]
        begin = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            environment = {"DVREN_FAILPOINT": failpoint} if failpoint else {}
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        while not ready.exists():
            if self.process.poll() is not None:
                if self.process.returncode == -9:
                    return False  # at a failpoint, while it started
                raise AssertionError((self.folder / "log").read_text()[-3000:])
            assert time.monotonic() < begin + 30
            time.sleep(0.005)
        self.recovery_seconds = max(self.recovery_seconds, time.monotonic() - begin)
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()


class Client(threading.Thread):
    """Does one thing after the other, and remembers what it was told. A call that fails may or may not have been
    carried out."""

    def __init__(self, address, spec, number, seed):
        super().__init__(daemon=True)
        backoff = ["grpc.initial_reconnect_backoff_ms", "grpc.min_reconnect_backoff_ms", "grpc.max_reconnect_backoff_ms"]
        options = [(name, 30) for name in backoff] + [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(address, options)
        self.stub = Stub(self.channel)
        self.spec, self.number, self.random = spec, number, random.Random(seed)
        self.acknowledged = {}  # request id: job
        self.tried = {}  # request id: frames
        self.cancelled = set()  # whose cancel was acknowledged and that were not tried again since
        self.stop = threading.Event()
        self.errors = []

    def run(self):
        try:
            while not self.stop.is_set():
                self.act()
        except Exception as error:  # the test shows it
            self.errors.append(error)

    def call(self, method, request):
        try:
            return method(request, timeout=5, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
                raise
            time.sleep(0.01)
            return None

    def submit(self, request_id, frames):
        self.tried[request_id] = frames
        job = self.call(self.stub.SubmitJob, pb.SubmitJobRequest(spec=self.spec(frames), request_id=request_id))
        if job is None:
            return
        assert self.acknowledged.setdefault(request_id, job.name) == job.name, "one request id, two jobs"

    def act(self):
        what = self.random.random()
        known = list(self.acknowledged.values())
        if what < 0.45 or not known:
            self.submit(f"c{self.number}-{len(self.tried)}", self.random.randint(1, 6))
        elif what < 0.6:
            request_id = self.random.choice(list(self.tried))
            self.submit(request_id, self.tried[request_id])
        elif what < 0.75:
            job = self.random.choice(known)
            try:
                if self.call(self.stub.CancelJob, pb.CancelJobRequest(name=job)):
                    self.cancelled.add(job)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        elif what < 0.85:
            job = self.random.choice(known)
            # Whether it is carried out or not: from here on the job may run again.
            self.cancelled.discard(job)
            try:
                self.call(self.stub.RetryJob, pb.RetryJobRequest(name=job))
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        elif what < 0.95:
            job = self.random.choice(known)
            self.call(self.stub.GetJob, pb.GetJobRequest(name=job))
        else:
            self.watch(self.random.choice(known))

    def watch(self, job):
        last = 0
        try:
            for answer in self.stub.WatchJob(pb.WatchJobRequest(name=job), timeout=2):
                assert answer.event.number == last + 1, "events have a gap"
                last = answer.event.number
        except grpc.RpcError as error:
            allowed = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
            assert error.code() in allowed, error


def all_jobs(stub):
    jobs, token = [], ""
    while True:
        page = stub.ListJobs(pb.ListJobsRequest(page_size=1000, page_token=token), timeout=10)
        jobs += page.jobs
        token = page.next_page_token
        if not token:
            return jobs


def spec_for(field):
    def spec(frames):
        one = pb.JobSpec()
        sequence = one.render_sequence
        sequence.render.scene.instances.add().field = field
        for i in range(frames):
            camera = dvren.Camera.orbit([-10, -10, -10, 10, 10, 10], 30 * i, 10, 40, width=24, height=16, fov_deg=40)
            sequence.cameras.append(camera._to_message())
        return one

    return spec


def check(stub, clients):
    """Every job against what the clients were told. Gives how the jobs ended."""
    outcome = collections.Counter()
    jobs = {job.name: job for job in all_jobs(stub)}
    tried = {request: frames for client in clients for request, frames in client.tried.items()}
    acknowledged = {request: job for client in clients for request, job in client.acknowledged.items()}
    assert set(acknowledged.values()) <= set(jobs), "an acknowledged job is lost"
    assert len(set(acknowledged.values())) == len(acknowledged), "two request ids, one job"
    assert len(jobs) <= len(tried), "more jobs than were asked for"
    frames_of = {job: tried[request] for request, job in acknowledged.items()}
    for name, job in jobs.items():
        assert job.state in FINISHED, job
        outcome[pb.JobState.Name(job.state)] += 1
        full = stub.GetJob(pb.GetJobRequest(name=name), timeout=10)
        events = [answer.event for answer in stub.WatchJob(pb.WatchJobRequest(name=name), timeout=10)]
        assert [event.number for event in events] == list(range(1, len(events) + 1)), name
        state = 0
        for event in events:
            if event.WhichOneof("event") == "state":
                assert (state, event.state) in LEGAL, (name, state, event.state)
                state = event.state
        assert state == job.state, name
        frames = [event.progress.done for event in events if event.WhichOneof("event") == "progress"]
        assert frames == list(range(1, len(frames) + 1)), f"{name}: a frame was rendered twice: {frames}"
        if job.state == S and name in frames_of:
            assert len(full.artifacts) == frames_of[name] == job.done, full
        if job.state == F:
            assert "daemon died" in full.error.message, full.error
        for artifact in full.artifacts:
            pieces = stub.DownloadArtifact(pb.DownloadArtifactRequest(name=name, artifact=artifact.name), timeout=10)
            content = b"".join(piece.chunk.data for piece in pieces)
            assert hashlib.sha256(content).hexdigest() == artifact.sha256 and content[-8:-4] == b"IEND"
    for client in clients:
        for job in client.cancelled:
            assert jobs[job].state in (C, S, F), jobs[job]
    return outcome


def run(kills, seed, folder):
    daemon = Daemon(folder)
    daemon.start()
    try:
        run_on(daemon, kills, seed)
    finally:
        daemon.kill()


def run_on(daemon, kills, seed):
    chance = random.Random(seed)
    create = [bin_dir() / "dvrenctl", "--endpoint", daemon.address, "field", "create", "f", "--shape", "cloud", "--size", "16"]
    subprocess.run(create, check=True, capture_output=True)
    clients = [Client(daemon.address, spec_for("f"), i, seed * 1000 + i) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    done = collections.Counter()
    for _ in range(kills):
        end = time.monotonic() + chance.uniform(0.05, 0.5)
        while daemon.process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        done["failpoint" if daemon.process.poll() is not None else "random"] += 1
        daemon.kill()
        failpoint = chance.choice(FAILPOINTS)
        if not daemon.start(f"{failpoint}:{chance.randint(1, 40)}" if failpoint else ""):
            done["while starting"] += 1
            daemon.start()
        assert not any(client.errors for client in clients), [client.errors for client in clients]
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join()
        assert not client.errors, client.errors
    daemon.kill()
    daemon.start()
    # What a client does not know of may have been carried out; asked again, it is the same job.
    with grpc.insecure_channel(daemon.address) as channel:
        stub = Stub(channel)
        left, since = -1, time.monotonic()
        while unfinished := sum(job.state not in FINISHED for job in all_jobs(stub)):
            if unfinished != left:
                left, since = unfinished, time.monotonic()
            assert time.monotonic() < since + 60, f"{left} jobs do not end"
            time.sleep(0.2)
        before = len(all_jobs(stub))
        for client in clients:
            for request_id, name in client.acknowledged.items():
                request = pb.SubmitJobRequest(spec=client.spec(client.tried[request_id]), request_id=request_id)
                assert stub.SubmitJob(request, timeout=10).name == name
        assert len(all_jobs(stub)) == before
        outcome = check(stub, clients)
    daemon.process.terminate()
    assert daemon.process.wait(60) == 0
    print(f"seed {seed}: {kills} kills ({dict(done)}), {before} jobs, {dict(outcome)}, slowest start {daemon.recovery_seconds:.2f} s")


def test_nothing_that_was_acknowledged_is_lost_through_kills(tmp_path):
    run(int(os.environ.get("DVREN_JOB_KILLS", "50")), 1, tmp_path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run(arguments.kills, arguments.seed, pathlib.Path(scratch))
