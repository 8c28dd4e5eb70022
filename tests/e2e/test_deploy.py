"""The files of deploy/ fit the programs that were built."""
import pathlib
import re
import shutil
import subprocess

import pytest

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS = ["dvrend", "dvrenctl", "dvren-parse"]


def needed_packages(programs):
    """Debian packages of the libraries that the programs themselves name."""
    files = set()
    for program in programs:
        dynamic = subprocess.run(["objdump", "-p", program], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"NEEDED\s+(\S+)", dynamic))
        resolved = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {pathlib.Path(path).resolve() for name, path in re.findall(r"(\S+) => (\S+)", resolved) if name in needed}
    # Packages older than the merge of /lib into /usr/lib know their files by the old name: ask for both.
    names = [name for file in files for name in (str(file), str(file).removeprefix("/usr"))]
    owners = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True, check=False).stdout
    return {line.split(":")[0] for line in owners.splitlines()}


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="not a Debian system: package names cannot be looked up")
def test_image_has_the_packages_that_the_programs_link_to(bin_dir):
    listed = {line for line in (DEPLOY / "docker/runtime-packages.txt").read_text().splitlines() if not line.startswith("#")}
    assert needed_packages(f"{bin_dir}/{program}" for program in PROGRAMS) - {"libc6"} == listed


def test_image_copies_what_exists():
    dockerfile = (DEPLOY / "docker/Dockerfile").read_text()
    sources = [word for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.M) for word in line.split()[:-1]]
    assert [s for s in sources if not (DEPLOY.parent / s).exists()] == []


def test_image_command_is_accepted(bin_dir, tmp_path):
    import json

    words = json.loads(re.search(r"^CMD (.*)$", (DEPLOY / "docker/Dockerfile").read_text(), re.M).group(1))
    words[words.index("--data-dir") + 1] = str(tmp_path)
    subprocess.run([f"{bin_dir}/dvrend", *words, "--check-config"], check=True, capture_output=True)


def test_service_unit_passes_flags_that_exist(bin_dir):
    told = subprocess.run([f"{bin_dir}/dvrend", "--help"], capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r"--[a-z-]+", "\n".join(re.findall(r"^Exec.*$", (DEPLOY / "systemd/dvrend.service").read_text(), re.M))))
    assert used and not {flag for flag in used if flag not in told}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
def test_prometheus_takes_the_scrape_file():
    subprocess.run(["promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml"], check=True, capture_output=True)
