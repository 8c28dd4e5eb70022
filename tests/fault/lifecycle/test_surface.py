"""What surrounds every service: health, reflection, request ids, tokens, TLS, metrics, log."""

import hashlib
import json
import subprocess
import urllib.request

import grpc
import lifecycle
import pytest

SERVICES = ("dvren.v1.FieldService", "dvren.v1.RenderService", "dvren.v1.TrainingService", "dvren.v1.AdminService")


def test_health_is_per_service(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon, daemon.channel() as channel:
        for service in ("", *SERVICES):
            assert lifecycle.health(channel, service) == lifecycle.SERVING
        with pytest.raises(grpc.RpcError) as error:
            lifecycle.health(channel, "dvren.v1.NoSuchService")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services_unless_it_is_off(tmp_path):
    with lifecycle.Daemon(tmp_path / "on") as daemon, daemon.channel() as channel:
        listed = lifecycle.list_services(channel)
        for service in SERVICES:
            assert service.encode() in listed
    config = tmp_path / "off.yaml"
    config.write_text("reflection: false\n")
    with lifecycle.Daemon(tmp_path / "off", "--config", config) as daemon, daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as error:
            lifecycle.list_services(channel)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert lifecycle.health(channel) == lifecycle.SERVING


def test_a_request_id_comes_back_in_metadata_message_details_and_log(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon, daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as raised:
            lifecycle.get_field(channel, "no-such-field", metadata=[("x-request-id", "my-id-7")])
        error = raised.value
        assert error.code() == grpc.StatusCode.NOT_FOUND
        assert "my-id-7" in error.details()
        trailing = dict(error.trailing_metadata())
        assert trailing["x-request-id"] == "my-id-7"
        assert b"my-id-7" in trailing["grpc-status-details-bin"]
        lifecycle.wait_until(lambda: daemon.logged("request"))
        (line,) = daemon.logged("request")
        assert line["request_id"] == "my-id-7"
        assert line["method"] == "FieldService/GetField"
        assert line["code"] == "NOT_FOUND"
        assert line["tenant"] == "default"
        assert line["duration_ms"] >= 0


def test_an_insane_request_id_is_replaced(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon, daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as raised:
            lifecycle.get_field(channel, "x", metadata=[("x-request-id", 'a"; rm -rf')])
        given = dict(raised.value.trailing_metadata())["x-request-id"]
        assert len(given) == 32 and int(given, 16) >= 0


def test_tokens_make_tenants(tmp_path):
    config = tmp_path / "tokens.yaml"
    config.write_text(
        json.dumps({"auth": {"tokens": [{"tenant": "alice", "sha256": hashlib.sha256(b"s3cret").hexdigest()}]}})
    )
    with lifecycle.Daemon(tmp_path, "--config", config) as daemon, daemon.channel() as channel:
        for metadata in (None, [("authorization", "Bearer guess")], [("authorization", "s3cret")]):
            with pytest.raises(grpc.RpcError) as error:
                lifecycle.get_field(channel, "x", metadata=metadata)
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as error:
            lifecycle.get_field(channel, "x", metadata=[("authorization", "Bearer s3cret")])
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        assert lifecycle.health(channel) == lifecycle.SERVING  # probes carry no token
        assert "s3cret" not in json.dumps(daemon.log())


def openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


def make_certificates(folder):
    """A CA, and a certificate of it for localhost that serves for both ends."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "req.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(
        folder, "x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-extfile", "names", "-out", "cert.pem",
    )  # fmt: skip


def test_tls_serves_and_mutual_tls_asks_for_a_certificate(tmp_path):
    make_certificates(tmp_path)
    ca, cert, key = ((tmp_path / name).read_bytes() for name in ("ca.pem", "cert.pem", "key.pem"))
    with_certificate = grpc.ssl_channel_credentials(ca, key, cert)
    without = grpc.ssl_channel_credentials(ca)
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    config = tmp_path / "tls.yaml"

    config.write_text(json.dumps({"tls": tls}))
    with lifecycle.Daemon(tmp_path / "tls", "--config", config) as daemon:
        with grpc.secure_channel(daemon.addresses[0], without) as channel:
            assert lifecycle.health(channel) == lifecycle.SERVING
        with daemon.channel() as channel, pytest.raises(grpc.RpcError):
            lifecycle.health(channel)

    config.write_text(json.dumps({"tls": {**tls, "client_ca": str(tmp_path / "ca.pem")}}))
    with lifecycle.Daemon(tmp_path / "mtls", "--config", config) as daemon:
        with grpc.secure_channel(daemon.addresses[0], with_certificate) as channel:
            assert lifecycle.health(channel) == lifecycle.SERVING
        with grpc.secure_channel(daemon.addresses[0], without) as channel, pytest.raises(grpc.RpcError):
            lifecycle.health(channel)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    make_certificates(tmp_path)
    config = tmp_path / "tls.yaml"
    config.write_text(json.dumps({"tls": {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "ca.key")}}))
    flags = ("--listen", "127.0.0.1:0", "--metrics", "", "--device", "cpu", "--data-dir", tmp_path / "data")
    done = lifecycle.run("--config", config, *flags)
    assert done.returncode == 2
    assert "is not the key of tls.cert" in lifecycle.error_of(done)


def test_metrics_are_served_and_count_requests(tmp_path):
    with lifecycle.Daemon(tmp_path, metrics="127.0.0.1:0") as daemon, daemon.channel() as channel:
        (line,) = daemon.logged("metrics")
        with pytest.raises(grpc.RpcError):
            lifecycle.get_field(channel, "x")
        counted = 'dvrend_requests_total{code="NOT_FOUND",method="FieldService/GetField"} 1'
        url = f"http://{line['address']}/metrics"
        lifecycle.wait_until(lambda: counted in urllib.request.urlopen(url).read().decode())
        text = urllib.request.urlopen(url).read().decode()
        for name in ("dvrend_ready 1", "dvrend_build_info{", "dvrend_queue_depth{", "dvrend_device_memory_bytes{"):
            assert name in text
        assert daemon.terminate() == 0


def test_the_log_starts_with_the_effective_configuration(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon:
        first = daemon.log()[0]
        assert first["msg"] == "starting"
        assert json.loads(first["config"])["data_dir"] == str(daemon.data_dir)
        assert [line["address"] for line in daemon.logged("listening")] == daemon.addresses
