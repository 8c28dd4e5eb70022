"""Makes `import dvren` work from the source tree, and gives tests a fake daemon."""

import pathlib
import sys

import pytest

CLIENT = pathlib.Path(__file__).resolve().parents[3] / "clients" / "python"
sys.path[:0] = [str(CLIENT / "src"), str(CLIENT)]

import generate_protos  # noqa: E402

generate_protos.ensure(CLIENT / "src" / "dvren" / "_proto")

import dvren  # noqa: E402
from fake_daemon import FakeDaemon  # noqa: E402


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("DVREN_ENDPOINT", raising=False)
    monkeypatch.delenv("DVREN_TOKEN", raising=False)


@pytest.fixture
def daemon():
    fake = FakeDaemon()
    yield fake
    fake.stop()


@pytest.fixture
def client(daemon, monkeypatch):
    monkeypatch.setattr("dvren.fields._RETRY_DELAY_S", 0.01)
    with dvren.connect(daemon.address) as connected:
        yield connected
