"""A PostgreSQL server for tests, from the installed package: on a Unix socket in a temporary folder, gone with the test.

PostgreSQL refuses root: as root it runs as the user `postgres`.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import pytest


def _programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """`with PostgresServer() as server`: skips the test, aloud, where PostgreSQL is not installed."""

    def __enter__(self):
        self._bin = _programs()
        if self._bin is None:
            print("SKIPPED: PostgreSQL is not installed; ./dev setup installs it")
            pytest.skip("PostgreSQL is not installed; ./dev setup installs it")
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="dvren-postgres-"))
        self._user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self._user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "dvren", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._process = None
        self.start()
        return self

    def __exit__(self, *error):
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self):
        return self._folder / "data"

    def _run(self, program, *arguments, check=True):
        command = [self._bin / program, *arguments]
        return subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=check, **self._user)

    def start(self):
        command = [self._bin / "postgres", "-D", self._data, "-k", self._folder, "-c", "listen_addresses="]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._user
        )
        end = time.monotonic() + 30
        while self._run("pg_isready", "-q", "-h", self._folder, "-U", "dvren", check=False).returncode != 0:
            assert time.monotonic() < end and self._process.poll() is None, "the PostgreSQL server did not start"
            time.sleep(0.05)

    def crash(self):
        """As by a power cut: at once, without a checkpoint."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def sql(self, text, database="postgres"):
        return self._run("psql", "-h", self._folder, "-U", "dvren", "-d", database, "-Atqc", text).stdout.strip()

    def new_queue(self, name):
        """URL of a new, empty database."""
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name):
        return f"postgresql://dvren@/{name}?host={self._folder}"
