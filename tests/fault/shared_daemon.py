"""Daemons of one shared queue, and the few calls that their tests need."""

import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/e2e")]

import grpc  # noqa: E402
from daemon_process import bin_dir  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402, F401
from python_client import dvren  # noqa: E402
from dvren._proto.dvren.v1 import field_service_pb2 as fields_pb  # noqa: E402
from dvren._proto.dvren.v1 import job_service_pb2 as pb  # noqa: E402

FINISHED = {pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED}


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return got


class Stub:
    """A method per RPC of JobService, from the service's description, and `get_field`."""

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
        self._get_field = channel.unary_unary(
            "/dvren.v1.FieldService/GetField",
            request_serializer=fields_pb.GetFieldRequest.SerializeToString,
            response_deserializer=fields_pb.Field.FromString,
        )
        self._health = channel.unary_unary("/grpc.health.v1.Health/Check")

    def get_field(self, name):
        return self._get_field(fields_pb.GetFieldRequest(name=name), timeout=20)

    def serving(self, service):
        """By grpc.health.v1, whose two messages are short enough to write as bytes."""
        return self._health(b"\x0a" + bytes([len(service)]) + service.encode(), timeout=20) == b"\x08\x01"

    def submit(self, spec, **options):
        return self.SubmitJob(pb.SubmitJobRequest(spec=spec, **options), timeout=60).name

    def get(self, job):
        return self.GetJob(pb.GetJobRequest(name=job), timeout=60)

    def finished(self, job, seconds=60):
        return wait_for(lambda: (now := self.get(job)).state in FINISHED and now, seconds)

    def events(self, job):
        return [answer.event for answer in self.WatchJob(pb.WatchJobRequest(name=job), timeout=60)]

    def download(self, job, artifact):
        pieces = self.DownloadArtifact(pb.DownloadArtifactRequest(name=job, artifact=artifact), timeout=60)
        return b"".join(piece.chunk.data for piece in pieces)

    def all_jobs(self):
        jobs, token = [], ""
        while True:
            page = self.ListJobs(pb.ListJobsRequest(page_size=1000, page_token=token), timeout=60)
            jobs += page.jobs
            token = page.next_page_token
            if not token:
                return jobs


class Daemon:
    """With `queue` and `objects` it shares its jobs; without, they are its own."""

    def __init__(self, folder, queue=None, objects=None, lease_s=2, max_running=4):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = {"listen": [f"unix:{self.folder}/s"], "metrics": "", "devices": ["cpu"], "threads": 1}
        self.config["data_dir"] = str(self.folder / "data")
        self.config["jobs"] = {"lease_s": lease_s, "max_running": max_running}
        if queue:
            self.config["jobs"]["store"] = queue
            self.config["store"] = {"objects": str(objects)}
        self.process = self.channel = self.stub = None

    def command(self, *more):
        path = self.folder / "dvrend.yaml"
        path.write_text(json.dumps(self.config))
        return [bin_dir() / "dvrend", "--config", path, *more]

    def start(self, seconds=60, **options):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command("--ready-file", ready), stderr=log, **options)
        wait_for(lambda: ready.exists() or self.process.poll() is not None, seconds)
        assert ready.exists(), self.log()[-3000:]
        self.channel = grpc.insecure_channel(f"unix:{self.folder}/s", [("grpc.use_local_subchannel_pool", 1)])
        self.stub = Stub(self.channel)
        return self

    def run(self, *more):
        """Runs dvrend to its end, which is for refusals and checks."""
        return subprocess.run(self.command(*more), capture_output=True, text=True, timeout=60)

    def refusal(self, *more):
        """The last line on stderr of a start that is refused, and the exit code."""
        done = self.run(*more)
        assert done.returncode != 0, done.stdout
        return done.stderr.splitlines()[-1], done.returncode

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        self.channel.close()

    def log(self):
        return (self.folder / "log").read_text()

    def logged(self, message):
        return [line for text in self.log().splitlines() if (line := json.loads(text))["msg"] == message]

    def ctl(self, *arguments):
        command = [bin_dir() / "dvrenctl", "--endpoint", f"unix:{self.folder}/s", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def render_spec(field, frames, width=32, height=24, turn=30):
    spec = pb.JobSpec()
    sequence = spec.render_sequence
    sequence.render.scene.instances.add().field = field
    for i in range(frames):
        camera = dvren.Camera.orbit([-10, -10, -10, 10, 10, 10], turn * i, 10, 40, width=width, height=height, fov_deg=40)
        sequence.cameras.append(camera._to_message())
    return spec


def train_spec(field, steps=60, seed=0):
    """Of photographs of a Gaussian blob, which the daemon makes itself."""
    spec = pb.JobSpec()
    train = spec.train
    train.field = field
    train.checkpoint_every_steps = 20
    train.dataset.synthetic = "gaussian"
    recipe = train.recipe
    recipe.steps, recipe.seed = steps, seed
    recipe.field.sh_degree = 0
    for corner, value in (("min", -1), ("max", 1)):
        for axis in "xyz":
            setattr(getattr(recipe.field.box, corner), axis, value)
    recipe.stages.add(resolution=16, rays=256)
    recipe.rays.background = "black"
    return spec
