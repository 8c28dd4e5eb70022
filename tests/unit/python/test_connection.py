"""connect(), the daemon's description, health, tokens and errors."""

import datetime
import pathlib
import re
import subprocess
import sys

import pytest

import dvren
from conftest import CLIENT
from fake_daemon import FakeDaemon


def test_info_devices_and_health_come_as_plain_values(client):
    info = client.info()
    assert (info.version, info.tenant, info.field_types) == ("9.8.7", "default", ("dense_grid", "nanovdb"))
    assert info.limits.max_image_edge == 8192
    assert info.start_time == datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)
    (device,) = client.devices()
    assert (device.id, device.threads, device.healthy) == ("cpu", 2, True)
    assert client.health() == "NOT_SERVING"
    assert client.health("dvren.v1.RenderService") == "SERVING"
    with pytest.raises(dvren.NotFoundError, match="service = x"):
        client.health("x")


def test_a_unix_socket_serves_as_well(tmp_path):
    fake = FakeDaemon(f"unix:{tmp_path}/d.sock")
    with dvren.connect(fake.address) as client:
        assert client.info().version == "9.8.7"
    fake.stop()


def test_endpoint_and_token_come_from_the_environment(monkeypatch):
    fake = FakeDaemon(token="s3cret")
    monkeypatch.setenv("DVREN_ENDPOINT", fake.address)
    with dvren.connect() as client, pytest.raises(dvren.UnauthenticatedError, match="set DVREN_TOKEN"):
        client.info()
    monkeypatch.setenv("DVREN_TOKEN", "s3cret")
    with dvren.connect() as client:
        assert client.info().version == "9.8.7"
        assert "s3cret" not in repr(client)
    with dvren.connect(token="wrong") as client, pytest.raises(dvren.UnauthenticatedError):
        client.info()
    fake.stop()


def test_an_error_is_one_line_with_the_request_id(client):
    with pytest.raises(dvren.NotFoundError) as caught:
        client.fields.get("smoke")
    error = caught.value
    assert (error.code, error.request_id) == ("NOT_FOUND", "req-9")
    assert error.message == "field = smoke: not found; list the fields"
    assert str(error) == error.message + " (request req-9)"


def test_where_no_daemon_is_the_error_names_endpoint_and_remedy():
    with dvren.connect("127.0.0.1:9") as client, pytest.raises(dvren.UnavailableError) as caught:
        client.info()
    assert caught.value.request_id is None
    assert re.match("endpoint = 127.0.0.1:9: no daemon answers there .*; start dvrend", str(caught.value))


def test_an_expired_deadline_names_the_timeout(daemon):
    daemon.GetServerInfo = lambda request, context: __import__("time").sleep(1)
    with dvren.connect(daemon.address, timeout=0.1) as client:
        with pytest.raises(dvren.DeadlineExceededError, match="timeout = 0.1 s: the call took longer"):
            client.info()


@pytest.mark.parametrize("endpoint", ["localhost", "http://a:1", "a:0", "a:70000", "unix:", ":80", "a:b"])
def test_a_malformed_endpoint_is_refused_at_once(endpoint):
    with pytest.raises(dvren.InvalidArgumentError, match="must be host:port, such as"):
        dvren.connect(endpoint)


def test_an_engine_in_the_process_is_not_there_yet():
    with pytest.raises(dvren.UnimplementedError, match="start dvrend") as caught:
        dvren.connect("local")
    assert isinstance(caught.value, NotImplementedError)


def test_tls_files_must_be_there_and_paired(tmp_path):
    with pytest.raises(dvren.InvalidArgumentError, match="ca = .*none.pem: must be a readable PEM file"):
        dvren.connect(ca=str(tmp_path / "none.pem"))
    with pytest.raises(dvren.InvalidArgumentError, match="needs both files"):
        dvren.connect(cert="a.pem")
    with pytest.raises(dvren.InvalidArgumentError, match="timeout = 0: must be > 0"):
        dvren.connect(timeout=0)


def test_every_error_class_is_exported():
    for cls in dvren.DvrenError.__subclasses__():
        assert getattr(dvren, cls.__name__) is cls and cls.__name__ in dvren.__all__


def test_generated_modules_hold_every_message_of_the_proto_files():
    from dvren._proto.dvren.v1 import scene_pb2

    assert scene_pb2.Shutter.Kind.Value("ROLLING") == 3
    assert scene_pb2.Aov.Name(scene_pb2.AOV_HIT) == "AOV_HIT"
    files = {path.stem + "_pb2" for path in (CLIENT.parents[1] / "proto" / "dvren" / "v1").glob("*.proto")}
    made = {path.stem for path in pathlib.Path(scene_pb2.__file__).parent.glob("*_pb2.py")}
    assert made == files


def test_protos_are_generated_into_any_folder(tmp_path):
    out = tmp_path / "package" / "_proto"
    for _ in range(2):  # the second time it replaces the first
        subprocess.run([sys.executable, CLIENT / "generate_protos.py", out], check=True)
    assert (out / "dvren" / "v1" / "common_pb2.py").exists() and [p.name for p in out.parent.iterdir()] == ["_proto"]
