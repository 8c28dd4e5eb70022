"""One dvrend as a process, and the few messages that its life cycle needs, written as bytes: no generated code here."""

import json
import os
import pathlib
import signal
import subprocess
import time

import grpc

_SECONDS = 60  # generous: a machine under sanitizers and load is slow, and nothing here measures time


def dvrend():
    folder = os.environ.get("DVREN_BIN_DIR")
    if not folder:
        raise FileNotFoundError("DVREN_BIN_DIR is not set: give the folder of dvrend, such as build/release/bin")
    return str(pathlib.Path(folder) / "dvrend")


def run(*flags, **options):
    """Runs dvrend to its end, which is for refusals and --check-config."""
    return subprocess.run([dvrend(), *map(str, flags)], capture_output=True, text=True, timeout=_SECONDS, **options)


def error_of(done):
    """The one line on stderr that is not a line of the log."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("dvrend: ")
    return lines[0]


class Daemon:
    """`with Daemon(folder, "--threads", 2) as daemon`; its data and its log lie in `folder`."""

    def __init__(self, folder, *flags, listen=("127.0.0.1:0",), metrics="", data_dir=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = pathlib.Path(data_dir or self.folder / "data")
        self._ready = self.folder / "ready"
        self._log = self.folder / "log"
        self._command = [dvrend(), "--device", "cpu", "--threads", "1", "--data-dir", str(self.data_dir)]
        for address in listen:
            self._command += ["--listen", address]
        if metrics is not None:
            self._command += ["--metrics", metrics]
        self._command += ["--ready-file", str(self._ready), *map(str, flags)]

    def __enter__(self):
        self._ready.unlink(missing_ok=True)
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(self._command, stderr=log)
        wait_until(lambda: self._ready.exists() or self.process.poll() is not None)
        assert self._ready.exists(), self._log.read_text()
        self.addresses = self._ready.read_text().split()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        """Every line of the log, parsed: a line that is no JSON object fails the test."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def logged(self, message):
        return [line for line in self.log() if line["msg"] == message]

    def channel(self, address=None):
        return grpc.insecure_channel(address or self.addresses[0])

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(_SECONDS)

    def terminate(self):
        self.signal(signal.SIGTERM)
        return self.wait()


def wait_until(condition):
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def text_field(number, text):
    """A protobuf string field (shorter than 128 bytes)."""
    data = text.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def unary(channel, method):
    """A unary call that takes and gives bytes."""
    return channel.unary_unary(method)


def get_field(channel, name, **options):
    return unary(channel, "/dvren.v1.FieldService/GetField")(text_field(1, name), timeout=_SECONDS, **options)


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"  # grpc.health.v1.HealthCheckResponse


def health(channel, service=""):
    return unary(channel, "/grpc.health.v1.Health/Check")(text_field(1, service) if service else b"", timeout=_SECONDS)


def watch_health(channel, service=""):
    call = channel.unary_stream("/grpc.health.v1.Health/Watch")
    return call(text_field(1, service) if service else b"", timeout=_SECONDS)


def list_services(channel):
    """What reflection (v1alpha) lists."""
    call = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    return next(call(iter([text_field(7, "*")]), timeout=_SECONDS))
