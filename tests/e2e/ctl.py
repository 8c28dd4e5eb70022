"""Runs dvrenctl as a shell would, and says what came of it."""
import dataclasses
import os
import subprocess

from daemon_process import bin_dir


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str


def run(*arguments, endpoint=None, env=None, timeout=120):
    """stdout and stderr are pipes, so nothing is drawn for a terminal."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DVREN_")}
    if endpoint:
        environment["DVREN_ENDPOINT"] = endpoint
    environment.update(env or {})
    done = subprocess.run(
        [str(bin_dir() / "dvrenctl"), *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=timeout
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
