"""SIGTERM: NOT_SERVING, drain, exit 0, whatever clients are up to."""

import contextlib
import signal
import threading

import grpc
import lifecycle


def test_sigterm_and_sigint_exit_0(tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        with lifecycle.Daemon(tmp_path) as daemon:
            daemon.signal(number)
            assert daemon.wait() == 0
            assert daemon.logged("draining") and daemon.logged("stopped")


def test_a_health_watcher_sees_not_serving_and_does_not_hold_the_daemon(tmp_path):
    with lifecycle.Daemon(tmp_path, "--drain-grace", "50") as daemon, daemon.channel() as channel:
        watch = lifecycle.watch_health(channel, "dvren.v1.RenderService")
        assert next(watch) == lifecycle.SERVING
        daemon.signal(signal.SIGTERM)
        assert next(watch) == lifecycle.NOT_SERVING
        assert daemon.wait() == 0


@contextlib.contextmanager
def endless_upload(channel):
    """An upload that sends its header and then nothing more; the daemon has it when this returns."""
    release = threading.Event()

    def chunks():
        # UploadHeader{display_name: "x", source: "x.npy", total_bytes: 100}, and then silence.
        header = lifecycle.text_field(1, "x") + lifecycle.text_field(2, "x.npy") + b"\x18\x64"
        yield bytes([1 << 3 | 2, len(header)]) + header
        release.wait()

    upload = channel.stream_unary("/dvren.v1.FieldService/UploadField").future(chunks())
    upload.initial_metadata()
    yield upload
    release.set()


def test_an_upload_that_never_ends_is_cut_when_the_grace_is_over(tmp_path):
    with lifecycle.Daemon(tmp_path, "--drain-grace", "1") as daemon, daemon.channel() as channel:
        with endless_upload(channel) as upload:
            assert daemon.terminate() == 0
            assert isinstance(upload.exception(), grpc.RpcError)


def test_a_second_signal_ends_a_drain_at_once(tmp_path):
    with lifecycle.Daemon(tmp_path, "--drain-grace", "86400") as daemon, daemon.channel() as channel:
        with endless_upload(channel):
            daemon.signal(signal.SIGTERM)
            lifecycle.wait_until(lambda: daemon.logged("draining"))
            assert daemon.process.poll() is None
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 1


def test_sighup_does_not_end_the_daemon(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon, daemon.channel() as channel:
        daemon.signal(signal.SIGHUP)
        lifecycle.wait_until(lambda: any(line["msg"].startswith("SIGHUP") for line in daemon.log()))
        assert lifecycle.health(channel) == lifecycle.SERVING
        assert daemon.terminate() == 0
