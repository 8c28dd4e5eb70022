"""The docs are true: their commands run, the paths and names they mention exist."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TOP_LEVEL = {p.name for p in ROOT.iterdir() if p.name not in {"build", "out"}}
# Absolute paths that belong to a user's machine as much as to ours.
COMMON_ROOTS = {"data", "dev", "etc", "path", "proc", "run", "tmp", "usr", "var"}


def doc_id(path):
    return str(path.relative_to(ROOT))


def fences(path):
    """(language, text) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.M | re.S)


def prose(path):
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)


def bash_script(path):
    return "".join(text for language, text in fences(path) if language == "bash")


def without_fragments(target):
    return target.split("#")[0]


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_links_lead_to_files(doc):
    targets = [without_fragments(t) for t in re.findall(r"\]\(([^)\s]+)\)", prose(doc)) if "://" not in t]
    missing = [t for t in targets if t and not (doc.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_paths_in_the_text_exist(doc):
    """`engine/io/vdb.cpp` in backticks is a path when it starts with something at the top of the repository."""
    missing = []
    for word in re.findall(r"`([^`\s]+)`", prose(doc)):
        word = word.rstrip("/").split(":")[0]
        if "/" not in word or word.split("/")[0] not in TOP_LEVEL or re.search(r"[<>$*{}…]", word):
            continue
        if not (ROOT / word).exists():
            missing.append(word)
    assert not missing


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_functions_named_beside_a_file_are_in_that_file(doc):
    """A pair `path.cpp` `Name` (also `Class::Name`) in one table row or sentence means: Name is in that file."""
    wrong = []
    for path, name in re.findall(r"`([\w./-]+\.(?:cpp|h|py|proto|cu))`[ |:,]+`([A-Za-z_][\w:]*)`", prose(doc)):
        if (ROOT / path).is_file() and not re.search(rf"\b{re.escape(name.split('::')[-1])}\b", (ROOT / path).read_text()):
            wrong.append(f"{path}: {name}")
    assert not wrong


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_no_path_of_one_persons_machine(doc):
    absolute = re.findall(r"(?<![\w.:/~$}>)\]-])/([a-z][\w.-]*)/[\w.]", doc.read_text())
    assert not [p for p in absolute if p not in COMMON_ROOTS]


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_nothing_is_left_to_be_written(doc):
    assert not re.findall(r"\b(?:TODO|FIXME|TBD|XXX)\b", doc.read_text())


@pytest.mark.parametrize("doc", DOCS, ids=doc_id)
def test_dev_commands_exist(doc):
    for command in sorted(set(re.findall(r"\./dev ([a-z]+)", doc.read_text()))):
        result = subprocess.run([ROOT / "dev", "help", command], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


def test_presets_in_help_are_those_of_cmake():
    listed = subprocess.run(["cmake", "--list-presets"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    presets = set(re.findall(r'"(\w+)"', listed))
    help_text = subprocess.run([ROOT / "dev", "help", "build"], capture_output=True, text=True, check=True).stdout
    assert presets == {p for p in presets if re.search(rf"\b{p}\b", help_text)}


@pytest.fixture
def newcomer(tmp_path, bin_dir):
    """A folder as a newcomer sees it after `./dev build`, with a home of its own. dvrend listens where no other test does."""
    place = tmp_path / "dvren"
    (place / "build" / "release").mkdir(parents=True)
    (place / "build" / "release" / "bin").symlink_to(bin_dir)
    for name in ("docs", "demo", "clients", "configs", "proto", "tests", "deploy"):
        if (ROOT / name).exists():
            (place / name).symlink_to(ROOT / name)
    socket = tmp_path / "dvrend.sock"
    shims = tmp_path / "shims"
    shims.mkdir()

    def shim(path, text):
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)

    # `./dev demo` and the like are run by people and by CI, not inside a test: here only their names are checked.
    shim(place / "dev", f'exec "{ROOT}/dev" help "$1" >/dev/null\n')
    shim(shims / "dvrend", f'exec "{bin_dir}/dvrend" "$@" --listen "unix:{socket}" --metrics ""\n')
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "xdg"),
        "PATH": f"{shims}:{bin_dir}:/usr/bin:/bin",
        "DVREN_ENDPOINT": f"unix:{socket}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "clients/python/src"), os.environ.get("PYTHONPATH", "")]),
    }
    return place, env


@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md", "docs/pipelines/nerf_training.md"])
def test_commands_and_snippets_run_in_order(name, newcomer):
    place, env = newcomer
    script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for language, text in fences(ROOT / name):
        if language == "bash":
            script.append(text)
        elif language == "python":
            script.append(f"/usr/bin/python3 - <<'END_OF_SNIPPET'\n{text}END_OF_SNIPPET\n")
    text = "\n".join(script)
    text = re.sub(r"^export PATH=.*$", "", text, flags=re.M)  # the shims stay in front
    # A person needs longer for the next line than dvrend to listen; a script does not.
    wait = 'for _ in $(seq 300); do [[ -S ${DVREN_ENDPOINT#unix:} ]] && break; sleep 0.1; done'
    text = re.sub(r"^(dvrend .*&)[^\n]*$", lambda line: f"{line[0]}\n{wait}", text, flags=re.M)
    (place.parent / "commands.sh").write_text(text)
    result = subprocess.run(
        ["bash", "-x", "../commands.sh"], cwd=place, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr[-4000:] + result.stdout[-2000:]


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"}


def section(path, heading):
    """From a heading to the next of the same or a higher level."""
    text = path.read_text()
    level = heading.split(" ")[0]
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.M)
    return text[start : start + end.start() if end else None]


@pytest.mark.parametrize(
    "heading,commands",
    [
        ("## dvrend", [["dvrend"]]),
        ("### The daemon", [["dvrenctl", c] for c in ("info", "devices", "health", "completion")]),
        ("### Fields", [["dvrenctl", "field", c] for c in ("import", "upload", "create", "download", "list", "get", "delete")]),
        ("### Datasets", [["dvrenctl", "dataset", "inspect"]]),
        ("### Render", [["dvrenctl", "render"]]),
    ],
)
def test_command_page_has_the_options_of_help(heading, commands, bin_dir):
    page = section(ROOT / "docs/api_cli.md", heading)
    # Global options of dvrenctl stand in its own table, and are repeated in the help of some commands.
    shared = long_options(section(ROOT / "docs/api_cli.md", "## dvrenctl").split("\n### ")[0])
    told = set()
    for command in commands:
        result = subprocess.run([f"{bin_dir}/{command[0]}", *command[1:], "--help"], capture_output=True, text=True, check=True)
        listed = "\n".join(line.strip().split("  ")[0] for line in result.stdout.splitlines() if line.startswith("  -"))
        told |= long_options(listed)
    assert long_options(page) - {"--root"} == told - shared - {"--root"}
