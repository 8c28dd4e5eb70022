"""The code of docs/api_python.md runs, from top to bottom."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from jax_venv import jax_python  # noqa: F401
from python_client import CLIENT

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api_python.md"


def all_blocks():
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def blocks():
    return [block for block in all_blocks() if "train_session" not in block and "client.jobs" not in block]


def run(python, script, daemon, cwd=None):
    env = {**os.environ, "DVREN_ENDPOINT": daemon.endpoint, "PYTHONPATH": str(CLIENT / "src")}
    done = subprocess.run([python, "-c", script], env=env, cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_page_shows_all_three_ways():
    text = "".join(blocks())
    assert len(blocks()) == 5
    for word in (
        "client.render(",
        "client.forward(",
        "client.backward(",
        "dvren.torch",
        "optimizer.step()",
        "dvren.jax",
    ):
        assert word in text


def test_the_code_runs_and_the_training_loop_learns(daemon):
    pytest.importorskip("torch", reason="needs PyTorch (./dev setup)")
    out = run(sys.executable, "".join(block for block in blocks() if "jax" not in block), daemon)
    losses = [float(line.split()[1]) for line in out.splitlines() if re.match(r"\d+ |fitted ", line)]
    assert len(losses) == 4 and losses[-1] < 0.2 * losses[0], out
    daemon.ctl("field", "delete", "ball")
    daemon.ctl("field", "delete", "fitted")


def test_the_code_for_training_sessions_runs(daemon):
    first = all_blocks()[0]
    out = run(sys.executable, first + "".join(block for block in all_blocks() if "train_session" in block), daemon)
    lines = out.splitlines()[-6:]
    assert [line.split()[0] for line in lines[:3]] == ["50", "100", "PSNR"], out
    assert float(lines[1].split()[1]) < float(lines[0].split()[1]), out
    assert float(lines[2].split()[1]) > 15 and float(lines[3]) > 0, out
    assert float(lines[4]) > 0 and "checkpoints/rays" in lines[5], out
    daemon.ctl("field", "delete", "ball")
    daemon.ctl("field", "delete", "blob")


def test_the_code_for_jobs_runs_and_brings_every_frame(daemon, tmp_path):
    first = all_blocks()[0]
    out = run(
        sys.executable,
        first + "".join(block for block in all_blocks() if "client.jobs" in block),
        daemon,
        cwd=tmp_path,
    )
    assert "36 of 36" in out and out.splitlines()[-1].endswith("succeeded"), out
    assert len(list(tmp_path.glob("*.png"))) == 36, sorted(path.name for path in tmp_path.iterdir())
    daemon.ctl("field", "delete", "ball")


def test_the_code_for_jax_runs(daemon, jax_python):  # noqa: F811
    first = blocks()[0]
    assert "(32, 32, 32)" in run(jax_python, first + "".join(block for block in blocks() if "jax" in block), daemon)
