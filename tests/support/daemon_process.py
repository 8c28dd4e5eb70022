"""Start a dvrend of one's own and run dvrenctl against it. Programs come from $DVREN_BIN_DIR, else the newest build."""

import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
_START_SECONDS = 30


def bin_dir():
    """Folder of dvrend and dvrenctl."""
    given = os.environ.get("DVREN_BIN_DIR")
    folders = (
        [pathlib.Path(given)] if given else sorted((ROOT / "build").glob("*/bin"), key=lambda p: -p.stat().st_mtime)
    )
    for folder in folders:
        if (folder / "dvrend").exists() and (folder / "dvrenctl").exists():
            return folder
    raise FileNotFoundError(f"DVREN_BIN_DIR = {given}: no dvrend and dvrenctl in {folders}; ./dev build")


def data_dir():
    """Folder of sample volumes, which may be absent."""
    return pathlib.Path(os.environ.get("DVREN_DATA") or ROOT.parent / "shared" / "data")


class DaemonProcess:
    """`with DaemonProcess(folder, "--threads", "2") as daemon`: its log and fields lie in `folder`."""

    def __init__(self, folder, *flags):
        self._folder = pathlib.Path(folder)
        self._flags = flags
        self._ready = self._folder / "ready"
        self._log = self._folder / "dvrend.log"

    def __enter__(self):
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        command = [bin_dir() / "dvrend", "--listen", "127.0.0.1:0", "--device", "cpu"]
        if "--metrics" not in self._flags:
            command += ["--metrics", ""]
        command += ["--data-dir", self._folder / "data", "--ready-file", self._ready, *self._flags]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(command, stderr=log)
        end = time.monotonic() + _START_SECONDS
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise RuntimeError(f"dvrend did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)
        self.endpoint = self._ready.read_text().split()[0]
        self.pid = self._process.pid
        return self

    def __exit__(self, *error):
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            if error[0] is not None:
                print(f"---- the end of dvrend's log ----\n{self._log.read_text()[-4000:]}")

    def kill(self):
        """As a crash would end it."""
        self._process.kill()
        self._process.wait()

    def ctl(self, *arguments):
        """Runs dvrenctl and gives its stdout; a failure shows its stderr."""
        command = [str(bin_dir() / "dvrenctl"), "--endpoint", self.endpoint, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}"
        return done.stdout
