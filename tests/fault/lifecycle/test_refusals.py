"""What dvrend refuses to start with: one line that names what is wrong, and the exit code for it."""

import os
import signal
import socket
import stat

import grpc
import lifecycle
import pytest


def write(folder, text):
    path = folder / "dvrend.yaml"
    path.write_text(text)
    return path


def test_unknown_config_key_names_line_and_nearest_key(tmp_path):
    path = write(tmp_path, "threads: 2\nlimits:\n  max_queud: 3\n")
    done = lifecycle.run("--config", path)
    assert done.returncode == 2
    assert lifecycle.error_of(done) == f"dvrend: {path}:3: limits.max_queud: unknown key; did you mean limits.max_queued?"


def test_check_config_prints_what_would_run(tmp_path):
    path = write(tmp_path, "threads: 3\n")
    done = lifecycle.run("--config", path, "--check-config", "--data-dir", tmp_path, "--listen", "127.0.0.1:7")
    assert done.returncode == 0
    assert "threads: 3\n" in done.stdout
    assert f'data_dir: "{tmp_path}"\n' in done.stdout
    assert '  - "127.0.0.1:7"\n' in done.stdout
    again = lifecycle.run("--config", write(tmp_path, done.stdout), "--check-config")
    assert again.stdout == done.stdout


def test_check_config_exits_2_for_a_wrong_one(tmp_path):
    done = lifecycle.run("--config", write(tmp_path, "threads: many\n"), "--check-config")
    assert done.returncode == 2
    assert "threads = many: must be a whole number" in lifecycle.error_of(done)


def test_unknown_flag_is_a_usage_error():
    done = lifecycle.run("--lisen", "x")
    assert done.returncode == 2
    assert "--help" in lifecycle.error_of(done)


def test_help_and_version_exit_0():
    assert "Examples:" in lifecycle.run("--help").stdout
    assert lifecycle.run("--version").stdout.startswith("dvrend ")


def test_port_taken_names_the_address(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = lifecycle.run("--listen", address, "--metrics", "", "--device", "cpu", "--data-dir", tmp_path)
    assert done.returncode == 6
    assert f"listen = {address}: in use" in lifecycle.error_of(done)


def test_port_of_another_dvrend_is_taken_too(tmp_path):
    with lifecycle.Daemon(tmp_path / "a") as first:
        flags = ("--metrics", "", "--device", "cpu", "--data-dir", tmp_path / "b")
        done = lifecycle.run("--listen", first.addresses[0], *flags)
    assert done.returncode == 6
    assert f"listen = {first.addresses[0]}: in use" in lifecycle.error_of(done)


def test_second_daemon_on_a_data_directory_names_it_and_its_holder(tmp_path):
    with lifecycle.Daemon(tmp_path) as first:
        flags = ("--listen", "127.0.0.1:0", "--metrics", "", "--device", "cpu", "--data-dir", first.data_dir)
        done = lifecycle.run(*flags)
        assert done.returncode == 6
        assert f"data_dir = {first.data_dir}" in lifecycle.error_of(done)
        assert f"pid {first.process.pid})" in lifecycle.error_of(done)


def test_a_killed_daemon_leaves_its_data_directory_free(tmp_path):
    with lifecycle.Daemon(tmp_path) as first:
        first.signal(signal.SIGKILL)
        first.wait()
    with lifecycle.Daemon(tmp_path) as second:
        assert second.terminate() == 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_beyond_loopback_without_tls_is_refused(tmp_path, address):
    done = lifecycle.run("--listen", address, "--metrics", "", "--device", "cpu", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert f"listen = {address}: beyond loopback" in lifecycle.error_of(done)


def test_beyond_loopback_is_served_when_told_insecure(tmp_path):
    with lifecycle.Daemon(tmp_path, "--insecure", listen=["0.0.0.0:0"]) as daemon:
        port = daemon.addresses[0].rsplit(":", 1)[1]
        with daemon.channel(f"127.0.0.1:{port}") as channel:
            assert lifecycle.health(channel) == lifecycle.SERVING


def test_a_device_that_is_not_there_is_named(tmp_path):
    done = lifecycle.run("--listen", "127.0.0.1:0", "--metrics", "", "--device", "cuda:63", "--data-dir", tmp_path)
    assert done.returncode != 0
    assert "cuda:63" in lifecycle.error_of(done)


def test_metrics_port_taken_is_an_error_where_it_was_asked_for(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        flags = ("--listen", "127.0.0.1:0", "--device", "cpu", "--data-dir", tmp_path)
        done = lifecycle.run("--metrics", address, *flags)
    assert done.returncode == 6
    assert f"metrics = {address}" in lifecycle.error_of(done)


def test_the_default_metrics_port_may_be_taken(tmp_path):
    # Two daemons that were not told a metrics address: the second (at least) goes without and says so.
    with lifecycle.Daemon(tmp_path / "a", metrics=None), lifecycle.Daemon(tmp_path / "b", metrics=None) as second:
        assert any(line["msg"].startswith("no metrics") and line["level"] == "warn" for line in second.log())
        assert second.terminate() == 0


def test_unix_socket_is_private_and_removed_at_the_end(tmp_path):
    path = tmp_path / "socket"
    with lifecycle.Daemon(tmp_path, listen=[f"unix:{path}"]) as daemon:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with daemon.channel(f"unix:{path}") as channel:
            assert lifecycle.health(channel) == lifecycle.SERVING
        assert daemon.terminate() == 0
        assert not path.exists()


def test_stale_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "socket"
    with lifecycle.Daemon(tmp_path / "a", listen=[f"unix:{path}"]) as first:
        flags = ("--listen", f"unix:{path}", "--metrics", "", "--device", "cpu", "--data-dir", tmp_path / "b")
        done = lifecycle.run(*flags)
        assert done.returncode == 6
        assert f"listen = unix:{path}: in use" in lifecycle.error_of(done)
        with first.channel(f"unix:{path}") as channel:
            assert lifecycle.health(channel) == lifecycle.SERVING
        first.signal(signal.SIGKILL)
        first.wait()
    assert path.exists()
    with lifecycle.Daemon(tmp_path / "c", listen=[f"unix:{path}"]) as second, second.channel(f"unix:{path}") as channel:
        assert lifecycle.health(channel) == lifecycle.SERVING


def test_a_file_where_the_socket_should_be_is_left_alone(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    flags = ("--listen", f"unix:{path}", "--metrics", "", "--device", "cpu", "--data-dir", tmp_path / "data")
    done = lifecycle.run(*flags)
    assert done.returncode == 2
    assert "no socket" in lifecycle.error_of(done)
    assert path.read_text() == "data"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_data_directory_is_a_permission_error(tmp_path):
    tmp_path.chmod(0o500)
    flags = ("--listen", "127.0.0.1:0", "--metrics", "", "--device", "cpu", "--data-dir", tmp_path / "data")
    done = lifecycle.run(*flags)
    tmp_path.chmod(0o700)
    assert done.returncode == 4
    assert "cannot be written" in lifecycle.error_of(done)


def test_an_oversize_message_fails_alone(tmp_path):
    with lifecycle.Daemon(tmp_path) as daemon, daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as error:
            lifecycle.unary(channel, "/dvren.v1.FieldService/GetField")(bytes(5 << 20))
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert lifecycle.health(channel) == lifecycle.SERVING
