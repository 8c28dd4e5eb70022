"""Fixtures of the end-to-end tests: the programs, and a daemon that a module's tests share."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import daemon_process  # noqa: E402


@pytest.fixture(scope="session")
def bin_dir():
    """Folder of dvrend, dvrenctl and the rest: $DVREN_BIN_DIR, else the newest build."""
    return daemon_process.bin_dir().resolve()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A running dvrend with `endpoint`, `ctl(*arguments)` and `root`, below which it imports files (--on-server)."""
    root = tmp_path_factory.mktemp("root")
    with daemon_process.DaemonProcess(tmp_path_factory.mktemp("dvrend"), "--root", root) as process:
        process.root = root
        yield process
