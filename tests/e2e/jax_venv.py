"""jax_python: an interpreter with JAX, which Debian has not. pip installs it into a folder beside the build, once."""

import fcntl
import hashlib
import json
import subprocess
import sys

import pytest

# Versions that go with Python 3.11 and Debian's NumPy 1.24, which python3-torch is built for.
PINNED = ["jax==0.4.30", "jaxlib==0.4.30", "ml_dtypes==0.4.1", "opt_einsum==3.3.0", "scipy==1.10.1"]
UNREACHABLE = ("NewConnectionError", "No matching distribution found for", "ConnectTimeout", "ProxyError")


@pytest.fixture(scope="module")
def jax_python(bin_dir):
    """An interpreter with JAX and all that this one has."""
    venv = bin_dir.parent / "jax-venv"
    python, stamp = venv / "bin" / "python", venv / "pinned"
    key = hashlib.sha256(json.dumps([PINNED, sys.version]).encode()).hexdigest()
    with open(f"{venv}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != key:
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", venv], check=True)
            install = subprocess.run([venv / "bin" / "pip", "install", "-q", *PINNED], capture_output=True, text=True)
            if install.returncode != 0 and any(word in install.stdout + install.stderr for word in UNREACHABLE):
                reason = install.stderr.strip().splitlines()[-1]
                pytest.skip(f"JAX is not tested, pip reaches no package index: {reason}")
            assert install.returncode == 0, install.stdout + install.stderr
            stamp.write_text(key)
    return python
